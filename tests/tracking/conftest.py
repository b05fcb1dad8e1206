"""One MLflow store for all tracking tests: making it takes seconds."""

from collections.abc import Iterator

import pytest

from tmdscope.tracking.store import Study, open_study


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield open_study("tests")
