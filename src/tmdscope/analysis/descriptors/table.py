"""Descriptors of many images: chunk by chunk from files, on every core, in flat memory."""

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.descriptors.catalogue import FILM, PAPER, PHYSICAL
from tmdscope.analysis.descriptors.films import describe_films
from tmdscope.analysis.descriptors.intervals import Geometry, find_bounds
from tmdscope.analysis.descriptors.layers import find_layers
from tmdscope.analysis.descriptors.paper import describe_paper
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.dataset.heights import Heights
from tmdscope.files import open_array
from tmdscope.params.images import DescribeParams
from tmdscope.processes import Mapper, run_parts

COLUMNS = tuple(item.name for item in (*PAPER, *PHYSICAL, *FILM))
_CHUNK = 64
"""Images of one part: about a second of work."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Chunk:
    """Consecutive images of an NPY file, uint8, (N, S, S), to describe: rows `first` to before `end`."""

    images: Path
    heights: Heights | None
    first: int
    end: int
    settings: DescribeParams


def describe(
    images: Path, heights: Heights | None, settings: DescribeParams, map_chunks: Mapper = run_parts
) -> pd.DataFrame:
    """Compute all families of descriptors, columns `COLUMNS`, of an NPY file's images, uint8, (N, S, S).

    NaN where one is not defined for an image; those of heights are NaN without heights. Where there are any,
    the bounds of `intervals` follow, unless the settings ask for none.
    """
    count = len(open_array(images))
    chunks = (
        Chunk(
            images.resolve(),
            heights.part(first, first + _CHUNK) if heights else None,
            first,
            min(first + _CHUNK, count),
            settings,
        )
        for first in range(0, count, _CHUNK)
    )
    found = np.concatenate([*map_chunks(describe_chunk, chunks)])
    table = pd.DataFrame(found[:, : len(COLUMNS)], columns=list(COLUMNS))
    if heights is None or not settings.interval_scans:
        return table
    geometries = [
        Geometry(int(size), frame) if size > 0 else None for size, frame in found[:, len(COLUMNS) :]
    ]
    return table.join(find_bounds(table, geometries, settings.interval_scans, map_chunks))


def describe_chunk(chunk: Chunk) -> Values:
    """Describe images: `COLUMNS` and a scan's geometry, shape (N, D + 2), NaN where there is none.

    The files are opened anew, so that pages already read leave memory.
    """
    images = open_array(chunk.images)[chunk.first : chunk.end]
    maps = chunk.heights.read() if chunk.heights else repeat(None)
    rows = np.full((len(images), len(COLUMNS) + len(Geometry._fields)), np.nan)
    for number, (image, measured) in enumerate(zip(images, maps, strict=False)):
        found = describe_paper(np.array(image), chunk.settings)
        if measured is not None:
            layers = find_layers(*measured)
            found |= describe_physical(*measured, layers) | describe_films(*measured, layers)
            rows[number, len(COLUMNS) :] = Geometry.of(measured[0].shape, measured[1])
        rows[number, : len(found)] = [found[name] for name in COLUMNS[: len(found)]]
    return rows
