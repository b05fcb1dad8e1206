"""What a registered model says of new images: class, how sure, which else, and whether it knows such."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tmdscope.dataset.prepare import Prepared, prepare_content
from tmdscope.errors import UserError
from tmdscope.lifecycle.inputs import Given, read_ahead
from tmdscope.reliability.reliability import Assessment, assess
from tmdscope.scores.levels import Expected, expect, read_quantity
from tmdscope.tracking.models import Program
from tmdscope.vision.features import best_device, placed
from tmdscope.vision.targets import Multilabel

BATCH = 32
"""Images that are predicted at once."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one file; two are equal where it says the same of the image.

    Attributes
    ----------
    probability, spread : float
        Of the most probable class, `material`: mean and standard deviation (ddof 0) over the folds' networks.
    calibrated : float
        The probability after temperature scaling: how often such a prediction is right.
    candidates : tuple of str
        Classes among which the true one is, 9 times in 10; may be empty.
    unfamiliar, novelty : bool, float
        Whether the image is unlike all that the networks were trained on, and the p-value of that.
    atoms : dict
        Atom to the probability that the material holds it; empty unless targets are multilabel.
    not_trained : tuple of str
        Classes and atoms that training could not tell, of which therefore nothing is said.
    expected : Expected or None
        The number that the classes stand for, with an interval as often right as `candidates`; None where
        they are no numbers of a unit.
    scale : str
        How wide the image is beside those of training, where that is not the same: ``cropped: ...``,
        ``differs: ...``, or ``unknown``.
    channel, warnings : str, tuple of str
        What was read of an instrument's file, and what is doubtful about it.
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
    probabilities: dict[str, float] = field(default_factory=dict)
    atoms: dict[str, float] = field(default_factory=dict)
    not_trained: tuple[str, ...] = ()
    expected: Expected | None = None
    scale: str = ""
    channel: str = field(default="", compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)
    problem: str = ""


class Predictor:
    """A loaded model; it must come with its reliability and how its images were prepared."""

    def __init__(self, program: Program, name: str, device: torch.device | None = None) -> None:
        if program.reliability is None or program.prepare is None:
            raise UserError(
                f"{name} does not say how its images were prepared or how far it can be trusted: it is "
                "of an earlier version; name a registered version that `dvc repro` made"
            )
        self.reliability, self.prepare = program.reliability, program.prepare
        self.scale, self.config = program.scale, program.config
        self.levels = read_quantity(self.config.classes)
        self.device = best_device() if device is None else device
        self.ensemble = placed(program.ensemble, self.device).to(memory_format=torch.channels_last)

    def stream(
        self,
        files: Sequence[Path],
        heights: bool | None = None,
        pixel_size_nm: float = math.nan,
        channel: str | None = None,
        threads: int | None = None,
    ) -> Iterator[Prediction]:
        """Predict files one batch after another, in their order; of one that cannot be used its problem.

        Instrument files and height maps are levelled as the model's own were; of heights wider than those of
        training the centre is used. `heights` says whether files that are no instrument's hold heights; None:
        floating-point values do. `pixel_size_nm` is the width in nm of the square pixels of files that are no
        instrument's, if known; `channel` that of instrument files, without which that of the heights is
        found. They are read on so many `threads`; None: one for each core.
        """
        prepare = partial(
            prepare_content,
            settings=self.prepare,
            heights=heights,
            pixel_size_nm=pixel_size_nm,
            crop=None if self.scale is None else self.scale.crop,
            channel=channel,
        )
        for batch in read_ahead(files, prepare, BATCH, threads):
            yield from self._of_batch(batch)

    def _of_batch(self, batch: Sequence[Given[Prepared]]) -> Iterator[Prediction]:
        usable = [(given.image.image, str(given.path)) for given in batch if given.image is not None]
        images, names = ([*each] for each in zip(*usable, strict=True)) if usable else ([], [])
        said = iter(self.predict(np.stack(images), names) if usable else ())
        for given in batch:
            if (of := given.image) is None:
                yield Prediction(str(given.path), problem=given.problem)
            else:
                scale = "" if self.scale is None else self.scale.judge(of.width_nm, of.scan_nm)
                yield replace(next(said), scale=scale, channel=of.channel or "", warnings=of.warnings)

    @torch.inference_mode()
    def assess(self, images: NDArray[np.uint8]) -> Assessment:
        """Say of images, as for `predict`, how sure classes are and whether they are familiar."""
        return self._assess(*self._outputs(images))

    def _outputs(self, images: NDArray[np.uint8]) -> tuple[list[Tensor], list[Tensor]]:
        return self.ensemble.member_outputs(torch.from_numpy(images).to(self.device))

    def _assess(self, logits: Sequence[Tensor], embeddings: Sequence[Tensor]) -> Assessment:
        target = self.ensemble.target
        given = torch.stack([target.probabilities(values) for values in logits]).cpu().numpy()
        return assess(self.reliability, given, torch.stack(list(embeddings)).cpu().numpy())

    @torch.inference_mode()
    def predict(self, images: NDArray[np.uint8], names: Sequence[str]) -> list[Prediction]:
        """Predict images, uint8, N x S x S, prepared as the model's own."""
        target, classes = self.ensemble.target, self.config.classes
        logits, embeddings = self._outputs(images)
        found = self._assess(logits, embeddings)
        silent = self.config.not_trained
        told = [label for label, name in enumerate(classes) if name not in silent]
        best = [told[place] for place in found.probabilities[:, told].argmax(axis=1)]
        atoms = target.atoms if isinstance(target, Multilabel) else ()
        present = torch.stack(logits).sigmoid().mean(dim=0).tolist()
        return [
            Prediction(
                file=name,
                material=classes[label],
                probability=float(found.probabilities[k, label]),
                calibrated=float(found.calibrated[k, label]),
                candidates=tuple(classes[label] for label in told if found.sets[k][label]),
                unfamiliar=bool(found.unfamiliar[k]),
                novelty=float(found.novelty[k]),
                spread=float(found.spread[k]),
                probabilities={classes[label]: float(found.probabilities[k, label]) for label in told},
                atoms={a: p for a, p in zip(atoms, present[k], strict=False) if a not in silent},
                not_trained=silent,
                expected=self._expected(found.calibrated[k], found.sets[k], told, label),
            )
            for k, (name, label) in enumerate(zip(names, best, strict=True))
        ]

    def _expected(
        self, calibrated: NDArray[np.float64], among: NDArray[np.bool_], told: Sequence[int], said: int
    ) -> Expected | None:
        """Give the number that classes stand for, of those that training could tell; one of them is said."""
        if self.levels is None:
            return None
        places = np.arange(len(calibrated))
        known = np.isin(places, told)
        among = among & known | (places == said)
        return expect(self.levels, np.where(known, calibrated, 0.0), among)
