"""Every public function and class says what its name does not, in numpydoc; a section lists what is news.

`numpydoc lint` does not know that a property is an attribute: it returns nothing, and a noun may sum it up.
"""

import ast
import tomllib
from pathlib import Path

import pytest
from numpydoc.hooks.validate_docstrings import parse_config, process_file

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for top in ("src", "pipelines") for path in (ROOT / top).rglob("*.py")
)


def problems(path: Path) -> list[str]:
    properties = {
        f"{path}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(mark).endswith("property") for mark in node.decorator_list)
    }
    return [
        f"{line} {name}: {code} {text}"
        for line, name, code, text in process_file(str(path), parse_config(str(ROOT)))
        if not (code in {"RT01", "SS05"} and line in properties)
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_docstrings(name: str) -> None:
    assert problems(ROOT / name) == []


LACKING = '''"""Numbers."""

class Number:
    """A number."""

    @property
    def doubled(self):
        """Doubles of it."""
        return 2

    def times(self, factor):
        """Multiply

        Parameters
        ----------
        by : int
            How often.
        """
        return factor

    def nothing(self):
        return 0

def _private(value):
    return value
'''


def test_what_lacks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "number.py"
    path.write_text(LACKING)
    assert [problem.split(" ", 2)[1:] for problem in problems(path)] == [
        ["number.Number.times:", "SS03 Summary does not end with a period"],
        ["number.Number.times:", "PR02 Unknown parameters {'by'}"],
        ["number.Number.nothing:", "GL08 The object does not have a docstring"],
    ]


def test_the_rules_are_those_of_pyproject() -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]["checks"]
    assert parse_config(str(ROOT))["checks"] == set(written)
