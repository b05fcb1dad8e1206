"""Every stage declares the sections of params.yaml that it asks for, and the rooms that compute it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.pipelines.conftest import UNDECLARED, UNDECLARED_MODULES
from tests.support.reads import Stage, read_stages
from tests.support.verbs import Reach, reach_of
from tests.test_floors import GROUND, MODULES, module_of
from tmdscope.studies import find_study

ROOT = Path(__file__).parents[2]
CALLED = {
    "tmd_materials": "",
    "published_features": "published ",
    "growth_temperature": "growth ",
    "property_transfer": "transfer ",
    "stem_defects": "stem ",
}
"""What stands before the name of a study's stage in the docs."""
STUDIES = {name: f"pipelines/{name}/dvc.yaml" if short else "dvc.yaml" for name, short in CALLED.items()}
ROOMS = {module_of(path): path for path in MODULES}


@dataclass(frozen=True)
class Declared:
    """A stage of a study, and the verb that it names."""

    study: str
    stage: Stage

    @property
    def name(self) -> str:
        """Name in the docs."""
        return CALLED[self.study] + self.stage.name

    def reach(self) -> Reach:
        """What the verb leads to."""
        study, verb, *_ = self.stage.arguments
        assert study == self.study
        return reach_of(find_study(study), verb, frozenset(UNDECLARED))

    @cached_property
    def rooms(self) -> set[str]:
        """Modules below the declared folders and files."""
        paths = [ROOT / dep for dep in self.stage.deps if dep.startswith("src/")]
        return {
            name
            for name, path in ROOMS.items()
            if any(path == dep or path.is_relative_to(dep) for dep in paths)
        }


def stages() -> Iterator[Declared]:
    for study, file in STUDIES.items():
        for stage in read_stages(ROOT / file, ROOT):
            yield Declared(study, stage)


STAGES = list(stages())
each = pytest.mark.parametrize("one", STAGES, ids=[one.name for one in STAGES])


@each
def test_params_are_declared(one: Declared) -> None:
    assert {key for keys in one.stage.params.values() for key in keys} == one.reach().sections


@each
def test_a_stage_depends_on_the_rooms_that_compute_it(one: Declared) -> None:
    needed = {name.removeprefix("tmdscope.") for name in one.reach().modules} & ROOMS.keys()
    needed -= UNDECLARED_MODULES
    declared = one.rooms
    assert needed <= declared, sorted(needed - declared)
    assert {name.split(".")[0] for name in declared} <= {name.split(".")[0] for name in needed}


def test_the_table_of_what_runs_again_is_true() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    told = dict(re.findall(r"(?m)^\| `(\w+)/` \| (.+) \|$", text.partition("## What runs again")[2]))
    assert set(told) == {name.split(".")[0] for name in ROOMS} - GROUND - {"cli"}
    for room, words in told.items():
        again = {one.name for one in STAGES if any(n.startswith(f"{room}.") for n in one.rooms)}
        assert again == (set() if words == "nothing" else set(words.split(", "))), room


def test_a_word_in_the_audit_or_a_report_trains_nothing() -> None:
    for room, allowed in {
        "audit": {"audit", "register", "report"},
        "report": {"report"},
        "tracking": set(),
    }.items():
        again = {one.name for one in STAGES if any(n.startswith(f"{room}.") for n in one.rooms)}
        assert {name.rpartition(" ")[2] for name in again} <= allowed, room
