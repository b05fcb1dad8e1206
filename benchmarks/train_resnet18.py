"""An epoch of fine-tuning a ResNet18, batches of 32, against the plain loop; each side in its own process.

The plain loop has as many DataLoader processes as make it fastest on the machine, found before the pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.baseline_training import Trainer, training_loader
from benchmarks.matrix_peak import matrix_peak
from benchmarks.pictures import CLASSES, make_pictures
from benchmarks.worker import fastest_loaders, worker
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitResult, FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.memory import keep_freed_memory
from tmdscope.vision.augment import FLIPS
from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.features import best_device
from tmdscope.vision.precision import Precision, multiplies_bfloat16, resolve_precision
from tmdscope.vision.published import IMAGENET_NORMALISATION
from tmdscope.vision.targets import Multiclass

ARCHITECTURE = "resnet18"
BATCH = 32
TARGET = Multiclass([str(number) for number in range(CLASSES)])
HELD_OUT = 2
"""Images that ours scores after the epoch, as training does; the baseline scores none."""


@dataclass(frozen=True)
class TrainResnet18:
    """One size and precision of the comparison.

    Attributes
    ----------
    NAME : str
        Of the benchmark.
    ITEMS : int
        Images in an epoch.
    size_px : int
        Rows and columns of an image.
    precision : Precision
        Of ours; the baseline's is float32.
    """

    NAME: str
    ITEMS: int
    size_px: int
    precision: Precision
    UNIT: str = "images/s"

    def ours(self) -> None:
        """Train an epoch by the engine."""
        worker(prepare_ours, self.ITEMS, self.size_px, self.precision).work()

    def baseline(self) -> None:
        """Train an epoch by the plain loop."""
        worker(prepare_baseline, self.ITEMS, self.size_px, self._loaders()).work()

    def details(self, rate: float) -> dict[str, Any]:
        """Set the rate against what the machine's matrix products reach.

        Parameters
        ----------
        rate : float
            Images per second of ours.

        Returns
        -------
        dict
            As `against_peak`, and ``baseline_loaders``: DataLoader processes of the baseline.
        """
        used = against_peak(rate * count_flops(self.size_px, backward=True), self.precision)
        return {**used, "baseline_loaders": self._loaders()}

    def _loaders(self) -> int:
        return baseline_loaders(self.ITEMS, self.size_px)


@cache
def baseline_loaders(count: int, size_px: int) -> int:
    """Find how many DataLoader processes make the plain loop fastest.

    Parameters
    ----------
    count : int
        Images.
    size_px : int
        Rows and columns.

    Returns
    -------
    int
        As `benchmarks.worker.fastest_loaders`.
    """
    return fastest_loaders(prepare_baseline, count, size_px)


def prepare_ours(count: int, size_px: int, precision: Precision) -> Callable[[], FitResult]:
    """Set up the engine as the crossval stage does.

    Parameters
    ----------
    count : int
        Images.
    size_px : int
        Rows and columns.
    precision : Precision
        Of training.

    Returns
    -------
    callable
        Trains one epoch.
    """
    keep_freed_memory()
    pictures, _ = make_pictures(count + HELD_OUT, size_px)
    examples = make_examples(pictures.images, pictures.labels)
    model, settings, rows = make_network(), make_settings(precision), torch.arange(count + HELD_OUT)

    def epoch() -> FitResult:
        return fit(model, TARGET, examples, rows[:count], rows[count:], settings, Silent())

    return epoch


def make_examples(images: NDArray[np.uint8], labels: Sequence[int]) -> Examples:
    """Put images on the device that trains.

    Parameters
    ----------
    images : numpy.ndarray
        uint8, shape (N, S, S).
    labels : sequence of int
        N classes.

    Returns
    -------
    tmdscope.learn.fit.Examples
        To train on.
    """
    device = best_device()
    return Examples(torch.from_numpy(images).to(device), torch.tensor(labels).to(device))


def make_network(architecture: str = ARCHITECTURE) -> Classifier:
    """Build an untrained network as an experiment has it.

    Parameters
    ----------
    architecture : str, optional
        Name of a network.

    Returns
    -------
    Classifier
        On the device that trains.
    """
    backbone = Backbone(bare_backbone(architecture), IMAGENET_NORMALISATION)
    model = Classifier(backbone, Head(feature_count(architecture), CLASSES)).to(best_device())
    return model.to(memory_format=torch.channels_last)


def make_settings(precision: Precision) -> FitSettings:
    """Give the settings of one epoch.

    Parameters
    ----------
    precision : Precision
        Of training.

    Returns
    -------
    FitSettings
        Batches of 32, flips, weighted sampling.
    """
    return FitSettings(
        epochs=1,
        batch_size=BATCH,
        learning_rate=7.5e-5,
        checkpoint=CheckpointRule.LAST,
        sampling="weighted",
        seed=1,
        symmetries=FLIPS,
        precision=resolve_precision(precision, best_device()),
    )


def prepare_baseline(count: int, size_px: int, loaders: int) -> Callable[[], None]:
    """Set up the plain loop.

    Parameters
    ----------
    count : int
        Images.
    size_px : int
        Rows and columns.
    loaders : int
        DataLoader processes.

    Returns
    -------
    callable
        Trains one epoch.
    """
    pictures, keep = make_pictures(count, size_px)
    trainer = Trainer(CLASSES, best_device())
    loader = training_loader(pictures.paths, pictures.labels, BATCH, loaders)

    def epoch() -> None:
        assert keep.name
        trainer.train_epoch(loader)

    return epoch


def count_flops(size_px: int, backward: bool, architecture: str = ARCHITECTURE) -> int:
    """Count the operations of a network on one image.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    backward : bool
        Whether the gradients of all weights are computed too.
    architecture : str, optional
        Name of a network.

    Returns
    -------
    int
        Products and sums of its convolutions.
    """
    with torch.device("meta"):  # nothing is computed
        network, image = bare_backbone(architecture).eval(), torch.zeros(1, 3, size_px, size_px)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        features = network(image)
        if backward:
            features.sum().backward()
    return int(counter.get_total_flops())


def against_peak(flops: float, precision: Precision) -> dict[str, Any]:
    """Set operations a second against the measured peaks.

    Parameters
    ----------
    flops : float
        Operations a second.
    precision : Precision
        Of the work.

    Returns
    -------
    dict
        ``precision``, ``amx``, ``peak_gflops_fp32``, ``peak_gflops_bf16`` and ``fraction_of_peak``.
    """
    device = best_device()
    resolved = resolve_precision(precision, device)
    dtypes = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}
    peaks = {key: matrix_peak(dtype, device.type) for key, dtype in dtypes.items()}
    return {
        "precision": resolved.value,
        "amx": multiplies_bfloat16(),
        **{f"peak_gflops_{key}": round(value, 1) for key, value in peaks.items()},
        "fraction_of_peak": round(flops / 1e9 / peaks[resolved], 3),
    }


GPU_FACTOR = 16 if torch.cuda.is_available() else 1
"""So many times more images, so that a GPU is at work long enough to time."""

BENCHMARKS = (
    TrainResnet18("train-resnet18-224", 64 * GPU_FACTOR, 224, Precision.AUTO),
    TrainResnet18("train-resnet18-224-fp32", 64 * GPU_FACTOR, 224, Precision.FP32),
    TrainResnet18("train-resnet18-64", 512 * GPU_FACTOR, 64, Precision.AUTO),
    TrainResnet18("train-resnet18-64-fp32", 512 * GPU_FACTOR, 64, Precision.FP32),
    TrainResnet18("train-resnet18-112", 256 * GPU_FACTOR, 112, Precision.AUTO),
)
