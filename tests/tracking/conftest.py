"""One MLflow store for all tracking tests: making it takes seconds."""

from collections.abc import Iterator

import mlflow
import pytest
import torch

from tests.tracking.programs import IMAGES, Logged, make_program
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store, open_study


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    root = tmp_path_factory.mktemp("store") / "a project's folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield open_study("tests")


def point_at(study: Store) -> None:
    """MLflow's address is one for the process, and other tests open stores of their own."""
    mlflow.set_tracking_uri(study.uri)
    mlflow.set_registry_uri(study.uri)


@pytest.fixture(autouse=True)
def point_at_store(request: pytest.FixtureRequest) -> None:
    """Tests that use the store find it, whatever was opened since."""
    if "store" in request.fixturenames:
        point_at(request.getfixturevalue("store"))


@pytest.fixture(scope="session")
def logged(store: Store) -> Logged:
    """An ensemble of two, logged once: an export takes seconds."""
    program = make_program(members=2)
    with torch.inference_mode():
        expected = program.ensemble(torch.from_numpy(IMAGES)).numpy()
    point_at(store)
    with start_run(store, "model", {}) as run:
        uri = run.program(program)
    return Logged(run.run_id, uri, expected)
