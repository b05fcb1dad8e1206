"""Trainings side by side give what they give one after another, to the bit."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.learn.interrupted import FOLDS, SETTINGS, Net, fold_parts, run
from tests.learn.test_resume import IDENTITY, MACHINE, assert_equal, interrupt_after
from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import DivergedError, FitSettings
from tmdscope.learn.resume import Resume
from tmdscope.learn.together import MOST, VARIABLE, Turns, alone, folds_at_once, side_by_side

CPU, CARD = torch.device("cpu"), torch.device("cuda")
STOPS = replace(SETTINGS, epochs=30, early_stopping=3)
BALANCED = fold_parts(np.arange(36) // 3 % FOLDS)
"""Folds of all classes, which end after different epochs with `STOPS`."""


def draw(seed: int, turns: int) -> Turns[list[float]]:
    """Draws numbers before and after every wait."""
    torch.manual_seed(seed)
    drawn = [torch.rand(()).item()]
    for _ in range(turns):
        yield
        drawn.append(torch.rand(()).item())
    return drawn


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(1, 4))
def test_works_side_by_side_give_what_each_gives_alone(turns: list[int], at_once: int) -> None:
    begun: list[int] = []
    ended: list[int] = []

    def watch(number: int) -> Turns[list[float]]:
        begun.append(number)
        assert len(begun) - len(ended) <= at_once
        drawn = yield from draw(number, turns[number])
        ended.append(number)
        return drawn

    together = side_by_side([watch(number) for number in range(len(turns))], at_once, CPU)
    assert together == [alone(draw(number, count)) for number, count in enumerate(turns)]
    assert begun == list(range(len(turns)))


@dataclass
class Card:
    """Streams and random numbers of a card that is not there; notes what is done on it."""

    name: str = "default"
    told: list[str] = field(default_factory=list)

    def wait_stream(self, other: "Card") -> None:
        self.told.append(f"{self.name} waits for {other.name}")

    def synchronize(self) -> None:
        self.told.append(f"{self.name} is waited for")

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names, here, drawn = iter("12"), [self], [torch.tensor(0)]

        @contextmanager
        def on_stream(stream: Card) -> Iterator[None]:
            here.append(stream)
            yield
            here.pop()

        for name, function in {
            "Stream": lambda _: Card(next(names), self.told),
            "stream": on_stream,
            "current_stream": lambda _: here[-1],
            "get_rng_state": lambda _: drawn[-1],
            "set_rng_state": lambda state, _: drawn.append(state),
        }.items():
            monkeypatch.setattr(torch.cuda, name, function)

    def work(self, name: str, fails: bool = False) -> Turns[None]:
        """Draw a number twice."""
        for _ in range(2):
            drawn = torch.cuda.get_rng_state(CARD) + 1
            torch.cuda.set_rng_state(drawn, CARD)
            self.told.append(f"{name}{int(drawn)} on {torch.cuda.current_stream(CARD).name}")  # type: ignore[attr-defined]
            yield
            if fails:
                raise ValueError(name)


def test_works_on_a_gpu_have_streams_and_random_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card()
    card.install(monkeypatch)
    side_by_side([card.work("a"), card.work("b"), card.work("c")], 2, CARD)
    begun = ["1 waits for default", "2 waits for default", "a1 on 1", "b1 on 2", "a2 on 1", "b2 on 2"]
    assert card.told == [*begun, "c3 on 1", "c4 on 1", "2 is waited for", "1 is waited for"]
    assert int(torch.cuda.get_rng_state(CARD)) == 0


def test_what_runs_on_a_gpu_is_waited_for_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card()
    card.install(monkeypatch)
    with pytest.raises(ValueError, match="b"):
        side_by_side([card.work("a"), card.work("b", fails=True)], 2, CARD)
    assert card.told[-3:] == ["a2 on 1", "2 is waited for", "1 is waited for"]


def test_one_alone_runs_where_all_does(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card()
    card.install(monkeypatch)
    side_by_side([card.work("a"), card.work("b")], 1, CARD)
    assert card.told == ["a1 on default", "a2 on default", "b3 on default", "b4 on default"]


def test_as_many_as_asked_for_have_launched_before_the_first_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    built: list[nn.Module] = []
    seen: list[int] = []

    def build() -> nn.Module:
        built.append(Net())
        return built[-1]

    run(None, SETTINGS, lambda: seen.append(len(built)), build=build)
    assert (seen[0], seen[-1]) == (2, 3)


@pytest.mark.parametrize("at_once", [2, 5])
@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, symmetries=1, checkpoint=CheckpointRule.PAPER, optimiser="adamw", weight_decay=0.1),
        replace(SETTINGS, sampling="oversampled", schedule="cosine", label_smoothing=0.1),
    ],
    ids=["flips", "paper", "oversampled"],
)
def test_folds_side_by_side_are_those_one_by_one(settings: FitSettings, at_once: int) -> None:
    assert_equal(run(None, settings, at_once=at_once), run(None, settings, at_once=1))


@pytest.mark.parametrize("at_once", [2, 5])
def test_a_fold_that_ends_early_makes_room(at_once: int) -> None:
    whole = run(None, STOPS, at_once=1, folds=BALANCED)
    assert len({len(result.history) for result in whole}) > 1
    assert_equal(run(None, STOPS, at_once=at_once, folds=BALANCED), whole)


@pytest.mark.parametrize("counts", [(2, 1, 3), (3, 2, 1), (1, 3, 2)])
def test_killed_folds_go_on_with_any_number_at_once(counts: tuple[int, ...], tmp_path: Path) -> None:
    for epochs, at_once in zip((3, 4, 7), counts, strict=True):
        interrupt_after(epochs, tmp_path / "attempt", STOPS, at_once=at_once, folds=BALANCED)
    resume = Resume.open(tmp_path / "attempt", IDENTITY, MACHINE, every_s=0)
    mended = run(resume, STOPS, at_once=2, folds=BALANCED)
    assert_equal(mended, run(None, STOPS, at_once=1, folds=BALANCED))


def test_one_that_fails_ends_those_under_way_and_no_other_begins() -> None:
    told: list[str] = []

    def work(name: str, error: Exception | None = None) -> Generator[None, None, None]:
        told.append(f"{name} begins")
        try:
            yield
            if error is not None:
                raise error
            yield
        except Exception as heard:
            told.append(f"{name} hears {heard}")
            if name == "c":
                raise OSError("c cannot be closed") from heard
            raise

    works = [work("a"), work("b", ValueError("of b")), work("c"), work("d")]
    with pytest.raises(OSError, match="c cannot be closed"):
        side_by_side(works, 3, CPU)
    assert told[:3] == ["a begins", "b begins", "c begins"]
    assert told[3:] == ["b hears of b", "c hears of b", "a hears c cannot be closed"]


def test_a_fold_that_diverges_ends_the_cross_validation() -> None:
    built: list[Net] = []

    def build() -> Net:
        built.append(Net())
        if len(built) == 2:
            nn.init.constant_(built[-1][0].weight, float("inf"))
        return built[-1]

    with pytest.raises(DivergedError, match="epoch 1 ended with training loss nan"):
        run(None, SETTINGS, at_once=2, build=build)
    assert len(built) == 2


@pytest.mark.parametrize("value", ["", "1", "5", str(MOST)])
def test_a_variable_says_how_many(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert folds_at_once() == 1
    monkeypatch.setenv(VARIABLE, value)
    assert folds_at_once() == int(value or 1)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two", " ", str(MOST + 1)])
def test_what_is_no_number_of_folds_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)

    def build() -> nn.Module:
        raise AssertionError("it trains")

    with pytest.raises(UserError, match=f"{VARIABLE} is '{value}'"):
        run(None, SETTINGS, build=build)
