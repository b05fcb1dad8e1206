"""`make setup` takes the newest Python that is there, says which, and installs what hashes vouch for."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/study-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("study-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: study\\nVersion: 1\\n")
        wheel.writestr("study-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("study-1.dist-info/RECORD", "")
    return "study-1-py3-none-any.whl"
"""


def add_wheel(index: Path, name: str, version: str) -> str:
    """Put an empty distribution on an index of files; gives its line of a lock."""
    folder = index / name
    folder.mkdir(parents=True)
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "index.html").write_text(f'<a href="{path.name}#sha256={digest}">{path.name}</a>')
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via study\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder, index = tmp_path / "project", tmp_path / "index"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "study"\nversion = "1"\n'
    )
    pins = [("nvidia-cublas", "13.1"), ("scipy", "1.17.1"), ("torch", "2.14.1"), ("triton", "3.8.0")]
    lock = [add_wheel(index, name, version) for name, version in pins]
    (folder / "requirements.lock").write_text("".join(lock))
    add_wheel(tmp_path / "cpu", "torch", "2.14.1+cpu")
    return folder


def make(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make with an index of files in place of the network's."""
    ours = ("PIP_", "MAKE", "MFLAGS", "PYTHON", "CPU")
    known = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    known |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": (project.parent / "index").as_uri()}
    command = ["make", "UV=", *arguments]
    return subprocess.run(command, cwd=project, env=known | variables, capture_output=True, text=True)


LIST = (
    "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


def installed(project: Path) -> dict[str, str]:
    command = [project / ".venv/bin/python", "-c", LIST]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {name: version for name, version in found.items() if name not in ("pip", "setuptools")}


def only(folder: Path, *named: str) -> str:
    """A search path with a shell, make's own needs, and what is named."""
    folder.mkdir()
    for name in ("make", "sh", "rm", "awk", "touch"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name in named:
        (folder / name).symlink_to(sys.executable)
    return str(folder)


@pytest.mark.slow
def test_everything_locked_is_installed_and_the_python_named(project: Path) -> None:
    done = make(project, "setup", f"PYTHON={sys.executable}")
    version = ".".join(map(str, sys.version_info[:3]))
    assert (done.returncode, done.stderr) == (0, "")
    assert f".venv: Python {version} ({sys.executable})" in done.stdout
    assert installed(project) == {
        "nvidia-cublas": "13.1",
        "scipy": "1.17.1",
        "study": "1",
        "torch": "2.14.1",
        "triton": "3.8.0",
    }


@pytest.mark.slow
def test_without_cuda_torch_comes_from_the_named_address_and_stays_what_it_was(project: Path) -> None:
    asked = ["setup", "CPU=1", f"PYTHON={sys.executable}"]
    untold = make(project, *asked)
    assert untold.returncode != 0
    assert "TORCH_INDEX=ADDRESS" in untold.stderr
    cpu = project.parent / "cpu"
    done = make(project, *asked, f"TORCH_INDEX={cpu.as_uri()}")
    assert (done.returncode, done.stderr) == (0, "")
    assert installed(project) == {"scipy": "1.17.1", "study": "1", "torch": "2.14.1+cpu"}
    shutil.rmtree(project / ".venv")
    shutil.rmtree(cpu)
    add_wheel(cpu, "torch", "2.14.1+cpu")
    wheel = next(cpu.rglob("*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    again = make(project, "setup", f"PYTHON={sys.executable}")
    assert again.returncode != 0
    assert "hash" in again.stderr.lower()


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["python3.11", "python3.12", "python3.13"], "python3.13"),
        (["python3.11", "python3"], "python3.11"),
        (["python3"], "python3"),
    ],
)
def test_the_newest_python_that_starts_is_taken(project: Path, there: list[str], taken: str) -> None:
    path = only(project.parent / "bin", *there)
    assert f"PYTHON={taken} " in make(project, "help", PATH=path).stdout
    (project.parent / "bin" / taken).unlink()
    (project.parent / "bin" / taken).write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    (project.parent / "bin" / taken).chmod(0o755)
    assert f"PYTHON={taken} " not in make(project, "help", PATH=path).stdout


def test_no_python_and_a_wrong_one_are_told(project: Path) -> None:
    path = only(project.parent / "bin")
    done = make(project, "setup", PATH=path)
    assert done.returncode != 0
    assert "no Python from 3.11 on was found" in done.stderr
    old = project / "old"
    old.write_text('#!/bin/sh\ntest "$1" = --version && echo Python 3.10.13 || exit 1\n')
    old.chmod(0o755)
    done = make(project, "setup", f"PYTHON={old}", PATH=path)
    assert done.returncode != 0
    assert f"PYTHON={old} is no Python from 3.11 on (Python 3.10.13)" in done.stderr
