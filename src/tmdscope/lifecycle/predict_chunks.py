"""What a registered model says of some of a person's files, in whatever process that is asked."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tmdscope.errors import UserError
from tmdscope.lifecycle.predictor import BATCH, Prediction, Predictor
from tmdscope.processes import Mapper
from tmdscope.tracking.models import hash_files, load_files

_CHUNK = 2 * BATCH
"""Files of one chunk, in whole batches: each image is predicted beside the same others as in one piece."""


class How(NamedTuple):
    """How files are read, see `Predictor.stream`."""

    heights: bool | None
    pixel_size_nm: float
    channel: str | None


@dataclass(frozen=True)
class Fetched:
    """A model whose files are in a folder and have that SHA-256; `title` is for messages."""

    folder: Path
    sha256: str
    title: str


@dataclass(frozen=True)
class Chunk:
    """Files to predict with a model."""

    model: Fetched
    files: list[Path]
    how: How


def predict_apart(
    map_chunks: Mapper, folder: Path, title: str, files: Sequence[Path], how: How
) -> Iterator[Prediction]:
    """Predict files as `Predictor.stream`, with the model in a folder, where `map_chunks` says."""
    model = Fetched(folder.resolve(), hash_files(folder), title)
    chunks = (
        Chunk(model, [file.absolute() for file in files[first : first + _CHUNK]], how)
        for first in range(0, len(files), _CHUNK)
    )
    found = chain.from_iterable(map_chunks(predict_chunk, chunks))
    for file, prediction in zip(files, found, strict=True):
        there, problem = str(file.absolute()), prediction.problem
        if problem == os.strerror(errno.ENOENT) and file.exists():
            raise UserError(
                f"a worker does not see {there}: workers read files under the path they have here"
            )
        yield replace(prediction, file=str(file), problem=problem.replace(there, str(file)))


def predict_chunk(chunk: Chunk) -> list[Prediction]:
    """Predict the files of a chunk, read on one thread; the model stays loaded for the next."""
    return list(load(chunk.model).stream(chunk.files, *chunk.how, threads=1))


@lru_cache(maxsize=1)
def load(model: Fetched) -> Predictor:
    """Load a model, once for all chunks that a process gets."""
    return Predictor(load_files(model.folder, model.sha256), model.title)
