"""A password planted in every variable is found nowhere afterwards."""

import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.support.mlflow_server import serve
from tests.support.secrets import MARKER, planted, run_watched, traces, traces_in
from tests.support.silence import closed, refusing

TRACK = """
import logging, os
from pathlib import Path
from tmdscope.files import write_json
from tmdscope.stage import run_stage, say
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import open_study

def main():
    address = os.environ["MLFLOW_TRACKING_URI"]
    study = open_study("marked")
    tags = provenance("marked", "ab" * 32, {})
    with start_run(study, "run", {**tags, "from": address}) as run:
        run.tags({"problem": f"refused {address}"})
        run.params({"mirror": address})
    write_json(Path("run.json"), whereabouts(study, tags))
    logging.getLogger("alembic").warning("asked %s", address)
    say(f"tracked at {address}")
    raise ValueError(f"no such page: {address}") if os.environ.get("FAIL") else SystemExit(0)

run_stage(main)
"""

DOWNLOAD = """
import os
from pathlib import Path
from tmdscope.dataset.zenodo import fetch_files
from tmdscope.stage import run_stage

run_stage(lambda: fetch_files("10.5281/zenodo.7", Path("record"), ("",), "*"))
"""


def assert_clean(folder: Path, code: str | list[str], variables: dict[str, str], status: int) -> str:
    command = [sys.executable, *(["-c", code] if isinstance(code, str) else code)]
    ended, output, lines = run_watched(command, folder, variables)
    assert ended == status, output
    assert traces(output) == []
    assert traces(lines) == []
    assert traces_in(folder) == []
    return output


@pytest.mark.parametrize("server", [closed, refusing])
def test_a_store_that_fails_tells_no_password(
    server: Callable[[], AbstractContextManager[int]], tmp_path: Path
) -> None:
    with server() as port:
        variables = planted(f"127.0.0.1:{port}")
        assert f"127.0.0.1:{port}" in assert_clean(tmp_path, TRACK, variables, 1)
        variables["MLFLOW_TRACKING_URI"] = f"http://me:{MARKER}@127.0.0.1:{port}"
        assert "%2F" in assert_clean(tmp_path, TRACK, variables, 1)
        variables["MLFLOW_TRACKING_URI"] = f"postgresql+psycopg://me@127.0.0.1:{port}/d?password={MARKER}"
        assert_clean(tmp_path, TRACK, variables, 1)


def test_a_server_that_fails_tells_no_password(tmp_path: Path) -> None:
    with refusing() as port:
        assert "cannot list the files" in assert_clean(tmp_path, DOWNLOAD, planted(f"127.0.0.1:{port}"), 1)


@pytest.mark.parametrize(
    ("command", "asks"),
    [
        ("models", True),
        ("promote 1", True),
        ("predict scan.png", True),
        ("serve", True),
        ("card 1", True),
        ("search-worker features-multiclass", False),  # which the data that lack here end before
    ],
)
def test_commands_tell_no_password(command: str, asks: bool, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes((Path(__file__).parents[2] / "params.yaml").read_bytes())
    Image.new("L", (16, 16)).save(tmp_path / "scan.png")
    with closed() as port:
        variables = planted(f"127.0.0.1:{port}")
        said = assert_clean(tmp_path, ["-m", "tmdscope.cli", *command.split()], variables, 1)
        assert (f"127.0.0.1:{port}" in said) == asks, said


def test_a_proxy_that_fails_tells_no_password(tmp_path: Path) -> None:
    with closed() as port:
        variables = planted("archive.invalid") | {
            "http_proxy": f"http://me:{quote(MARKER, safe='')}@127.0.0.1:{port}"
        }
        assert_clean(tmp_path, DOWNLOAD, variables, 1)


def test_a_stage_that_tracks_nothing_keeps_no_password(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    shutil.copy(root / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    for stage, status in (("check", 0), ("split", 1)):
        command = ["-m", "tmdscope.studies", "tmd_materials", stage]
        assert_clean(tmp_path, command, planted("127.0.0.1:9"), status)


def test_a_store_that_answers_keeps_no_password(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    with serve(f"sqlite:///{store / 'mlflow.db'}", store / "artifacts") as address:
        said = assert_clean(tmp_path, TRACK, planted(address.removeprefix("http://")), 0)
        assert f"tracked at {address}" in said
    assert traces_in(store) == []
