"""The harness times pairs in turn and says how many times better ours is."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.harness import measure, processor, run


class Clock:
    """Time that passes only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def contest(clock: Clock, own: list[float], plain: list[float], calls: list[str], **about: Any) -> Any:
    def work(name: str, seconds: list[float]) -> Any:
        times = itertools.cycle(seconds)

        def run() -> None:
            calls.append(name)
            clock.now += next(times)

        return run

    return SimpleNamespace(
        NAME="made-up",
        UNIT="s",
        ITEMS=1,
        ours=work("ours", own),
        baseline=work("baseline", plain),
        **about,
    )


def test_ours_twice_as_fast_has_ratio_two() -> None:
    clock = Clock()
    result = measure(contest(clock, [2.0], [4.0], []), clock=clock)
    assert result == {
        "benchmark": "made-up",
        "ours": 2.0,
        "baseline": 4.0,
        "ratio": 2.0,
        "unit": "s",
        "device": processor(),
        "threads": result["threads"],
        "n": 5,
    }
    assert result["threads"] >= 1


def test_a_rate_counts_items_per_minute_and_keeps_the_ratio() -> None:
    clock = Clock()
    benchmark = contest(clock, [2.0], [4.0], [])
    benchmark.UNIT, benchmark.ITEMS = "images/min", 10
    result = measure(benchmark, clock=clock)
    assert (result["ours"], result["baseline"], result["ratio"]) == (300.0, 150.0, 2.0)


def test_a_rate_by_the_second_and_what_the_benchmark_adds() -> None:
    clock = Clock()
    benchmark = contest(clock, [2.0], [4.0], [], details=lambda rate: {"twice": 2 * rate})
    benchmark.UNIT, benchmark.ITEMS = "images/s", 10
    result = measure(benchmark, clock=clock)
    assert (result["ours"], result["twice"], result["ratio"]) == (5.0, 10.0, 2.0)


def test_a_report_is_measured_once() -> None:
    calls = []
    report = SimpleNamespace(NAME="made-up", report=lambda: calls.append(1) or {"share": 0.5})
    assert run(report) == {"share": 0.5, "device": processor(), "threads": run(report)["threads"]}
    assert len(calls) == 2


def test_each_pair_runs_in_turn_after_one_untimed_call_each() -> None:
    clock, calls = Clock(), []
    own = [100.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    result = measure(contest(clock, own, [1.0], calls), clock=clock)
    assert sorted(calls[:2]) == ["baseline", "ours"]
    pairs = list(zip(calls[2::2], calls[3::2], strict=True))
    assert len(pairs) == 5
    assert {frozenset(pair) for pair in pairs} == {frozenset({"ours", "baseline"})}
    assert len({pair[0] for pair in pairs}) == 2
    assert result["ratio"] == 1.0


def test_one_slow_pair_does_not_move_the_ratio() -> None:
    clock = Clock()
    own = [1.0, 1.0, 9.0, 1.0, 1.0, 1.0]
    plain = [3.0, 3.0, 27.0, 3.0, 3.0, 3.0]
    result = measure(contest(clock, own, plain, []), clock=clock)
    assert (result["ours"], result["ratio"]) == (1.0, 3.0)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="4 pairs are too few"):
        measure(contest(Clock(), [1.0], [1.0], []), pairs=4)
