"""`dvc repro` with nothing to do, against `dvc status`: the least that DVC can do to know it."""

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

NAME = "noop-repro"
UNIT = "s"
ITEMS = 1

ROOT = Path(__file__).parents[1]
PIPELINE = "dvc.yaml"
DVC = Path(sys.executable).with_name("dvc")


def ours() -> None:
    """Ask DVC to bring everything up to date."""
    _dvc("repro", "--quiet", PIPELINE)


def baseline() -> None:
    """Ask DVC what has changed."""
    _dvc("status", "--quiet", PIPELINE)


@cache
def reproduced() -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """Copy the project and give it a main study that is up to date, without running it.

    A small file stands in for every output: DVC compares hashes, whatever a file holds.

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
    for made in outputs(path):
        target = made if made.suffix else made / "file"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(target.name)
    _run(path, "commit", "--quiet", "--force", PIPELINE)
    return path, keep


def outputs(project: Path) -> list[Path]:
    """List what the stages of the main study write, and what they read of it.

    Parameters
    ----------
    project : Path
        Folder of the root dvc.yaml.

    Returns
    -------
    list of Path
        Files (with a suffix) and folders (without).
    """
    from dvc.repo import Repo

    with Repo(str(project)) as repo:
        stages = [stage for stage in repo.index.stages if Path(stage.path) == project / PIPELINE]
        made = [Path(out.fs_path) for stage in stages for out in (*stage.outs, *stage.deps)]
        return [path for path in made if not path.exists()]


def _dvc(*arguments: str) -> None:
    _run(reproduced()[0], *arguments)


def _run(path: Path, *arguments: str) -> None:
    subprocess.run([DVC, *arguments], cwd=path, check=True)
