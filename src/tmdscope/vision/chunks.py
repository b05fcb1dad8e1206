"""What a frozen backbone sees in consecutive images of a file, in whatever process that is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.store import IMAGES, Dataset
from tmdscope.files import broken, open_array, sha256_array, sha256_file
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import best_device, fold_batch_norm, folded_batches, frozen_backbone
from tmdscope.vision.precision import Precision
from tmdscope.vision.published import Weights

_CHUNK = 256
"""Images of one chunk, about, in whole batches: each image is seen beside the same others as in one piece."""


@dataclass(frozen=True)
class Source:
    """Where a backbone comes from, see `frozen_backbone`; `sha256` is of `pretrained` where it is read."""

    weights: str
    architecture: str
    pretrained: Path
    size_px: int
    sha256: str | None

    @classmethod
    def of(cls, weights: str, architecture: str, pretrained: Path, size_px: int) -> "Source":
        """Say it so that any process finds the same."""
        sha256 = sha256_file(pretrained) if weights == Weights.SIMULATED else None
        return cls(weights, architecture, pretrained.resolve(), size_px, sha256)


@dataclass(frozen=True)
class Chunk:
    """Images of an NPY file from row `first` on, of these hashes, and how a backbone looks at them."""

    images: Path
    first: int
    hashes: list[str]
    source: Source
    symmetries: int
    batch_size: int
    precision: Precision


def chunks_of(
    prepared: Path, dataset: Dataset, source: Source, symmetries: int, batch_size: int, precision: Precision
) -> Iterator[Chunk]:
    """Cut a data set, loaded from `prepared`, into chunks."""
    path, hashes = (prepared / IMAGES).resolve(), dataset.manifest["image_sha256"].tolist()
    batch = max(1, batch_size // symmetries)
    step = batch * max(1, _CHUNK // batch)
    for first in range(0, len(hashes), step):
        own = hashes[first : first + step]
        yield Chunk(path, first, own, source, symmetries, batch_size, precision)


def features_of(chunk: Chunk) -> NDArray[np.float32]:
    """Compute `tmdscope.vision.features.symmetric_features` of a chunk; networks stay loaded for the next."""
    images = open_array(chunk.images)[chunk.first : chunk.first + len(chunk.hashes)]
    if [sha256_array(image) for image in images] != chunk.hashes:
        raise broken(chunk.images, f"holds other images from row {chunk.first} on than where work began")
    how = chunk.symmetries, chunk.batch_size, best_device(), chunk.precision
    return np.concatenate([*folded_batches(load(chunk.source), images, *how)])


@lru_cache(maxsize=1)
def load(source: Source) -> Backbone:
    """Load a backbone to compute with, once for all chunks that a process gets."""
    if source.sha256 is not None and sha256_file(source.pretrained) != source.sha256:
        raise broken(source.pretrained, "is another file than where work began")
    backbone = frozen_backbone(source.weights, source.architecture, source.pretrained, source.size_px)
    return fold_batch_norm(backbone.to(best_device()))
