"""Detectors as methods that are cross-validated: hits and false alarms of every frame."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.stem.crystal import Crystal
from tmdscope.stem.lattice import LatticeError
from tmdscope.stem.localise import METHODS, Localiser
from tmdscope.stem.matching import match
from tmdscope.stem.pixelnet import NetSettings, train_unet
from tmdscope.studies.stem_defects.data import Frames
from tmdscope.studies.stem_defects.params import DetectorsParams

Rows = NDArray[np.int64]
UNET = "unet"


class Detector:
    """A detector that nothing trains; see `tmdscope.models.tabular.Method`.

    `outcomes` holds, of the frames that it was last asked to predict unseen, a row per true object and per
    false alarm: ``image_id, label`` (empty of a false alarm), ``hit, away_px``.
    """

    def __init__(self, name: str, frames: Frames, crystal: Crystal, settings: Mapping[str, Any]) -> None:
        self.name, self.frames, self.crystal = name, frames, crystal
        self.settings: Mapping[str, Any] = {"detector": name, **settings}
        self.outcomes: list[pd.DataFrame] = []
        self.known: dict[int, pd.DataFrame] = {}

    def predict_fold(self, parts: FoldParts, number: int, listener: FoldRecorder) -> Rows:  # noqa: ARG002
        """Count hits and false alarms of every frame."""
        localiser = self.trained(parts.train, number)
        return self._counts([self._judged(localiser, row) for row in range(len(self.frames.manifest))])

    def predict_unseen(self, seen: Rows, unseen: Rows, number: int, inner_folds: int) -> Rows:  # noqa: ARG002
        """Count them of some frames after training on others; keeps what became of every object."""
        localiser = self.trained(seen, 1000 + number)
        judged = [self._judged(localiser, int(row)) for row in unseen]
        self.outcomes += judged
        return self._counts(judged)

    def trained(self, rows: Rows, number: int) -> Localiser:  # noqa: ARG002
        """Give the method; trains nothing."""
        return METHODS[self.name]()

    def _judged(self, localiser: Localiser, row: int) -> pd.DataFrame:
        """Say what became of a frame's objects; what no training can change is computed once."""
        fixed = self.name in METHODS
        if fixed and row in self.known:
            return self.known[row]
        truth, image = self.frames.truth(row), self.frames.image(row)
        try:
            found = localiser(image)
        except LatticeError:
            found = truth.iloc[:0]
        a_px = self.crystal.a_nm / self.frames.manifest["pixel_nm"][row]
        pairs = match(truth, found, a_px, image.shape)
        away = pd.Series(np.nan, index=range(len(truth)))
        away[pairs.hit] = pairs.away_px
        own = {"label": truth["label"][pairs.true], "away_px": away[pairs.true]}
        table = pd.DataFrame(own).assign(hit=np.isin(pairs.true, pairs.hit))
        alarms = pd.DataFrame({"label": [""] * len(pairs.false), "away_px": np.nan, "hit": False})
        told = pd.concat([table, alarms], ignore_index=True)
        self.known[row] = told.assign(image_id=self.frames.manifest["image_id"][row], detector=self.name)
        return self.known[row]

    @staticmethod
    def _counts(judged: list[pd.DataFrame]) -> Rows:
        return np.array([[one["hit"].sum(), (one["label"] == "").sum()] for one in judged], dtype=np.int64)


class PixelDetector(Detector):
    """The network that maps defects, trained on the frames of a fold."""

    def __init__(self, frames: Frames, crystal: Crystal, params: DetectorsParams) -> None:
        super().__init__(UNET, frames, crystal, params.model_dump())
        self.params = params

    def trained(self, rows: Rows, number: int) -> Localiser:
        """Train a network on some frames."""
        settings = NetSettings(
            **{**self.params.model_dump(), "seed": fold_seed(self.params.seed, number) % 2**31}
        )
        images = [self.frames.image(int(row)) for row in rows]
        return train_unet(images, [self.frames.truth(int(row)) for row in rows], settings)


class FittedDetector(Detector):
    """A detector that was made elsewhere, from none of these frames."""

    def __init__(self, name: str, frames: Frames, crystal: Crystal, localiser: Localiser) -> None:
        super().__init__(name, frames, crystal, {})
        self.localiser = localiser

    def trained(self, rows: Rows, number: int) -> Localiser:  # noqa: ARG002
        """Give it."""
        return self.localiser


def outcomes_of(detectors: Iterable[Detector], frames: Frames) -> pd.DataFrame:
    """Put together what became of every object of every frame, with what is known of the frame."""
    kept = pd.concat([one for detector in detectors for one in detector.outcomes], ignore_index=True)
    told = frames.manifest.set_index("image_id")[["sample_id", "noise", "pixel_nm", "contamination"]]
    return kept.join(told, on="image_id")


def make_detectors(frames: Frames, crystal: Crystal, params: DetectorsParams) -> dict[str, Detector]:
    """Make every detector, the trained one last."""
    fixed = {name: Detector(name, frames, crystal, {}) for name in METHODS}
    return {**fixed, UNET: PixelDetector(frames, crystal, params)}
