"""`dvc repro` with nothing to do, against `dvc status`: the least that DVC can do to know it."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

NAME = "noop-repro"
UNIT = "s"
ITEMS = 1

ROOT = Path(__file__).parents[1]
DVC = Path(sys.executable).with_name("dvc")


def ours() -> None:
    """Ask DVC to bring everything up to date."""
    _dvc("repro", "--quiet")


def baseline() -> None:
    """Ask DVC what has changed."""
    _dvc("status", "--quiet")


@cache
def reproduced() -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """Copy the project, make its study tiny and run it once.

    Returns
    -------
    path : Path
        The copy.
    keep : tempfile.TemporaryDirectory
        It is removed with this object.
    """
    keep = tempfile.TemporaryDirectory(prefix="tmdscope-")
    path = Path(keep.name)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=path, check=True)
    yaml = YAML()
    params = yaml.load(path / "params.yaml")
    shrink(params)
    yaml.dump(params, path / "params.yaml")
    _run(path, "repro", "--quiet")
    return path, keep


def shrink(params: dict[str, Any]) -> None:
    """Make a study so small that it runs in about a minute; the stages stay as many.

    Parameters
    ----------
    params : dict
        Content of params.yaml, changed in place.
    """
    params["data"]["simulated"].update(images=120, samples=100, size_px=32)
    params["prepare"]["size_px"] = 32
    params["pretrain"].update(images=64, epochs=1, size_px=32)
    params["scoring"]["bootstrap"] = 100
    params["split"]["folds"] = 2
    for experiment in params["experiments"].values():
        experiment["epochs"] = 1


def _dvc(*arguments: str) -> None:
    _run(reproduced()[0], *arguments)


def _run(path: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PATH"] = os.pathsep.join([str(DVC.parent), environment["PATH"]])
    environment["PYTHONPATH"] = str(path / "src")
    subprocess.run([DVC, *arguments], cwd=path, env=environment, check=True)
