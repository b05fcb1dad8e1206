"""What two models cost: the size of their files, and how many images they judge in a second."""

import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tmdscope.errors import UserError
from tmdscope.tracking.models import Program, fetch_files, load_program
from tmdscope.tracking.predictions import ScoredModel

BATCH = 16
"""Images judged at a time."""

REPEATS = 5
"""Times that each model is measured; both take turns."""

_SEED = 1


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    `bytes` are of all its files, None where the run logged no model. `size_px` (rows and columns of its
    images) and `members` (networks of the fold ensemble) are None where it was not loaded,
    `images_per_second`, the median over `REPEATS`, where it was not measured.
    """

    bytes: int | None
    size_px: int | None = None
    members: int | None = None
    images_per_second: float | None = None


@dataclass(frozen=True)
class Costs:
    """What two models cost, measured on one machine in turns.

    `threads` is what both ran on, on the CPU; `missing` says why something was not measured, empty where all
    was.
    """

    first: Cost
    second: Cost
    threads: int
    missing: str

    @property
    def measured(self) -> bool:
        """Whether the speed of both is known."""
        return None not in (self.first.images_per_second, self.second.images_per_second)

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form, with how it was measured."""
        return {**asdict(self), "device": "cpu", "batch": BATCH, "repeats": REPEATS}


def measure_costs(first: ScoredModel, second: ScoredModel, measure_speed: bool) -> Costs:
    """Measure files and, when asked to, speed; what cannot be measured is told and stops nothing."""
    threads, models = torch.get_num_threads(), (first, second)
    try:
        sizes = [None if model.uri is None else _bytes(model.uri) for model in models]
        uris = [model.uri for model in models if model.uri is not None]
        if len(uris) < len(models):
            return Costs(Cost(sizes[0]), Cost(sizes[1]), threads, "a run logged no model")
        if not measure_speed:
            return Costs(Cost(sizes[0]), Cost(sizes[1]), threads, "it was not asked for")
        programs = [load_program(uri) for uri in uris]
    except UserError as error:
        return Costs(Cost(None), Cost(None), threads, str(error))
    speeds = measure_speeds(programs)
    one, other = (
        Cost(size, program.config.size_px, program.config.members, speed)
        for size, program, speed in zip(sizes, programs, speeds, strict=True)
    )
    return Costs(one, other, threads, "")


def measure_speeds(programs: list[Program]) -> list[float]:
    """Measure the images per second of programs on the CPU, the median over `REPEATS` rounds in turns.

    All get the same number of images, after one round that does not count.
    """
    batches = [_batch(program.config.size_px) for program in programs]
    seconds: list[list[float]] = [[] for _ in programs]
    with torch.inference_mode():
        for _ in range(REPEATS + 1):
            for program, batch, times in zip(programs, batches, seconds, strict=True):
                began = time.perf_counter()
                program.ensemble(batch)
                times.append(time.perf_counter() - began)
    return [BATCH / median(times[1:]) for times in seconds]


def _bytes(uri: str) -> int:
    return sum(path.stat().st_size for path in fetch_files(uri).rglob("*") if path.is_file())


def _batch(size_px: int) -> Tensor:
    """Make grey noise: programs of one image size get the same images."""
    noise = np.random.default_rng(_SEED).integers(0, 256, (BATCH, size_px, size_px), dtype=np.uint8)
    return torch.from_numpy(noise)
