"""One tiny run of the whole main study in a clone of the working tree; everything slow shares it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from playwright.sync_api import Browser, Page
from ruamel.yaml import YAML
from typer.testing import CliRunner

from tests.support.mlflow_server import serve
from tests.support.reads import Gap, watching
from tests.support.verbs import beyond_tracking
from tests.test_floors import GROUND
from tmdscope.cli import app

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
HANGS_S = 3000
"""A command that has not ended by then hangs: a slow machine, busy with other tests, takes a third of it."""

OTHER_PLACES = ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE", "MLFLOW_RUN_ID")
"""Variables that lead to another project or run than that of the folder."""

UNDECLARED = GROUND | {"tracking"}
"""What computes nothing: a word changed there trains nothing anew."""
UNDECLARED_MODULES = {"jobs.study", "studies.__main__"}
"""The same of modules: they find what a stage is."""

TINY_EXPERIMENTS = {
    "finetune-multilabel": {
        "strategy": "finetune",
        "target": "multilabel",
        "architecture": "resnet18",
        "weights": "simulated",
        "epochs": 1,
        "flips": True,
    },
    "features-multiclass": {
        "strategy": "features",
        "target": "multiclass",
        "architecture": "efficientnet-lite0",
        "weights": "imagenet",
        "epochs": 20,
        "flips": True,
    },
}

SEARCHED = "features-multiclass"
TUNED = f"{SEARCHED}-tuned"
CROSSVALIDATED = {**TINY_EXPERIMENTS, TUNED: TINY_EXPERIMENTS[SEARCHED]}
"""Every experiment with folds and a model, and its settings as far as a search leaves them alone."""
TINY_SEARCH = {
    "trials": 5,
    "sampler": "tpe",
    "startup": 2,
    "seed": 1,
    "together": 2,
    "prune_epochs": "none",
    "prune_folds": 0.2,
    "space": {
        "learning_rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2},
        "architecture": {"kind": "categorical", "choices": ["efficientnet-lite0", "resnet18"]},
        "weights": {
            "kind": "categorical",
            "choices": ["simulated", "none"],
            "when": {"architecture": ["resnet18"]},
        },
    },
}


@dataclass(frozen=True)
class Clone:
    """A project of its own, with its own MLflow store."""

    root: Path
    reads: Path

    @property
    def uri(self) -> str:
        """Its tracking store."""
        return f"sqlite:///{self.root / 'mlruns' / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        """Connected to its store."""
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return MlflowClient(self.uri, self.uri)

    def runs(self, experiment: str, query: str = "") -> list[Run]:
        """Runs of an MLflow experiment, and of those below it."""
        client = self.client
        found = [one for one in client.search_experiments() if f"{one.name}/".startswith(f"{experiment}/")]
        ids = [one.experiment_id for one in found]
        return list(client.search_runs(ids, query, max_results=10_000))

    def environment(self) -> dict[str, str]:
        """Variables of a user in the project, with its environment first on the path."""
        variables = watching(self.root, self.reads) | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "true",
        }
        for name in OTHER_PLACES:
            variables.pop(name, None)
        return variables

    def run(self, *command: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project as a user would."""
        finished = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment() | variables,
            capture_output=True,
            text=True,
            timeout=HANGS_S,
        )
        if check and finished.returncode != 0:
            pytest.fail(f"{' '.join(command)}\n{finished.stdout[-6000:]}\n{finished.stderr[-6000:]}")
        return finished

    def tmdscope(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Do what `tmdscope` does in the project, in this process: one of its own takes seconds to start."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            for name in OTHER_PLACES:
                patch.delenv(name, raising=False)
            done = CliRunner().invoke(app, arguments)
        if check and done.exit_code != 0:
            pytest.fail(f"{' '.join(arguments)}\n{done.output[-6000:]}")
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message)

    def edit(self, changes: dict[str, Any]) -> None:
        """Change keys of params.yaml, dotted names to values."""
        path = self.root / "params.yaml"
        yaml = YAML()
        content = yaml.load(path)
        for name, value in changes.items():
            *outer, last = name.split(".")
            place = content
            for key in outer:
                place = place[key]
            place[last] = value
        yaml.dump(content, path)


def make_clone(folder: Path) -> Clone:
    """Copy what git tracks or would track into a folder and commit it there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if name.endswith("dvc.lock") or not (ROOT / name).is_file():
            continue
        target = folder / "project" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    reads = folder / "reads"
    reads.mkdir()
    clone = Clone(folder / "project", reads)
    clone.run("git", "init", "-q", "-b", "main")
    clone.commit("Start")
    return clone


def undeclared_above_ground(gaps: Mapping[str, Gap]) -> dict[str, set[str]]:
    """For each stage with any: undeclared reads, beside `UNDECLARED` and what marks a folder.

    What `tracking` imports is read with it; what a verb itself leads to, `test_declarations.py` asks for.
    """
    modules = "|".join(UNDECLARED_MODULES).replace(".", "/")
    rooms = rf"({'|'.join(UNDECLARED)})(\.py|/.*)|({modules})\.py"
    ground = re.compile(rf"src/tmdscope/(.*/)?__init__\.py|src/tmdscope/({rooms})")
    beyond = {f"src/{name.replace('.', '/')}.py" for name in beyond_tracking()}
    found = {
        stage: {name for name in gap.undeclared - beyond if not ground.fullmatch(name)}
        for stage, gap in gaps.items()
    }
    return {stage: names for stage, names in found.items() if names}


def tiny(clone: Clone) -> None:
    """Make the study small enough for a test."""
    shared = {
        "batch_size": 8,
        "learning_rate": 1e-3,
        "dropout": 0.0,
        "checkpoint": "improves-both",
        "seed": 1,
    }
    clone.edit(
        {
            "data.simulated.images": 66,
            "data.simulated.samples": 48,
            "data.simulated.size_px": 32,
            "prepare.size_px": 32,
            "features.backbones": [
                {"architecture": "efficientnet-lite0", "weights": "imagenet"},
                {"architecture": "resnet18", "weights": "simulated"},
                {"architecture": "resnet18", "weights": "none"},
            ],
            "pretrain.images": 48,
            "pretrain.size_px": 32,
            "pretrain.epochs": 1,
            "split.test_folds": 4,
            "split.folds": 2,
            "scoring.bootstrap": 200,
            "describe.interval_scans": 40,
            "latent.components": 3,
            "attribution.patch_px": 12,
            "attribution.stride_px": 12,
            "audit.draws": 1,
            "audit.arrangements": 2,
            "audit.permutations": 19,
            "report.images_per_class": 2,
            "searches": {SEARCHED: TINY_SEARCH},
            "sequential.first": 4,
            "sequential.paper_fold": 1,
            "sequential.encodings": ["multilabel"],
            "sequential.volumes": ["full", 4],
            "sequential.training.epochs": 2,
            "experiments": {name: {**entry, **shared} for name, entry in TINY_EXPERIMENTS.items()},
        }
    )


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The main study, run once by `mlflow run`, its result committed."""
    clone = make_clone(tmp_path_factory.mktemp("study"))
    tiny(clone)
    clone.commit("Tiny settings")
    clone.run("mlflow", "run", ".", "--env-manager", "local", MLFLOW_TRACKING_URI=clone.uri)
    clone.commit("Run")
    yield clone
    shutil.rmtree(clone.root)


@pytest.fixture(scope="session")
def mlflow_ui(study: Clone) -> Iterator[str]:
    """The study's store, served as `make ui` does."""
    with serve(study.uri, study.root / "mlruns" / "artifacts") as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own; variable TMDSCOPE_SCREENSHOTS names a folder to picture it in at the end."""
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.set_default_timeout(60_000)
    yield opened
    folder = os.environ.get("TMDSCOPE_SCREENSHOTS")
    if folder:
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
        opened.screenshot(path=str(Path(folder) / f"{name}.png"))
    opened.close()
