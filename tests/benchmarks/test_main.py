"""`python -m benchmarks` prints one JSON object per line, for the benchmarks named."""

import json
import runpy
import sys

import pytest

from benchmarks import harness

ALL = [
    "noop-repro",
    "simulate-128",
    "prepare-1026",
    "level-512",
    "level-layers-512",
    "levelling-truth",
    "descriptors-224",
    "train-resnet18-224",
    "train-resnet18-224-fp32",
    "train-resnet18-64",
    "train-resnet18-64-fp32",
    "train-resnet18-112",
    "features-224",
    "predict-224",
    "serving",
    "batched-heads",
    "tracking-share",
    "search-vs-grid",
    "reliability",
    "descriptor-truth",
    "film-truth",
    "descriptors-stream",
    "scale",
    "audit-seeds",
    "ingest-mixed",
]


def run(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(harness, "run", lambda benchmark: {"benchmark": benchmark.NAME})
    monkeypatch.setattr(sys, "argv", ["benchmarks", *names])
    runpy.run_module("benchmarks", run_name="__main__")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ALL),
        (["prepare-1026"], ["prepare-1026"]),
    ],
)
def test_the_named_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: list[str], expected: list[str]
) -> None:
    run(monkeypatch, *names)
    assert [json.loads(line)["benchmark"] for line in capsys.readouterr().out.splitlines()] == expected


def test_an_unknown_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "prepare")
    assert "unknown benchmark 'prepare'" in capsys.readouterr().err
