"""A search touches Optuna through public names alone: the next release may move all others."""

import ast
from pathlib import Path

import pytest

import tmdscope

PACKAGE = Path(tmdscope.__file__).parent
MODULES = [*sorted((PACKAGE / "search").glob("*.py")), PACKAGE / "tracking" / "search.py"]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def private_uses(source: str) -> list[str]:
    """Private attributes of anything but `self` and `cls`, by name in `getattr` too, and imports of such."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            found += [name for name in names if is_private(name)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if any(map(is_private, alias.name.split(".")))]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and "attr" in node.func.id:
            texts = [given.value for given in node.args if isinstance(given, ast.Constant)]
            found += [text for text in texts if isinstance(text, str) and is_private(text)]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_private_name_is_touched(path: Path) -> None:
    assert private_uses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "trial._trial_id",
        "self.study._storage",
        "from optuna.storages._rdb import models",
        "from optuna.storages import _rdb",
        "import optuna.storages._rdb.models",
        "setattr(RDBStorage, '_get_trials', patient)",
    ],
)
def test_a_private_name_is_found(source: str) -> None:
    assert len(private_uses(source)) == 1


def test_own_and_special_names_are_let_be() -> None:
    assert private_uses("self._read(); cls._made; trial.__class__; from optuna import trial") == []
