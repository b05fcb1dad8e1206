"""One version of everything, whoever writes it down, and a CI that cannot skip in silence."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mlflow.projects import _project_spec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

import tmdscope

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def yaml(name: str) -> Any:
    return YAML(typ="safe").load(ROOT / name)


def wanted(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(item.name): item for item in parsed}


def locked() -> list[Requirement]:
    """The pins of the lock; a package may have one for each platform."""
    return [Requirement(line) for line in re.findall(r"(?m)^([A-Za-z0-9].*?) *\\?$", LOCK)]


DECLARED = wanted(PROJECT["dependencies"])
OPTIONAL = wanted([line for extra in PROJECT["optional-dependencies"].values() for line in extra])


def test_one_version_of_the_software() -> None:
    assert PROJECT["version"] == tmdscope.__version__ == str(yaml("CITATION.cff")["version"])


@pytest.mark.parametrize("name", sorted(DECLARED | OPTIONAL))
def test_the_lock_satisfies(name: str) -> None:
    pins = [str(pin.specifier) for pin in locked() if canonicalize_name(pin.name) == name]
    assert pins
    assert all((DECLARED | OPTIONAL)[name].specifier.contains(pin.removeprefix("==")) for pin in pins)


def test_conda_lists_what_pyproject_lists() -> None:
    dependencies = yaml("conda.yaml")["dependencies"]
    *pins, itself = dependencies[-1]["pip"]
    assert {name: str(item) for name, item in wanted(pins).items()} == {
        name: str(item) for name, item in DECLARED.items()
    }
    assert itself == "-e ."
    assert "python>=3.11,<3.14" in dependencies


def test_the_pythons_of_the_project_are_those_that_make_looks_for() -> None:
    looked_for = re.findall(
        r"3\.\d+", re.findall(r"for version in (.*);", (ROOT / "Makefile").read_text())[0]
    )
    classes = re.findall(
        r"(?m)^Programming Language :: Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"])
    )
    assert sorted(looked_for) == sorted(classes) == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_every_locked_requirement_has_hashes() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK)
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert len(entries) == len(locked())
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_names_no_package_index() -> None:
    assert re.findall(r"(?m)^.*(?:://|--(?:extra-)?index|--find-links).*$", LOCK) == []


def test_mlflow_reads_the_project() -> None:
    project = _project_spec.load_project(ROOT)
    commands = {
        name: project.get_entry_point(name).compute_command(given, None)
        for name, given in {"main": {}, "train": {}, "promote": {"version": "3"}}.items()
    }
    assert commands == {
        "main": "dvc repro",
        "train": "dvc repro crossval@finetune-multiclass",
        "promote": "tmdscope promote 3",
    }
    assert "finetune-multiclass" in yaml("params.yaml")["experiments"]


def test_make_help_lists_every_target(pytester: pytest.Pytester) -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"(?m)^\.PHONY: (.*)$", makefile)
    assert phony
    listed = pytester.run("make", "-f", str(ROOT / "Makefile"), "help").stdout.str()
    assert set(re.findall(r"make ([\w-]+)", listed)) >= set(phony.group(1).split())


def test_the_examples_are_of_their_form_and_name_our_mlflow() -> None:
    for script in (ROOT / "examples" / "slurm").iterdir():
        subprocess.run(["bash", "-n", str(script)], check=True)
    services = yaml("examples/compose.yaml")["services"]
    assert set(services) == {"postgres", "runs-database", "objects", "mlflow"}
    pinned = re.search(r'"(mlflow==[^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned
    name, version = pinned[1].split("==")
    assert f"{name}[auth]=={version}" in services["mlflow"]["build"]["dockerfile_inline"]
    assert "--app-name=basic-auth" in services["mlflow"]["command"]
    assert "default_permission = READ" in yaml("examples/compose.yaml")["configs"]["login"]["content"]
    opened = [port for service in services.values() for port in service.get("ports", [])]
    assert opened
    assert all(port.startswith("${BIND:-127.0.0.1}:") for port in opened)
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "examples" / "compose.yaml").read_text()))
    given = (ROOT / "examples" / "compose.env.example").read_text()
    assert asked == set(re.findall(r"(?m)^(\w+)=", given))


SRUN = """#!/bin/bash
for process in 0 1 2 3; do
  SLURM_PROCID=$process SLURM_LOCALID=$((process % 2)) "${@:3}"
done
"""


def test_a_search_on_whole_nodes_has_a_process_for_each_gpu(tmp_path: Path) -> None:
    """Stand-ins for two nodes of two GPUs and for the command."""
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    said = '#!/bin/bash\necho "$CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS $*"\n'
    for name, text in (("srun", SRUN), ("tmdscope", said)):
        (bin_ / name).write_text(text)
        (bin_ / name).chmod(0o755)
    needs = {
        "EXPERIMENT": "one",
        "TMDSCOPE_SEARCH_STORAGE": "s",
        "MLFLOW_TRACKING_URI": "m",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_CPUS_ON_NODE": "16",
    }
    script = ["bash", str(ROOT / "examples" / "slurm" / "search-gpus.sbatch")]
    ran = subprocess.run(script, env={**os.environ, **needs}, check=True, capture_output=True, text=True)
    join = "8 search-worker one --wait 3600"
    assert ran.stdout.splitlines() == ["0 8 search one", f"1 {join}", f"0 {join}", f"1 {join}"]


NEEDY = """
import pytest

@pytest.mark.browser
def test_page():
    pytest.skip("no Chromium")

@pytest.mark.browser
@pytest.mark.xfail(reason="known")
def test_known():
    assert False

def test_other():
    pytest.skip("by choice")
"""


@pytest.mark.parametrize(
    ("must_run", "outcomes"),
    [
        ("", {"skipped": 2, "xfailed": 1}),
        ("postgres", {"skipped": 2, "xfailed": 1}),
        ("browser postgres", {"failed": 1, "skipped": 1, "xfailed": 1}),
    ],
)
def test_a_required_test_may_not_skip(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, must_run: str, outcomes: dict[str, int]
) -> None:
    monkeypatch.setenv("TMDSCOPE_MUST_RUN", must_run)
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers = browser")
    pytester.makepyfile(NEEDY)
    pytester.runpytest_inprocess().assert_outcomes(**outcomes)
