"""What a person sees of a training: a table on a terminal, a few lines elsewhere, nothing when quiet."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tmdscope import progress
from tmdscope.progress import LINE_EVERY_S, TrainingTable, duration
from tmdscope.scores.task import CLASSES, quantity

METRIC = CLASSES.primary


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Seen:
    """A table, its clock, and the text that its console got."""

    def __init__(self, terminal: bool, folds: int = 2, epochs: int = 3, quiet: bool = False) -> None:
        self.clock = Clock()
        self.stream = io.StringIO()
        console = Console(
            file=self.stream, force_terminal=terminal, width=100, quiet=quiet, color_system=None
        )
        self.table = TrainingTable("finetune", folds, epochs, 500, METRIC, console, self.clock)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def train(self, epochs: int, seconds: float = 10.0, first: int = 1, best: int = 1, fold: int = 0) -> None:
        for number in range(first, first + epochs):
            self.clock.now += seconds
            self.table.epoch(
                fold, number, {"val_macro_f1": number / 10, "val_loss": 1.0}, kept=number <= best
            )


def row(text: str) -> list[str]:
    """The cells of the last row drawn."""
    last = [line for line in text.splitlines() if line.startswith("│")][-1]
    return [cell.strip() for cell in last.strip("│").split("│")]


def test_a_terminal_gets_one_table() -> None:
    seen = Seen(terminal=True)
    with seen.table as table:
        table.fold(0)
        seen.train(2)
        assert "finetune" in seen.text
        assert row(seen.text) == ["1 of 2", "2 of 3", "50", "0.200", "0.100", "40 s"]
        seen.train(1, first=3)
        table.end(0)
        table.fold(1)
        seen.train(1, seconds=20.0, fold=1)
        assert row(seen.text) == ["2 of 2", "1 of 3", "25", "0.100", "0.100", "25 s"]
    assert "done" not in seen.text


def test_the_table_stays_when_the_training_is_over() -> None:
    seen = Seen(terminal=True, folds=1)
    with seen.table as table:
        table.fold(0)
        seen.train(3, seconds=0.001, best=3)
    assert row(seen.text) == ["1 of 1", "3 of 3", "500000", "0.300", "0.300", "0 s"]


def test_fast_epochs_are_not_all_drawn() -> None:
    seen = Seen(terminal=True, folds=1, epochs=1000)
    with seen.table as table:
        table.fold(0)
        seen.train(1000, seconds=0.001)
    assert 8 < seen.text.count("finetune") < 20  # a second's worth


def test_many_folds_keep_the_latest_in_sight() -> None:
    seen = Seen(terminal=True, folds=50, epochs=1)
    with seen.table as table:
        for number in range(30):
            table.fold(number)
            seen.train(1, fold=number)
            table.end(number)
        drawn = seen.text.rpartition("finetune")[2]
    assert drawn.count(" of 50") == 10
    assert row(drawn)[0] == "30 of 50"


def test_elsewhere_a_fold_gets_one_line_at_its_end() -> None:
    seen = Seen(terminal=False)
    with seen.table as table:
        table.fold(0)
        seen.train(3, seconds=5.0, best=2)
        assert seen.text == ""
        table.end(0)
        table.fold(1)
        seen.train(3, seconds=5.0, fold=1)
        table.end(1)
    assert seen.lines == [
        "finetune: fold 1 of 2 done: 3 epochs in 15 s, 100 images/s, validation macro F1 0.300 (kept 0.200)",
        "finetune: fold 2 of 2 done: 3 epochs in 15 s, 100 images/s, validation macro F1 0.300 (kept 0.100)",
    ]


def test_long_work_gets_a_line_now_and_then() -> None:
    seen = Seen(terminal=False, folds=1, epochs=60)
    with seen.table as table:
        table.fold(0)
        seen.train(7, seconds=10.0)
        table.end(0)
    assert seen.lines == [
        (
            "finetune: fold 1 of 1, epoch 3 of 60, 50 images/s, validation macro F1 0.300 (kept 0.100), "
            "9 min 30 s left"
        ),
        (
            "finetune: fold 1 of 1, epoch 6 of 60, 50 images/s, validation macro F1 0.600 (kept 0.100), "
            "9 min 00 s left"
        ),
        (
            "finetune: fold 1 of 1 done: 7 epochs in 1 min 10 s, 50 images/s, validation macro F1 0.700 "
            "(kept 0.100)"
        ),
    ]


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60))
def test_lines_are_never_closer_than_agreed(times: list[float]) -> None:
    seen = Seen(terminal=False, folds=1, epochs=60)
    with seen.table as table:
        table.fold(0)
        for number, seconds in enumerate(times, start=1):
            seen.train(1, seconds, first=number)
        table.end(0)
    assert len(seen.lines) - 1 <= sum(times) / LINE_EVERY_S + 1e-6


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_is_silent(terminal: bool) -> None:
    seen = Seen(terminal, quiet=True)
    with seen.table as table:
        table.fold(0)
        seen.train(3, seconds=100.0)
        table.end(0)
    assert seen.text == ""


def test_a_failed_fold_is_not_called_done() -> None:
    seen = Seen(terminal=False)

    def fail() -> None:
        with seen.table as table:
            table.fold(0)
            seen.train(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen.text == ""


def test_time_left_counts_all_folds() -> None:
    seen = Seen(terminal=False, folds=5, epochs=10)
    with seen.table as table:
        table.fold(0)
        assert table.seconds_left() is None
        seen.train(1, seconds=4.0)
        assert table.seconds_left() == pytest.approx(4.0 * 49)
        seen.train(9, seconds=4.0, first=2)
        assert table.seconds_left() == pytest.approx(4.0 * 40)


def test_time_left_learns_from_folds_that_ended_early() -> None:
    seen = Seen(terminal=False, folds=4, epochs=100)
    with seen.table as table:
        table.fold(0)
        seen.train(20, seconds=1.0)
        table.end(0)
        table.fold(1)
        seen.train(30, seconds=1.0, fold=1)
        assert table.seconds_left() == pytest.approx(1 + 2 * 20)  # longer than the first: one more at least
        table.end(1)
        table.fold(2)
        seen.train(5, seconds=1.0, fold=2)
        assert table.seconds_left() == pytest.approx(20 + 25)


def test_a_resumed_fold_counts_only_what_is_left() -> None:
    seen = Seen(terminal=False, folds=2, epochs=10)
    with seen.table as table:
        table.fold(0)
        seen.clock.now += 60  # reading the checkpoint is no training
        table.resumed(0, 8)
        assert table.seconds_left() is None
        seen.train(1, seconds=3.0, first=9, best=9)
        assert table.seconds_left() == pytest.approx(3.0 * 11)
        seen.train(1, seconds=3.0, first=10)
        table.end(0)
    assert seen.lines[-1] == (
        "finetune: fold 1 of 2 done: 2 epochs in 6 s, 8 before from a checkpoint, 167 images/s, "
        "validation macro F1 1.000 (kept 0.900)"
    )


def test_a_fold_that_had_ended_takes_no_time() -> None:
    seen = Seen(terminal=False, folds=2, epochs=10)
    with seen.table as table:
        table.resumed(0, 10)
        table.end(0)
        table.fold(1)
        assert table.seconds_left() is None
        seen.train(1, seconds=2.0, fold=1)
        assert table.seconds_left() == pytest.approx(2.0 * 9)
    assert seen.lines[0] == (
        "finetune: fold 1 of 2 done: 10 epochs from a checkpoint, validation macro F1 - (kept -)"
    )


def test_folds_side_by_side_have_their_own_rows_and_share_the_time() -> None:
    seen = Seen(terminal=True, folds=3, epochs=4)
    with seen.table as table:
        for fold in (0, 1):
            table.fold(fold)
        for number in (1, 2):  # an epoch of both takes ten seconds
            for fold, seconds in ((0, 9.0), (1, 1.0)):
                seen.train(1, seconds, first=number, fold=fold)
        assert table.seconds_left() == pytest.approx(5.0 * (2 + 2 + 4))
        assert row(seen.text) == ["2 of 3", "2 of 4", "50", "0.200", "0.100", "40 s"]
        table.end(0)  # it stopped early
        assert table.seconds_left() == pytest.approx(5.0 * (1 + 2))


def test_a_fold_that_ends_before_those_begun_earlier_is_told_at_once() -> None:
    seen = Seen(terminal=False, folds=2, epochs=6)
    with seen.table as table:
        for fold in (0, 1):
            table.fold(fold)
        for fold in (0, 1):
            seen.train(1, fold=fold)
        table.end(1)
        assert seen.lines == [
            "finetune: fold 2 of 2 done: 1 epoch in 20 s, 25 images/s, validation macro F1 0.100 (kept 0.100)"
        ]
        seen.train(3, first=2)
    assert seen.lines[1:] == [
        (
            "finetune: fold 1 of 2, epoch 4 of 6, 50 images/s, validation macro F1 0.400 (kept 0.100), "
            "10 s left"
        )
    ]


def test_an_epoch_that_took_no_time_has_no_rate() -> None:
    seen = Seen(terminal=False, folds=1, epochs=1)
    with seen.table as table:
        table.fold(0)
        seen.train(1, seconds=0.0)
        table.end(0)
    assert seen.lines == [
        "finetune: fold 1 of 1 done: 1 epoch in 0 s, validation macro F1 0.100 (kept 0.100)"
    ]


def test_names_are_no_markup() -> None:
    seen = Seen(terminal=False, folds=1, epochs=1)
    seen.table.experiment = "[bold]x[/bold]"
    with seen.table as table:
        table.fold(0)
        seen.train(1)
        table.end(0)
    assert seen.text.startswith("[bold]x[/bold]: fold")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_times_are_written_for_a_person(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("value", "quiet"), [("1", True), ("0", False), ("", False)])
def test_a_variable_silences_everything(
    value: str, quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMDSCOPE_QUIET", value)
    with TrainingTable("finetune", 1, 1, 10, METRIC) as table:
        table.fold(0)
        table.epoch(0, 1, {"val_macro_f1": 0.5}, kept=True)
        table.end(0)
    shown = capsys.readouterr()
    assert ("finetune: fold 1 of 1" not in shown.err) is quiet
    assert shown.out == ""


@pytest.mark.parametrize("watched", [True, False])
def test_a_bar_is_drawn_for_who_watches(
    watched: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "is_interactive", lambda: watched)
    assert list(progress.progress(iter("abc"), 3, "letters")) == ["a", "b", "c"]
    sys.stderr.flush()
    assert ("letters" in capsys.readouterr().err) is watched


def test_a_score_is_shown_by_its_name_and_in_its_unit() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=False, width=100, color_system=None)
    with TrainingTable("gaps", 1, 1, 10, quantity("eV").primary, console) as table:
        table.fold(0)
        table.epoch(0, 1, {"val_mae": 0.25}, kept=True)
        table.end(0)
    assert "validation MAE 0.25 eV (kept 0.25 eV)" in stream.getvalue()
