"""The tests nearest to a change: its own, its twin, else those of its room that import it."""

from pathlib import Path

import pytest

from tests.support.nearest import nearest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ("tests/test_cli.py", ["tests/test_cli.py"]),
        ("src/tmdscope/lifecycle/gate.py", ["tests/lifecycle/test_gate.py"]),
        ("src/tmdscope/cli.py", ["tests/test_cli.py"]),
        ("README.md", []),
        ("tests/conftest.py", []),
    ],
)
def test_what_is_nearest(changed: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert nearest([Path(changed)]) == list(map(Path, found))


def test_a_module_without_a_twin_has_those_that_import_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    room = tmp_path / "tests" / "scan"
    room.mkdir(parents=True)
    (room / "test_one.py").write_text("from tmdscope.scan.lone import name\n")
    (room / "test_two.py").write_text("from tmdscope.scan.other import name\n")
    assert nearest([Path("src/tmdscope/scan/lone.py")]) == [Path("tests/scan/test_one.py")]
