"""Whether calibration, prediction sets and novelty hold on samples that nothing was fitted to.

Each of ten outer folds is the held-out test once: five heads are trained on the rest, their reliability is
fitted on the rest, and the test is assessed. What is printed is pooled over the ten tests, so that every
image counts once. On the published features where ``TMDSCOPE_PUBLISHED_DIR`` names them, and on simulated
scans seen by a backbone that was pre-trained on other simulated scans; there also the share of pictures that
are no AFM scans which is called unfamiliar. Nothing is timed.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.textures import make_textures
from tmdscope.dataset.splits import FoldParts, outer_folds
from tmdscope.learn.batched import HeadMember, HeadResult, train_heads
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.pretrain import pretrain, simulate_corpus
from tmdscope.materials import MATERIALS, PUBLISHED_IMAGES
from tmdscope.memory import keep_freed_memory
from tmdscope.params.images import PretrainParams
from tmdscope.reliability.reliability import (
    Assessment,
    Reliability,
    assess,
    fit_reliability,
    measure,
)
from tmdscope.scan.level import level
from tmdscope.scan.simulate import plan_samples, simulate_sample
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES
from tmdscope.studies.published_features.tables import FOLDER_VARIABLE, read_tables
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Head
from tmdscope.vision.features import best_device, symmetric_features
from tmdscope.vision.precision import Precision
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass

NAME = "reliability"

OUTER, INNER, EPOCHS = 10, 5, 60
IMAGES, SAMPLES, SIZE_PX, FRAME_NM, PERCENTILES = 300, 180, 96, 1000.0, (0.5, 99.5)
"""The simulated study that params.yaml sets."""

PRETRAINED_IMAGES, PRETRAIN_EPOCHS = 1200, 3
TEXTURES, BATCH, SEED, RESAMPLES = 12, 64, 1, 2000


@dataclass(frozen=True)
class Ensembles:
    """The fold ensembles of all outer folds.

    Attributes
    ----------
    folds : list of list of FoldParts
        For each outer fold its inner folds, whose test is the outer fold.
    heads : list of list of Head
        For each outer fold a trained head for each inner fold.
    """

    folds: list[list[FoldParts]]
    heads: list[list[Head]]


def report() -> dict[str, Any]:
    """Measure on both data sets.

    Returns
    -------
    dict
        ``benchmark``; ``published``: what `benchmarks.reliability.score` gives, or None where there are no
        tables; ``simulated``: the same, and of the pictures that are no scans ``detected`` (share called
        unfamiliar, mean over outer folds), ``textures`` (how many) and ``detected_by_kind``.
    """
    keep_freed_memory()
    published = published_table()
    table, textures = simulated_tables()
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    ensembles = train(table)
    return {
        "benchmark": NAME,
        "published": None if published is None else score(published, train(published)),
        "simulated": {**score(table, ensembles), **detect(table, ensembles, textures)},
    }


def published_table() -> Cohort | None:
    """Read the published features.

    Returns
    -------
    Cohort or None
        None where the environment names no folder.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return None
    return read_tables(Path(folder)).cohort


def simulated_tables() -> tuple[Cohort, dict[str, NDArray[np.float32]]]:
    """Simulate a study and see it, and pictures that are none, by a pre-trained backbone.

    Returns
    -------
    table : Cohort
        Features of the simulated scans.
    textures : dict
        Kind of picture to features, float32, shape (pictures, 512).
    """
    device = best_device()
    settings = PretrainParams(
        architecture="resnet18",
        images=PRETRAINED_IMAGES,
        size_px=SIZE_PX,
        frame_nm=FRAME_NM,
        epochs=PRETRAIN_EPOCHS,
        batch_size=32,
        learning_rate=1e-3,
        seed=SEED,
    )
    images, truth = simulate_corpus(settings, PERCENTILES)
    state = pretrain(images, truth, settings, device, lambda _: None).state
    backbone = Backbone(bare_backbone(settings.architecture, state), GREY_NORMALISATION).to(device).eval()

    def see(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return symmetric_features(backbone, pictures, 1, BATCH, device, Precision.FP32)[:, 0]

    shares = {name: float(PUBLISHED_IMAGES[name]) for name in MATERIALS}
    plans = plan_samples(shares, IMAGES, SAMPLES, SEED)
    scans = [scan for plan in plans for scan in simulate_sample(plan, SIZE_PX, FRAME_NM, SEED)]
    images = [plan.images for plan in plans]
    table = Cohort(
        task=CLASSES,
        image_ids=np.arange(len(scans)).astype(str),
        sample_ids=np.repeat([plan.sample_id for plan in plans], images),
        image_sha256=np.array([scan.scan.sha256 for scan in scans]),
        targets=np.repeat([MATERIALS.index(plan.material) for plan in plans], images),
        classes=MATERIALS,
        features=see(np.stack([level(scan.scan.height_nm, PERCENTILES) for scan in scans])),
    )
    return table, {kind: see(pictures) for kind, pictures in make_textures(SIZE_PX, TEXTURES).items()}


def train(table: Cohort) -> Ensembles:
    """Train heads as experiment `features-multiclass` does, for every inner fold of every outer fold.

    Parameters
    ----------
    table : Cohort
        The features.

    Returns
    -------
    Ensembles
        All at once, on the CPU.
    """
    labels, samples = table.targets, table.sample_ids
    folds = [
        [
            FoldParts(rest[inner], rest[val], test)
            for inner, val in outer_folds(labels[rest], samples[rest].tolist(), INNER)
        ]
        for rest, test in outer_folds(labels, samples.tolist(), OUTER)
    ]
    rule = CheckpointRule.IMPROVES_BOTH
    members = [
        HeadMember(
            torch.from_numpy(parts.train),
            torch.from_numpy(parts.val),
            FitSettings(EPOCHS, 32, 1e-3, rule, "weighted", fold_seed(SEED, INNER * number + fold)),
        )
        for number, inner in enumerate(folds)
        for fold, parts in enumerate(inner)
    ]
    target, width = Multiclass(table.classes), table.inputs.shape[1]
    examples = Examples(torch.tensor(table.inputs), torch.tensor(labels))
    results = train_heads(members, lambda: Head(width, target.outputs), target, examples)
    heads = [_head(result, width, target.outputs) for result in results]
    return Ensembles(folds, [heads[start : start + INNER] for start in range(0, len(heads), INNER)])


def score(table: Cohort, ensembles: Ensembles) -> dict[str, Any]:
    """Assess every outer fold by the ensemble of the rest and score all together.

    Parameters
    ----------
    table : Cohort
        The features.
    ensembles : Ensembles
        Trained on them.

    Returns
    -------
    dict
        As `tmdscope.reliability.reliability.measure`, and ``accuracy``, ``temperatures``,
        ``calibrated_on`` (samples in the mean) and ``novelty_cut`` (in the mean).
    """
    fitted = [fit(table, ensembles, number) for number in range(OUTER)]
    tests = [folds[0].test for folds in ensembles.folds]
    parts = [
        assess(reliability, *predict(ensembles, number, table.inputs[test]))
        for number, (reliability, test) in enumerate(zip(fitted, tests, strict=True))
    ]
    names = [field.name for field in fields(Assessment)]
    whole = Assessment(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    rows = np.concatenate(tests)
    labels = table.targets[rows]
    found = asdict(measure(whole, labels, table.sample_ids[rows], RESAMPLES, SEED))
    found["accuracy"] = float((whole.probabilities.argmax(axis=1) == labels).mean())
    found["calibrated_on"] = float(np.mean([reliability.samples for reliability in fitted]))
    found["novelty_cut"] = float(np.mean([reliability.novelty_cut for reliability in fitted]))
    found["temperatures"] = [round(reliability.temperature, 3) for reliability in fitted]
    return _rounded(found)


def detect(
    table: Cohort, ensembles: Ensembles, textures: Mapping[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """Count the pictures that are no scans and are called unfamiliar.

    Parameters
    ----------
    table : Cohort
        What the ensembles were trained on.
    ensembles : Ensembles
        The ensembles.
    textures : mapping
        Kind of picture to features, shape (pictures, F).

    Returns
    -------
    dict
        ``textures``, ``detected`` and ``detected_by_kind``.
    """
    flags: dict[str, list[NDArray[np.bool_]]] = {kind: [] for kind in textures}
    for number in range(OUTER):
        reliability = fit(table, ensembles, number)
        for kind, features in textures.items():
            flags[kind].append(assess(reliability, *predict(ensembles, number, features)).unfamiliar)
    shares = {kind: np.stack(found).mean(axis=0) for kind, found in flags.items()}
    return _rounded(
        {
            "textures": sum(map(len, shares.values())),
            "detected": float(np.concatenate(list(shares.values())).mean()),
            "detected_by_kind": {kind: round(float(share.mean()), 3) for kind, share in shares.items()},
        }
    )


def fit(table: Cohort, ensembles: Ensembles, number: int) -> Reliability:
    """Fit the reliability of one outer fold's ensemble.

    Parameters
    ----------
    table : Cohort
        The features.
    ensembles : Ensembles
        Trained on them.
    number : int
        Outer fold.

    Returns
    -------
    Reliability
        Of the images outside the outer fold.
    """
    predicted = predict(ensembles, number, table.inputs)
    return fit_reliability(*predicted, table.targets, table.sample_ids, ensembles.folds[number])


@torch.inference_mode()
def predict(
    ensembles: Ensembles, number: int, features: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predict by every member of one outer fold's ensemble.

    Parameters
    ----------
    ensembles : Ensembles
        The ensembles.
    number : int
        Outer fold.
    features : numpy.ndarray
        float32, shape (N, F).

    Returns
    -------
    probabilities : numpy.ndarray
        float32, shape (members, N, K).
    embeddings : numpy.ndarray
        float32, shape (members, N, 100).
    """
    inputs, heads = torch.tensor(features), ensembles.heads[number]
    probabilities = torch.stack([torch.softmax(head(inputs), dim=1) for head in heads])
    return probabilities.numpy(), torch.stack([head.embed(inputs) for head in heads]).numpy()


def _head(result: HeadResult, width: int, outputs: int) -> Head:
    head = Head(width, outputs)
    head.load_state_dict(result.state)
    return head.eval()


def _rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    def shorten(value: Any) -> Any:
        if isinstance(value, tuple):
            return [round(bound, 4) for bound in value]
        return round(value, 4) if isinstance(value, float) else value

    return {name: shorten(value) for name, value in found.items()}
