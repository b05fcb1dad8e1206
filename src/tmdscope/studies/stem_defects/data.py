"""The study's data: simulated frames and windows, as they lie on disk and as cohorts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.files import open_array, read_table
from tmdscope.jobs.study import Study
from tmdscope.params.images import LevellingParams, PrepareParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES, DETECTIONS
from tmdscope.stem.crystal import PRISTINE
from tmdscope.stem.localise import inner
from tmdscope.stem.windows import PER_A, SIZE, from_grey
from tmdscope.studies.stem_defects.params import SimulateParams
from tmdscope.studies.stem_defects.study import IMAGES, MANIFEST, OBJECTS

PREPARE = PrepareParams(
    size_px=SIZE, percentiles=[0, 100], levelling=LevellingParams(crop_nm="whole", steps=[])
)
"""Of windows: they are 8-bit images, all on one scale, as `tmdscope.stem.windows.to_grey` writes them."""


@dataclass(frozen=True)
class Frames:
    """Frames, their manifest and, by frame, their true defects."""

    images: NDArray[Any]
    manifest: pd.DataFrame
    objects: pd.DataFrame

    def image(self, row: int) -> NDArray[np.float32]:
        """Give a frame."""
        return np.asarray(self.images[row], dtype=np.float32)

    def truth(self, row: int) -> pd.DataFrame:
        """Give a frame's defects."""
        return self.objects[self.objects["image_id"] == self.manifest["image_id"][row]].reset_index(drop=True)


def frames_of(study: Study) -> Frames:
    """Read the frames of a study."""
    raw = study.layout.raw
    return Frames(_images(raw, np.float16), read_table(raw / MANIFEST), read_table(raw / OBJECTS))


def _images(raw: Path, dtype: type[np.generic]) -> NDArray[Any]:
    return np.asarray(open_array(raw / IMAGES, (None, None, None), dtype))


def read_frames(study: Study) -> Cohort:
    """Take a row per frame, whose target is how many defects count in it; its sample is its condition."""
    frames = frames_of(study)
    a_nm = study.section("simulate", SimulateParams).layer.a_nm
    counted = [_counted(frames, row, a_nm) for row in range(len(frames.manifest))]
    return Cohort.of(DETECTIONS, frames.manifest, np.array(counted, dtype=np.int64), ())


def _counted(frames: Frames, row: int, a_nm: float) -> int:
    places = frames.truth(row)[["x_px", "y_px"]].to_numpy()
    return int(inner(places, frames.images.shape[1:], a_nm / frames.manifest["pixel_nm"][row]).sum())


def read_windows(study: Study) -> Cohort:
    """Take a row per window: its pixels, its class, as its sample its condition, and what its site reads."""
    raw = study.layout.raw
    manifest, images = read_table(raw / MANIFEST), _images(raw, np.uint8)
    classes = classes_of(study)
    labels = pd.Categorical(manifest["label"], categories=classes).codes.astype(np.int64)
    features = from_grey(images.reshape(len(images), -1))
    statistics = manifest[["change", "column", "ratio"]]
    known = {"features": features, "statistics": statistics, "mixed": True}
    return Cohort.of(CLASSES, manifest, labels, classes, **known)


def classes_of(study: Study) -> tuple[str, ...]:
    """Name the kinds of defect, and none, in label order."""
    return (*study.section("simulate", SimulateParams).layer.names, PRISTINE)


def windows_dataset(windows: Study) -> Dataset:
    """Take the windows as 8-bit images, as networks of images are trained on."""
    raw, manifest = windows.layout.raw, read_table(windows.layout.raw / MANIFEST)
    a_nm = windows.section("simulate", SimulateParams).layer.a_nm
    first = manifest.groupby("image_sha256")["image_id"].transform("first")
    told = {"pixel_size_nm": a_nm / PER_A, "duplicate_of": first.where(first != manifest["image_id"])}
    return Dataset(_images(raw, np.uint8), manifest.assign(**told))
