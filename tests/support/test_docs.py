"""Commands of pages are found, and a wrong one is noticed without being run."""

from pathlib import Path

import pytest

from tests.support.docs import check_form, check_names, commands, unmarked

ROOT = Path(__file__).parents[2]

PAGE = """# Page

```sh
# Once
make repro   # a comment
python -c "print('#1')" \\
  | curl --data @-
```

- in a list:

  ```console
  $ tmdscope models
  nothing
  ```

```text
tmdscope rollback
```
"""


def test_commands_are_found_without_comments_and_output(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    found = [command.text for command in commands(tmp_path, "page.md")]
    assert found == ["make repro", "python -c \"print('#1')\" | curl --data @-", "tmdscope models"]
    assert unmarked(tmp_path, "page.md") == ["tmdscope rollback"]


@pytest.mark.parametrize(
    "line",
    [
        "make repro",
        "X=1 make help && tmdscope predict my-scans/ --csv > table.csv",
        "dvc exp run -S experiments.a.dropout=0.3 --queue",
        "mlflow gc --backend-store-uri sqlite:///mlruns/mlflow.db",
        "tmdscope profile apply paper --dry-run",
    ],
)
def test_the_form_of_right_commands_passes(line: str) -> None:
    check_form(ROOT, line)


@pytest.mark.parametrize(
    "line",
    [
        "make repr",
        "make help && tmdscope models --jason",
        "tmdscope demote 4",
        "tmdscope promote four",
        "tmdscope compare best",
        "tmdscope profile apply paper --dry",
        "dvc repro --fource",
        "dvc repo",
        "mlflow gc --backend-uri x",
        "tmdskope models",
    ],
)
def test_the_form_of_wrong_commands_does_not(line: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        check_form(ROOT, line)


def test_names_in_running_text_are_checked() -> None:
    check_names(ROOT, "tmdscope promote VERSION --force --reason TEXT")
    with pytest.raises(AssertionError):
        check_names(ROOT, "tmdscope promote VERSION --because TEXT")
    with pytest.raises(KeyError):
        check_names(ROOT, "tmdscope demote VERSION")
