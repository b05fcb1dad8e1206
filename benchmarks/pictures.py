"""Pictures to train on in benchmarks: random surfaces, as files for the baseline and as one array for us."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tmdscope.scan.surface import correlated_field

CLASSES = 5


@dataclass(frozen=True)
class Pictures:
    """The same pictures twice.

    Attributes
    ----------
    images : numpy.ndarray
        uint8, shape (count, size, size): what the prepare stage writes.
    paths : list of Path
        PNG files.
    labels : list of int
        A class for each, 0 to 4 in turn.
    """

    images: NDArray[np.uint8]
    paths: list[Path]
    labels: list[int]


@cache
def make_pictures(count: int, size_px: int) -> tuple[Pictures, tempfile.TemporaryDirectory[str]]:
    """Make random surfaces.

    Parameters
    ----------
    count : int
        How many.
    size_px : int
        Rows and columns.

    Returns
    -------
    pictures : Pictures
        The pictures.
    keep : tempfile.TemporaryDirectory
        The files are removed with it.
    """
    keep = tempfile.TemporaryDirectory(prefix="tmdscope-")
    rng = np.random.default_rng(1)
    fields = np.stack([correlated_field(size_px, 8.0, rng) for _ in range(count)])
    images = np.clip(128 + 40 * fields, 0, 255).astype(np.uint8)
    paths = [Path(keep.name) / f"{number:04d}.png" for number in range(count)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return Pictures(images, paths, [number % CLASSES for number in range(count)]), keep
