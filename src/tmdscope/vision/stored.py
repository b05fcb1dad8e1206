"""Features of frozen backbones on disk, a folder for each, and what they are of."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.files import atomic_path, broken, open_array, require_finite, sha256_file, write_array
from tmdscope.names import key_of
from tmdscope.record import JsonRecord
from tmdscope.vision.backbones import feature_count
from tmdscope.vision.published import Weights

VALUES = "features.npy"
"""Name of the file with what a backbone sees."""

_RECORD = "features.json"


class BackboneName(Protocol):
    """Settings that name a backbone."""

    @property
    def architecture(self) -> str:
        """Of the network."""

    @property
    def weights(self) -> str:
        """What it was trained on."""


def place_of(features: Path, backbone: BackboneName) -> Path:
    """Say in which folder of stored features those of a backbone are."""
    return features / key_of(f"{backbone.architecture}-{backbone.weights}")


@dataclass(frozen=True)
class About(JsonRecord):
    """``features.json``: by which backbone the features beside it are."""

    architecture: str
    weights: str
    symmetries: int
    precision: str


@dataclass(frozen=True)
class StoredFeatures:
    """What a frozen backbone sees in every image: float32, (N, V, F), V symmetries, the first being none."""

    features: NDArray[np.float32]
    architecture: str
    weights: str
    precision: str

    @property
    def symmetries(self) -> int:
        """Versions of each image."""
        return int(self.features.shape[1])

    def write(self, folder: Path, data_sha256: str, pretrained: Path) -> None:
        """Write ``features.npy`` and ``features.json``, replacing what the folder held."""
        about = About(self.architecture, self.weights, self.symmetries, self.precision)
        write_features(folder, about, self.features, len(self.features), data_sha256, pretrained)

    @classmethod
    def read(cls, folder: Path, dataset: Dataset, pretrained: Path) -> "StoredFeatures":
        """Read the features of a data set, from disk when they are used; those of others are refused."""
        path = folder / _RECORD
        of = _of(dataset.digest, About.read(path).weights, pretrained)
        about = About.read(path, of, [folder / VALUES])
        shape = (len(dataset.images), about.symmetries, feature_count(about.architecture))
        values = open_array(folder / VALUES, shape, np.float32)
        require_finite(folder / VALUES, values)
        return cls(values, about.architecture, about.weights, about.precision)


def write_features(
    folder: Path,
    about: About,
    rows: Iterable[NDArray[np.float32]],
    images: int,
    data_sha256: str,
    pretrained: Path,
) -> None:
    """Write the features of so many images as they come, (V, F) of each, replacing what the folder held."""
    shape = (images, about.symmetries, feature_count(about.architecture))
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        write_array(temporary / VALUES, rows, shape, np.float32)
        of = _of(data_sha256, about.weights, pretrained)
        about.write(temporary / _RECORD, of, [temporary / VALUES])


def _of(data_sha256: str, weights: str, pretrained: Path) -> dict[str, str]:
    if weights != Weights.SIMULATED:
        return {"data": data_sha256}
    if not pretrained.is_file():
        raise broken(pretrained, "does not exist")
    return {"data": data_sha256, "backbone": sha256_file(pretrained)}
