"""Descriptors of many images: chunk by chunk from files, on every core, in flat memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.descriptors.catalogue import PAPER, PHYSICAL
from tmdscope.analysis.descriptors.paper import describe_paper
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.dataset.store import open_array
from tmdscope.params.materials_study import DescribeParams
from tmdscope.processes import run_parts

COLUMNS = tuple(item.name for item in (*PAPER, *PHYSICAL))
_CHUNK = 64
"""Images of one part: about a second of work."""

Values = NDArray[np.float64]
Work = Callable[["Chunk"], Values]
Mapper = Callable[[Work, Sequence["Chunk"]], list[Values]]
"""Applies a function to every chunk, in order, wherever it pleases."""


@dataclass(frozen=True)
class Heights:
    """Height maps of the images, row by row.

    Attributes
    ----------
    path : Path
        NPY file, float32, shape (N, rows, columns), in nm.
    pixel_nm : tuple of float
        Width of a pixel in nm, one for each map; NaN where it is not known.
    """

    path: Path
    pixel_nm: tuple[float, ...]


@dataclass(frozen=True)
class Chunk:
    """Consecutive images to describe.

    Attributes
    ----------
    images : Path
        NPY file, uint8, shape (N, S, S).
    heights : Path or None
        NPY file of their height maps, where there are any.
    pixel_nm : tuple of float
        Width in nm of a pixel of each of these maps; NaN where it is not known.
    first, end : int
        Rows, `end` not among them.
    settings : DescribeParams
        Smoothing and opening of the paper's family.
    """

    images: Path
    heights: Path | None
    pixel_nm: tuple[float, ...]
    first: int
    end: int
    settings: DescribeParams


def describe(
    images: Path, heights: Heights | None, settings: DescribeParams, map_chunks: Mapper = run_parts
) -> pd.DataFrame:
    """Compute both families of descriptors of every image.

    Parameters
    ----------
    images : Path
        NPY file, uint8, shape (N, S, S).
    heights : Heights or None
        Their height maps; without them the physical family is not known.
    settings : DescribeParams
        Section `describe`.
    map_chunks : callable, optional
        Where the chunks are worked on: processes of this machine when not given.

    Returns
    -------
    pandas.DataFrame
        N rows, a column for each of `COLUMNS`. The physical ones are NaN without heights; in both
        families NaN says that a descriptor is not defined for an image.
    """
    count = len(open_array(images))
    chunks = [
        Chunk(
            images.resolve(),
            heights.path.resolve() if heights else None,
            heights.pixel_nm[first : first + _CHUNK] if heights else (),
            first,
            min(first + _CHUNK, count),
            settings,
        )
        for first in range(0, count, _CHUNK)
    ]
    found = map_chunks(describe_chunk, chunks)
    return pd.DataFrame(np.concatenate(found), columns=list(COLUMNS))


def describe_chunk(chunk: Chunk) -> Values:
    """Describe consecutive images; the files are opened anew, so that pages already read leave memory.

    Parameters
    ----------
    chunk : Chunk
        Which images.

    Returns
    -------
    numpy.ndarray
        float64, shape (images, `COLUMNS`).
    """
    images = open_array(chunk.images)[chunk.first : chunk.end]
    maps = open_array(chunk.heights)[chunk.first : chunk.end] if chunk.heights else None
    rows = np.full((len(images), len(COLUMNS)), np.nan)
    for number, image in enumerate(images):
        found = describe_paper(np.array(image), chunk.settings)
        if maps is not None:
            width = chunk.pixel_nm[number]
            if np.isfinite(width):
                found |= describe_physical(np.array(maps[number]), (width, width))
        rows[number, : len(found)] = [found[name] for name in COLUMNS[: len(found)]]
    return rows
