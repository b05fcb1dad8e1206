"""`python -m benchmarks gpu` works, at tiny sizes on the CPU, and keeps to its time."""

import json
import runpy
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from benchmarks.gpu import LIMIT_S, LINES, Line, Work, run

TINY = Work(pictures=10, repeats=3, size_px=32, epochs=2, images=30, fold_epochs=1, loaders=0, batch=8)
"""Of three batches of eight and one of six."""


def ticks(*times: float) -> Any:
    left: Iterator[float] = iter(times)
    return lambda: next(left)


QUICK = (
    *("gpu-peak", "gpu-train-resnet18-224", "gpu-features-224"),
    *("gpu-five-folds-224", "gpu-five-folds-224-side-by-side"),
)


@pytest.mark.parametrize("line", [line for line in LINES if line.name in QUICK], ids=lambda line: line.name)
def test_a_line_has_its_figures_and_goals(line: Line) -> None:
    (told,) = run(TINY, [line])
    assert json.loads(json.dumps(told)) == told
    assert told["benchmark"] == line.name
    assert told["device"]
    assert told["line_s"] > 0
    figures = ["peak_gflops_bf16", "peak_gflops_fp32"] if line.name == "gpu-peak" else ["ours", *line.goals]
    assert all(told[name] > 0 for name in figures)
    assert {name: told[f"goal_{name}"] for name in line.goals} == line.goals


def test_lines_that_may_not_end_in_time_are_left_out_and_named() -> None:
    lines = [
        Line(name, needs, lambda _: {"ours": 1.0}) for name, needs in (("a", 300), ("b", 200), ("c", 50))
    ]
    told = list(run(TINY, lines, LIMIT_S, ticks(0.0, 1.0, 301.0, 302.0, 303.0, 340.0)))
    assert [line.get("ours") for line in told] == [1.0, None, 1.0]
    assert told[1]["skipped"] == "it may need 200 s, 178 s are left"
    assert told[0]["line_s"] == 300.0


def test_the_lines_that_are_asked_for_first_fit_into_the_time() -> None:
    needed = sum(line.needs_s for line in LINES[:6])
    assert needed < LIMIT_S
    assert len({line.name for line in LINES}) == len(LINES)


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "gpu"])
    with pytest.raises(SystemExit, match="finds no CUDA device on this machine"):
        runpy.run_module("benchmarks", run_name="__main__")
