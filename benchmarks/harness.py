"""Paired timing: ours and a baseline run in turn, so that a busy machine slows both."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

PAIRS = 5


class Benchmark(Protocol):
    """One comparison; a module of this package is one."""

    NAME: str
    UNIT: str
    """`s`, or a rate per minute such as `images/min`."""
    ITEMS: int
    """How many items of the rate one call makes; 1 for seconds."""

    def ours(self) -> None:
        """Do the work our way."""

    def baseline(self) -> None:
        """Do the same work the plain way."""


def measure(
    benchmark: Benchmark, pairs: int = PAIRS, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """Time ours and the baseline in turn, after one untimed call of each.

    Parameters
    ----------
    benchmark : Benchmark
        What to compare.
    pairs : int, optional
        Pairs of calls, >= 5; which of the two goes first alternates.
    clock : callable, optional
        Gives the time in s.

    Returns
    -------
    dict
        ``benchmark``, medians ``ours`` and ``baseline`` in ``unit``, ``ratio`` (median over pairs of how many
        times faster ours is: above 1 ours is better), ``device``, ``threads``, ``n`` (pairs).

    Raises
    ------
    ValueError
        Fewer than five pairs.
    """
    if pairs < PAIRS:
        raise ValueError(f"{pairs} pairs are too few, at least {PAIRS}")
    rivals = {"ours": benchmark.ours, "baseline": benchmark.baseline}
    for work in rivals.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(pairs):
        for name in sorted(rivals, reverse=bool(number % 2)):
            start = clock()
            rivals[name]()
            seconds[name].append(clock() - start)
    ratios = [plain / own for own, plain in zip(seconds["ours"], seconds["baseline"], strict=True)]
    return {
        "benchmark": benchmark.NAME,
        **{name: round(_in_unit(benchmark, statistics.median(times)), 4) for name, times in seconds.items()},
        "ratio": round(statistics.median(ratios), 3),
        "unit": benchmark.UNIT,
        "device": processor(),
        "threads": len(os.sched_getaffinity(0)),
        "n": pairs,
    }


def processor() -> str:
    """Name the processor.

    Returns
    -------
    str
        Linux's model name, or `cpu` where there is none.
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")


def _in_unit(benchmark: Benchmark, seconds: float) -> float:
    return seconds if benchmark.UNIT == "s" else benchmark.ITEMS * 60 / seconds
