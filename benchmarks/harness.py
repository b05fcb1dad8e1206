"""Paired timing: ours and a baseline run in turn, so that a busy machine slows both."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

PAIRS = 5


class Benchmark(Protocol):
    """One comparison; a module of this package is one."""

    NAME: str
    UNIT: str
    """`s`, or a rate such as `images/s` or `images/min`."""
    ITEMS: int
    """How many items of the rate one call makes; 1 for seconds."""

    def ours(self) -> None:
        """Do the work our way."""

    def baseline(self) -> None:
        """Do the same work the plain way."""


class Report(Protocol):
    """A measurement without a baseline; a module of this package is one."""

    NAME: str

    def report(self) -> dict[str, Any]:
        """Measure once and give what is printed."""


def run(benchmark: Benchmark | Report) -> dict[str, Any]:
    """Measure a benchmark of either kind.

    Parameters
    ----------
    benchmark : Benchmark or Report
        What to measure.

    Returns
    -------
    dict
        One line of the output, with ``device`` and ``threads``.
    """
    if not hasattr(benchmark, "report"):
        return measure(benchmark)
    return {**benchmark.report(), "device": processor(), "threads": len(os.sched_getaffinity(0))}


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
        times faster ours is: above 1 ours is better), ``device``, ``threads``, ``n`` (pairs), and what the
        benchmark's own ``details``, given the median of ours, adds where it has them.

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
    medians = {name: _in_unit(benchmark, statistics.median(times)) for name, times in seconds.items()}
    details = getattr(benchmark, "details", _no_details)
    return {
        "benchmark": benchmark.NAME,
        **{name: round(value, 4) for name, value in medians.items()},
        "ratio": round(statistics.median(ratios), 3),
        "unit": benchmark.UNIT,
        "device": processor(),
        "threads": len(os.sched_getaffinity(0)),
        "n": pairs,
        **details(medians["ours"]),
    }


def processor() -> str:
    """Name what computes.

    Returns
    -------
    str
        The GPU; without one Linux's name of the CPU, or `cpu` where there is none.
    """
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "cpu")


def _no_details(_rate: float) -> dict[str, Any]:
    return {}


def _in_unit(benchmark: Benchmark, seconds: float) -> float:
    if benchmark.UNIT == "s":
        return seconds
    return benchmark.ITEMS * (1 if benchmark.UNIT.endswith("/s") else 60) / seconds
