"""What a registered model says of new images: class, how sure, which else, and whether it knows such."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.dataset.prepare import prepare_file
from tmdscope.learn.reliability.reliability import Reliability, assess
from tmdscope.lifecycle.inputs import Given, read_ahead
from tmdscope.params.materials_study import PrepareParams
from tmdscope.stage import UserError
from tmdscope.tracking.models import Program
from tmdscope.vision.features import best_device, placed
from tmdscope.vision.targets import Multilabel

BATCH = 32
"""Images that are predicted at once."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one file.

    Attributes
    ----------
    file : str
        The file.
    material : str
        The most probable class.
    probability : float
        Its probability: the mean over the folds' networks.
    calibrated : float
        The same after temperature scaling: how often such a prediction is right.
    candidates : tuple of str
        Classes among which the true one is, 9 times in 10; may be empty.
    unfamiliar : bool
        Whether the image is unlike all that the networks were trained on.
    novelty : float
        The p-value of that.
    spread : float
        Standard deviation (ddof 0) over the folds' networks of the material's probability.
    probabilities : dict
        Class to probability.
    atoms : dict
        Atom to the probability that the material holds it; empty unless targets are multilabel.
    problem : str
        Why nothing is said; all else is then empty.
    """

    file: str
    material: str = ""
    probability: float = float("nan")
    calibrated: float = float("nan")
    candidates: tuple[str, ...] = ()
    unfamiliar: bool = False
    novelty: float = float("nan")
    spread: float = float("nan")
    probabilities: dict[str, float] | None = None
    atoms: dict[str, float] | None = None
    problem: str = ""


class Predictor:
    """A loaded model.

    Parameters
    ----------
    program : Program
        With its reliability and how its images were prepared.
    name : str
        How messages call it.
    device : torch.device, optional
        Where to compute; the fastest at hand.

    Raises
    ------
    UserError
        The model was registered without one of the two.
    """

    def __init__(self, program: Program, name: str, device: torch.device | None = None) -> None:
        if program.reliability is None or program.prepare is None:
            raise UserError(
                f"{name} does not say how its images were prepared or how far it can be trusted: it is a "
                "fold's own model or of an earlier version; name a registered version that `dvc repro` made"
            )
        self.reliability: Reliability = program.reliability
        self.prepare: PrepareParams = program.prepare
        self.config = program.config
        self.device = best_device() if device is None else device
        self.ensemble = placed(program.ensemble, self.device).to(memory_format=torch.channels_last)

    def stream(self, files: Sequence[Path], heights: bool = False) -> Iterator[Prediction]:
        """Predict files one batch after another.

        Parameters
        ----------
        files : sequence of Path
            Instrument files, which are levelled as the model's own were, and pictures or height maps.
        heights : bool, optional
            Whether files that are no instrument's hold heights, which are levelled first.

        Yields
        ------
        Prediction
            In the order of the files; of one that cannot be used its problem.
        """
        prepare = partial(prepare_file, settings=self.prepare, heights=heights)
        for batch in read_ahead(files, prepare, BATCH):
            yield from self._of_batch(batch)

    def _of_batch(self, batch: Sequence[Given]) -> Iterator[Prediction]:
        images = [given.image for given in batch if given.image is not None]
        said = iter(
            self.predict(np.stack(images), [str(g.path) for g in batch if g.image is not None])
            if images
            else ()
        )
        for given in batch:
            yield Prediction(str(given.path), problem=given.problem) if given.image is None else next(said)

    @torch.inference_mode()
    def predict(self, images: NDArray[np.uint8], names: Sequence[str]) -> list[Prediction]:
        """Predict prepared images.

        Parameters
        ----------
        images : numpy.ndarray
            uint8, N x S x S, prepared as the model's own.
        names : sequence of str
            Name of each image.

        Returns
        -------
        list of Prediction
            One per image.
        """
        target, classes = self.ensemble.target, self.config.classes
        logits, embeddings = self.ensemble.look(torch.from_numpy(images).to(self.device))
        given = torch.stack([target.probabilities(values) for values in logits]).cpu().numpy()
        found = assess(self.reliability, given, torch.stack(embeddings).cpu().numpy())
        best = found.probabilities.argmax(axis=1)
        atoms: list[dict[str, float]] = [{} for _ in names]
        if isinstance(target, Multilabel):
            present = torch.stack(logits).sigmoid().mean(dim=0).tolist()
            atoms = [dict(zip(target.atoms, row, strict=True)) for row in present]
        return [
            Prediction(
                file=name,
                material=classes[label],
                probability=float(found.probabilities[k, label]),
                calibrated=float(found.calibrated[k, label]),
                candidates=tuple(name for name, held in zip(classes, found.sets[k], strict=True) if held),
                unfamiliar=bool(found.unfamiliar[k]),
                novelty=float(found.novelty[k]),
                spread=float(found.spread[k]),
                probabilities=dict(zip(classes, found.probabilities[k].tolist(), strict=True)),
                atoms=atoms[k],
            )
            for k, (name, label) in enumerate(zip(names, best, strict=True))
        ]
