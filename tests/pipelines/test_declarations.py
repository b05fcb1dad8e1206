"""Every stage declares the sections of params.yaml that it asks for, and the rooms that compute it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipelines.conftest import UNDECLARED
from tests.support.reads import undeclared_params
from tests.test_floors import GROUND, MODULES, imports_of, module_of

ROOT = Path(__file__).parents[2]
STUDIES = ("dvc.yaml", "pipelines/published_features/dvc.yaml")
ROOMS = {module_of(path): path for path in MODULES}


@pytest.mark.parametrize("name", STUDIES)
def test_params_are_declared(name: str) -> None:
    assert undeclared_params(ROOT / name, ROOT) == {}


def stages() -> Iterator[tuple[str, str, list[str]]]:
    """Name, script and declared dependencies of every stage."""
    for number, name in enumerate(STUDIES):
        for stage, entry in YAML(typ="safe").load(ROOT / name)["stages"].items():
            content: dict[str, Any] = entry.get("do", entry)
            script = re.search(r"pipelines/\S+\.py", content["cmd"])
            assert script is not None
            deps = [next(iter(dep)) if isinstance(dep, dict) else dep for dep in content["deps"]]
            yield f"{'published ' * number}{stage}", script[0], deps


STAGES = list(stages())


def reached(script: str) -> set[str]:
    """Modules that a script's imports lead to, those of `UNDECLARED` and what they import left out."""
    found: set[str] = set()
    waiting = [ROOT / script]
    while waiting:
        for name in imports_of(waiting.pop()):
            module = name.removeprefix("tmdscope.")
            known = name.startswith("tmdscope.") and module in ROOMS and module not in found
            if known and module.split(".")[0] not in UNDECLARED:
                found.add(module)
                waiting.append(ROOMS[module])
    return found


def rooms_of(deps: list[str]) -> set[str]:
    """Modules below the declared folders and files."""
    paths = [ROOT / dep for dep in deps if dep.startswith("src/")]
    return {
        name for name, path in ROOMS.items() if any(path == dep or path.is_relative_to(dep) for dep in paths)
    }


@pytest.mark.parametrize(("stage", "script", "deps"), STAGES, ids=[stage[0] for stage in STAGES])
def test_a_stage_depends_on_the_rooms_that_compute_it(stage: str, script: str, deps: list[str]) -> None:
    needed, declared = reached(script), rooms_of(deps)
    assert needed <= declared, sorted(needed - declared)
    assert {name.split(".")[0] for name in declared} <= {name.split(".")[0] for name in needed}


def test_the_table_of_what_runs_again_is_true() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    told = dict(re.findall(r"(?m)^\| `(\w+)/` \| (.+) \|$", text.partition("## What runs again")[2]))
    assert set(told) == {name.split(".")[0] for name in ROOMS} - GROUND - {"cli"}
    for room, words in told.items():
        again = {stage for stage, _, deps in STAGES if any(n.startswith(f"{room}.") for n in rooms_of(deps))}
        assert again == (set() if words == "nothing" else set(words.split(", "))), room


def test_a_word_in_the_audit_or_a_report_trains_nothing() -> None:
    for room, allowed in {
        "audit": {"audit", "register", "report"},
        "report": {"report"},
        "tracking": set(),
    }.items():
        again = {stage for stage, _, deps in STAGES if any(n.startswith(f"{room}.") for n in rooms_of(deps))}
        assert {stage.removeprefix("published ") for stage in again} <= allowed, room
