"""Load a model in this process as any client would and repeat its reference predictions.

Run as ``python -m tmdscope.tracking.check_model URI``: prints one JSON object and exits with 0 or 1.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"

import mlflow.pyfunc
import numpy as np
from mlflow.exceptions import MlflowException

from tmdscope.stage import UserError
from tmdscope.tracking.models import fetch_files, read_reference
from tmdscope.tracking.store import connect

TOLERANCE = 1e-5
"""How far a repeated class probability may be from the stored one: rounding differs between machines."""

_PICKLES = (".pkl", ".pickle", ".pth", ".pt", ".joblib", ".cloudpickle", ".skops")


@dataclass(frozen=True)
class ModelCheck:
    """What was found.

    Attributes
    ----------
    files : str or None
        What is wrong with the files: changed, or holding a pickle.
    reference : str or None
        Why the reference predictions are not repeated.
    max_difference : float or None
        Largest difference of a class probability from the stored one.
    """

    files: str | None
    reference: str | None = None
    max_difference: float | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.files is None and self.reference is None


def check_model(uri: str) -> ModelCheck:
    """Check a model's files and repeat its reference predictions with MLflow's own loader.

    Parameters
    ----------
    uri : str
        ``models:/NAME/VERSION`` or ``models:/m-...``; the store must be connected.

    Returns
    -------
    ModelCheck
        What was found.
    """
    try:
        folder = fetch_files(uri)
    except UserError as error:
        return ModelCheck(str(error), "not tried: the files are not what was logged")
    pickles = [path.name for path in sorted(folder.rglob("*")) if path.suffix in _PICKLES]
    if pickles:
        return ModelCheck(f"{uri} holds {pickles[0]}, which may be a pickle: log it again", "not tried")
    return _repeat(uri, folder)


def _repeat(uri: str, folder: Path) -> ModelCheck:
    try:
        model = mlflow.pyfunc.load_model(str(folder))
    except MlflowException as error:
        return ModelCheck(f"{uri} does not load without pickles: {error}", "not tried")
    stored = read_reference(folder)
    if stored is None:
        return ModelCheck(None, f"{uri} holds no reference predictions: run its experiment again")
    images, expected = stored
    difference = float(np.abs(model.predict(images) - expected).max())
    if not difference <= TOLERANCE:
        return ModelCheck(None, f"probabilities differ by {difference:.2g} from those stored", difference)
    return ModelCheck(None, None, difference)


def main() -> None:
    """Check the model that the command line names."""
    connect()
    found = check_model(sys.argv[1])
    sys.stdout.write(json.dumps({"ok": found.ok, **asdict(found)}) + "\n")
    raise SystemExit(0 if found.ok else 1)


if __name__ == "__main__":
    main()
