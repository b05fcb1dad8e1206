"""One MLflow store for all tracking tests: making it takes seconds."""

from collections.abc import Iterator

import mlflow
import pytest
import torch

from tests.tracking.programs import IMAGES, Logged, make_program
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store, open_study

_OPEN: list[Store] = []


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if _OPEN:  # opened under another folder of tests, which borrows this fixture
        yield _OPEN[0]
        return
    root = tmp_path_factory.mktemp("store") / "a project's folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        study = open_study("tests")
        _OPEN.append(study)
        yield study


def point_at(study: Store) -> None:
    """MLflow's address is one for the process, and other tests open stores of their own."""
    mlflow.set_tracking_uri(study.uri)
    mlflow.set_registry_uri(study.uri)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Function) -> None:
    """Tests that use the store, and fixtures of their module, find it, whatever was opened since."""
    if _OPEN and "store" in item.fixturenames:
        point_at(_OPEN[0])


@pytest.fixture(scope="session")
def logged(store: Store) -> Logged:
    """An ensemble of two, logged once: an export takes seconds."""
    program = make_program(members=2)
    with torch.inference_mode():
        expected = program.ensemble(torch.from_numpy(IMAGES)).numpy()
    with start_run(store, "model", {}) as run:
        uri = run.program(program)
    return Logged(run.run_id, uri, expected)
