"""Files of runs, read without what trains or loads a model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tmdscope.errors import UserError
from tmdscope.tracking.store import shown_uri


@contextmanager
def fetch_artifact(client: MlflowClient, run_id: str, name: str) -> Iterator[Path]:
    """Bring a file of a run here for as long as the block lasts; `UserError` where there is none."""
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        try:
            path = Path(client.download_artifacts(run_id, name, folder))
        except (MlflowException, OSError) as error:
            raise UserError(
                f"run {run_id} in {shown_uri()} has no {name}: an earlier version made it; run "
                "its experiment again with `dvc repro --force` (registering it again writes no such file)"
            ) from error
        yield path
