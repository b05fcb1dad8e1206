"""A test whose needs must be present (TMDSCOPE_MUST_RUN names its marker) fails instead of skipping."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from tests.support import postgres as postgres_support

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
for _name in (  # a user's stores and settings are not those of the tests
    *("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI", "TMDSCOPE_CHECKPOINT_S", "TMDSCOPE_CUDA_GRAPHS"),
    *("TMDSCOPE_FOLDS_AT_ONCE", "TMDSCOPE_HEARTBEAT_S", "TMDSCOPE_QUIET", "TMDSCOPE_SEARCH_STORAGE"),
    *("TMDSCOPE_SERVE_TOKEN", "TMDSCOPE_TRACEBACK", "TMDSCOPE_WEIGHTS_URL", "TMDSCOPE_ZENODO_URL"),
):
    os.environ.pop(_name, None)
torch.set_num_threads(1)  # networks this small only wait for a second thread
if "PYTEST_XDIST_WORKER" in os.environ:  # nor do the stages' processes take the cores of other workers
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("tmdscope", deadline=None)  # a busy machine is no failure
# .ci/run tries the same examples each time
settings.register_profile("repeated", deadline=None, derandomize=True)
settings.load_profile("tmdscope")

PIPELINES = "tests/pipelines"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _ByFile(LoadScopeScheduling):
    """Keeps a file's tests on one worker, and the files of `PIPELINES`, which share one run of a study."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return PIPELINES if path.rpartition("/")[0] == PIPELINES else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs of whole studies, the longest of all, come first, then files with other slow tests."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.nodeid.startswith(PIPELINES), item.path not in slow))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test of marker `own_process` in one: threads that torch has started do not survive a fork."""
    if not pyfuncitem.get_closest_marker("own_process") or "TMDSCOPE_OWN_PROCESS" in os.environ:
        return None
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", pyfuncitem.nodeid]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=pyfuncitem.config.rootpath,
        env=variables | {"TMDSCOPE_OWN_PROCESS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    required = [
        name for name in os.environ.get("TMDSCOPE_MUST_RUN", "").split() if item.get_closest_marker(name)
    ]
    if report.skipped and required and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid}: {required[0]} tests must run here, yet it skipped: {report.longrepr}"
        )
    return report


@pytest.fixture(scope="session")
def published_dir() -> Path:
    """Folder of the published tables."""
    folder = os.environ.get("TMDSCOPE_PUBLISHED_DIR")
    if not folder:
        pytest.skip("TMDSCOPE_PUBLISHED_DIR names no folder with the published tables")
    return Path(folder)


@pytest.fixture(scope="session")
def scans_dir() -> Path:
    """Folder of instrument files that others have published."""
    folder = os.environ.get("TMDSCOPE_SCANS_DIR")
    if not folder:
        pytest.skip("TMDSCOPE_SCANS_DIR names no folder with published instrument files")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_support.Server]:
    """A PostgreSQL server; tests make databases of their own in it."""
    binaries = postgres_support.find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL on this machine: install Debian's package postgresql")
    with postgres_support.serve(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser of the machine's own; Playwright's is never downloaded."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()
