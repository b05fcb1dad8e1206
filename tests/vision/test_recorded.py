"""Recorded work is the same work; on a machine without a GPU something else plays the graph's part."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.support.tape import Tape
from tmdscope.vision.recorded import PAYS_FROM, VARIABLE, WARM_UP, Recorded, Work, pays, send


def adding(total: Tensor) -> Work:
    def add(values: Tensor, more: Tensor) -> tuple[Tensor, ...]:
        total.add_(values.sum())
        return values + more, total.clone()

    return add


def play(run: Callable[..., tuple[Tensor, ...]], lengths: list[int]) -> list[tuple[Tensor, ...]]:
    given = [torch.arange(length) + number for number, length in enumerate(lengths)]
    return [run(values, values * 2) for values in given]


def test_recorded_work_is_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    tape, lengths = Tape.install(monkeypatch), [4] * 5 + [3, 4, 4, 5, 4]
    recorded, work = Recorded(4), adding(torch.zeros(()))
    outputs = play(lambda *inputs: recorded.run(work, *inputs), lengths)
    wanted = play(adding(torch.zeros(())), lengths)
    for own, other in zip(outputs, wanted, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
    assert (tape.tried, tape.records, tape.replays) == (WARM_UP, 1, lengths.count(4) - WARM_UP)


def test_work_that_waits_for_the_device_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape.install(monkeypatch)
    tape.waits = True
    recorded, work = Recorded(4), adding(torch.zeros(()))
    outputs = play(lambda *inputs: recorded.run(work, *inputs), [4] * 6)
    wanted = play(adding(torch.zeros(())), [4] * 6)
    assert all(torch.equal(a[1], b[1]) for a, b in zip(outputs, wanted, strict=True))
    assert (tape.tried, tape.records) == (WARM_UP, 0)


@pytest.mark.parametrize(
    ("device", "calls", "said"),
    [("cpu", 10**9, False), ("cuda", PAYS_FROM, True), ("cuda", PAYS_FROM - 1, False), ("mps", 10**9, False)],
)
def test_work_is_recorded_on_a_gpu_where_it_is_asked_for_and_done_often(
    device: str, calls: int, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert pays(torch.device(device), calls) is said
    for not_asked in ("0", ""):
        monkeypatch.setenv(VARIABLE, not_asked)
        assert not pays(torch.device(device), calls)


def test_what_is_sent_to_where_it_is_stays() -> None:
    values = torch.arange(3)
    assert send(values, torch.device("cpu")) is values
