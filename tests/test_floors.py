"""A module imports only from floors below its own, or from its own folder without a loop."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tmdscope"

GROUND = {"doubt", "errors", "params", "profiles", "progress", "record", "run_record", "stage"} | set(
    "address alike cluster download files layout limits materials memory names problem processes "
    "temporary".split()
)
"""Modules and folders that no stage declares: they compute nothing, and everything depends on them."""
FLOORS = [
    {"ground"},
    {"composition", "scan"},
    {"dataset"},
    {"scores"},
    {"vision"},
    {"analysis", "learn"},
    {"models", "reliability", "sequential", "stem"},
    {"audit", "search"},
    {"tracking", "report"},
    {"lifecycle"},
    {"jobs"},
    {"studies"},
    {"serving"},
    {"cli"},
]
"""Rooms from the lowest floor up: a room imports from floors below its own alone."""
BELOW = {room: set().union(*FLOORS[:number]) for number, rooms in enumerate(FLOORS) for room in rooms}
ONLY_IN = {
    "distributed": {"ground"},
    "mlflow": {"tracking"},
    "optuna": {"search"},
    "typer": {"cli"},
    "fastapi": {"serving"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
}
"""Libraries that one floor alone may import."""

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def floor_of(module: str) -> str:
    first = module.split(".")[0]
    return "ground" if first in GROUND else first


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_come_from_below(path: Path) -> None:
    floor = floor_of(module_of(path))
    for name in imports_of(path):
        library = name.split(".")[0]
        assert floor in ONLY_IN.get(library, {floor}), f"{floor} imports {library}"
        if library == "tmdscope" and name != "tmdscope":
            other = floor_of(name.removeprefix("tmdscope."))
            assert other == floor or other in BELOW[floor], f"{floor} imports {name}"


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        module_of(path): {
            name.removeprefix("tmdscope.") for name in imports_of(path) if name.startswith("tmdscope.")
        }
        for path in MODULES
    }
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_only_jobs_and_the_command_read_params() -> None:
    readers = {"read_section", "read_experiments", "read_params"}
    for path in MODULES:
        if module_of(path).split(".")[0] in ("params", "profiles", "jobs", "studies", "cli"):
            continue
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & readers, f"{module_of(path)} reads params.yaml"


METRICS = r"\b(\w*macro_f1|weighted_f1|exact_accuracy|\w*accuracy|macro F1|recall|mae|rmse|MAE|RMSE)\b"
STUDIES = (
    r"(?i)\b(tmd[-_]materials|published[-_]features|growth_temperature|stem_defects|property_transfer)\b"
)


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_only_studies_names_a_study(path: Path) -> None:
    if not path.is_relative_to(PACKAGE / "studies"):
        assert re.findall(STUDIES, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_only_scores_names_a_metric(path: Path) -> None:
    if not path.is_relative_to(PACKAGE / "scores"):
        assert re.findall(METRICS, path.read_text(encoding="utf-8")) == []
