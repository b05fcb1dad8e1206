"""What two models cost: the size of their files, and how many images they judge in a second."""

import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

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
    """What a model costs; None where the run logged no model, or it was not loaded or measured.

    `bytes` are of all its files, `size_px` are rows and columns of its images, `members` networks of the fold
    ensemble; `images_per_second` is the median over `REPEATS`.
    """

    bytes: int | None
    size_px: int | None = None
    members: int | None = None
    images_per_second: float | None = None


@dataclass(frozen=True)
class Costs:
    """What two models cost on the CPU; `missing` says why something was not measured, empty where all was."""

    first: Cost
    second: Cost
    threads: int
    missing: str

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form, with how it was measured."""
        return {**asdict(self), "device": "cpu", "batch": BATCH, "repeats": REPEATS}


def measure_costs(first: ScoredModel, second: ScoredModel, measure_speed: bool) -> Costs:
    """Measure files and, when asked to, speed; what cannot be measured is told and stops nothing."""
    threads, uris = torch.get_num_threads(), [model.uri for model in (first, second)]
    try:
        sizes = [None if uri is None else _bytes(uri) for uri in uris]
        if None in uris or not measure_speed:
            missing = "a run logged no model" if None in uris else "it was not asked for"
            return Costs(Cost(sizes[0]), Cost(sizes[1]), threads, missing)
        programs = [load_program(uri) for uri in uris if uri is not None]
    except UserError as error:
        return Costs(Cost(None), Cost(None), threads, str(error))
    speeds = measure_speeds(programs)
    one, other = (
        Cost(size, program.config.size_px, program.config.members, speed)
        for size, program, speed in zip(sizes, programs, speeds, strict=True)
    )
    return Costs(one, other, threads, "")


def measure_speeds(programs: list[Program]) -> list[float]:
    """Measure images per second on the CPU: the median of `REPEATS` rounds in turns, after one to warm up."""
    sizes = [(BATCH, program.config.size_px, program.config.size_px) for program in programs]
    noise = [np.random.default_rng(_SEED).integers(0, 256, size, dtype=np.uint8) for size in sizes]
    batches = [torch.from_numpy(images) for images in noise]
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
