"""Foreseen errors become one line; ours keep their traceback."""

import pytest

from tmdscope import stage
from tmdscope.stage import UserError, run_stage, to_user_error, translates


def test_a_foreseen_error_is_a_message_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise UserError("a.csv: mend it")

    with pytest.raises(SystemExit) as stop:
        run_stage(fail)
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: a.csv: mend it\n"


def test_our_own_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_stage(lambda: print(1 // 0))


def test_a_stage_that_works_returns(capsys: pytest.CaptureFixture[str]) -> None:
    run_stage(lambda: print("done"))
    assert capsys.readouterr().out == "done\n"


def test_a_librarys_error_is_said_by_who_knows_the_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_translators", [])
    translates(lambda error: UserError("no answer") if isinstance(error, ConnectionError) else None)

    def fail() -> None:
        raise ConnectionResetError("far down")

    with pytest.raises(SystemExit):
        run_stage(fail)
    assert capsys.readouterr().err == "error: no answer\n"
    assert to_user_error(KeyError("ours")) is None
