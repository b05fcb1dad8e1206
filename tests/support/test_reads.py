"""The watch sees what a made-up pipeline reads, and tells what its dvc.yaml keeps silent."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.reads import Gap, read_stages, undeclared, watching

COUNT = """
import os, sys
from pathlib import Path
import package.used

values = Path("data/in.txt").read_text()
descriptor = os.open("data/low.txt", os.O_RDONLY)
Path("data/out").mkdir(exist_ok=True)
Path("data/out/values.txt").write_text(values)
Path("data/out/values.txt").read_text()
Path("data/only_written.txt").write_text("x")
Path("data/gone.txt").write_text("x")
Path("data/gone.txt").read_text()
Path("data/gone.txt").unlink()
Path("params.yaml").read_text()
"""

HONEST = """
stages:
  count:
    cmd: python count.py
    params: [count]
    deps: [count.py, src/package, data/in.txt, data/low.txt]
    outs: [data/out]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "count.py": COUNT,
        "params.yaml": "count: {}\n",
        "data/in.txt": "1",
        "data/low.txt": "2",
        "src/package/__init__.py": "",
        "src/package/used.py": "",
        "src/package/idle.py": "",
        "dvc.yaml": HONEST,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(project: Path, script: str, *arguments: str, folder: str = ".") -> Path:
    log = project / "log"
    log.mkdir(exist_ok=True)
    command = [sys.executable, script, *arguments]
    subprocess.run(command, cwd=project / folder, env=watching(project, log), check=True)
    return log


def gaps(project: Path, dvc_yaml: str) -> dict[str, Gap]:
    (project / "dvc.yaml").write_text(dvc_yaml)
    return undeclared(project / "dvc.yaml", run(project, "count.py"), project)


def test_an_honest_pipeline_has_no_gap(project: Path) -> None:
    assert gaps(project, HONEST) == {}


@pytest.mark.parametrize(
    ("declared", "instead", "missing"),
    [
        ("data/in.txt, ", "", {"data/in.txt"}),
        (", data/low.txt", "", {"data/low.txt"}),
        ("    params: [count]\n", "", {"params.yaml"}),
        ("[count.py, ", "[", {"count.py"}),
        ("src/package, ", "", {"src/package/__init__.py", "src/package/used.py"}),
        ("src/package, ", "src/package/used.py, ", {"src/package/__init__.py"}),
        ("    outs: [data/out]\n", "", {"data/out/values.txt"}),
    ],
)
def test_what_is_not_declared_is_told(project: Path, declared: str, instead: str, missing: set[str]) -> None:
    assert declared in HONEST
    found = gaps(project, HONEST.replace(declared, instead))
    assert found == {"count": Gap(undeclared=frozenset(missing))}


@pytest.mark.parametrize("dep", ["data/never.txt", "src/package/idle.py", "src/other"])
def test_what_is_declared_for_nothing_is_told(project: Path, dep: str) -> None:
    found = gaps(project, HONEST.replace("data/in.txt", f"data/in.txt, {dep}"))
    assert found == {"count": Gap(unused=frozenset({dep}))}


def test_compiled_readers_are_not_judged(project: Path) -> None:
    assert gaps(project, HONEST.replace("data/in.txt", "data/in.txt, data/w.safetensors")) == {}


def test_a_stage_that_did_not_run_is_not_judged(project: Path) -> None:
    assert gaps(project, HONEST + "  other:\n    cmd: python other.py\n    deps: [nothing]\n") == {}


def test_templates_and_working_folders(project: Path) -> None:
    (project / "study").mkdir()
    (project / "study" / "fold.py").write_text(
        "import sys\nfrom pathlib import Path\nPath(f'../data/{sys.argv[1]}.txt').read_text()\n"
    )
    text = """
    stages:
      fold:
        foreach: ${folds}
        do:
          cmd: python fold.py ${key}
          params: [{../params.yaml: ["folds.${key}"]}]
          deps: [fold.py, "../data/${key}.txt"]
          outs: [{"out/${key}": {cache: false}}]
    """
    dvc_yaml = project / "study" / "dvc.yaml"
    dvc_yaml.write_text(dedent(text))
    (stage,) = read_stages(dvc_yaml, project)
    assert (stage.script, stage.deps, stage.outs) == (
        "study/fold.py",
        ("study/fold.py", "data/*.txt"),
        ("study/out/*",),
    )
    assert stage.params == {"params.yaml": ("folds.*",)}
    run(project, "fold.py", "in", folder="study")
    assert undeclared(dvc_yaml, run(project, "fold.py", "low", folder="study"), project) == {}
