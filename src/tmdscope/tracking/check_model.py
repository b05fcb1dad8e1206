"""Load a model in this process as any client would and repeat its reference predictions.

Run as ``python -m tmdscope.tracking.check_model URI``: prints one JSON object and exits with 0 or 1.
"""

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"

import mlflow.pyfunc
import numpy as np

from tmdscope.errors import UserError
from tmdscope.limits import LOADING_MEMORY_BYTES, LOADING_S, MAX_MODEL_BYTES
from tmdscope.tracking.contract import reads_formulae
from tmdscope.tracking.estimators import FormulaModel, load_estimator
from tmdscope.tracking.models import ModelFiles, open_model
from tmdscope.tracking.store import connect

TOLERANCE = 1e-5
"""How far a repeated class probability may be from the stored one: rounding differs between machines."""

_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True)
class ModelCheck:
    """What was found.

    `files` is what is wrong with the files (changed, or holding a pickle), `reference` why the reference
    predictions are not repeated, and `max_difference` the largest difference of a class probability from the
    stored one. The process writes it as JSON, with ``ok`` beside.
    """

    files: str | None
    reference: str | None = None
    max_difference: float | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.files is None and self.reference is None


def check_model(uri: str) -> ModelCheck:
    """Check a model's files and repeat its reference predictions with MLflow's loader; connect first."""
    try:
        if reads_formulae(uri):
            return _repeat_formulae(load_estimator(uri))
        with open_model(uri) as model:
            return _repeat(uri, model)
    except UserError as error:
        return ModelCheck(str(error), "not tried: the files are not what was logged")


def _repeat(uri: str, files: ModelFiles) -> ModelCheck:
    try:
        with tempfile.TemporaryDirectory(prefix="tmdscope-") as place:
            files.write(Path(place))
            model = mlflow.pyfunc.load_model(place)
        stored = files.reference()
    except UserError as error:
        return ModelCheck(str(error), "not tried")
    except Exception as error:  # a graph of known operators may still be none that torch can load
        told = f"{uri} does not load without pickles: {str(error)[:_MESSAGE_CHARACTERS]}"
        return ModelCheck(told, "not tried")
    if stored is None:
        return ModelCheck(None, f"{uri} holds no reference predictions: run its experiment again")
    try:
        images, probabilities = stored
        difference = float(np.abs(np.asarray(model.predict(images)) - probabilities).max())
    except Exception as error:
        return ModelCheck(None, f"{uri} does not predict its own images: {str(error)[:_MESSAGE_CHARACTERS]}")
    if not difference <= TOLERANCE:
        return ModelCheck(None, f"probabilities differ by {difference:.2g} from those stored", difference)
    return ModelCheck(None, None, difference)


def _repeat_formulae(model: FormulaModel) -> ModelCheck:
    reference = model.about.reference
    if not reference:
        return ModelCheck(None, "it holds no reference predictions: run its stage again")
    said = model.predict([*reference], 0.9)[:, 0]
    difference = float(np.abs(said - np.array([*reference.values()])).max())
    if not difference <= TOLERANCE:
        return ModelCheck(None, f"values differ by {difference:.2g} from those stored", difference)
    return ModelCheck(None, None, difference)


def _limit_process() -> None:
    """Have this process ended when it takes more than any model of ours needs, where there is POSIX."""
    try:
        import resource
    except ImportError:
        return
    for which, most in (
        (resource.RLIMIT_DATA, LOADING_MEMORY_BYTES),
        (resource.RLIMIT_CPU, LOADING_S),
        (resource.RLIMIT_FSIZE, 2 * MAX_MODEL_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        highest = resource.getrlimit(which)[1]
        most = most if highest == resource.RLIM_INFINITY else min(most, highest)
        resource.setrlimit(which, (most, most))


def main() -> None:
    """Check the model that the command line names."""
    _limit_process()
    connect()
    found = check_model(sys.argv[1])
    sys.stdout.write(json.dumps({"ok": found.ok, **asdict(found)}) + "\n")
    raise SystemExit(0 if found.ok else 1)


if __name__ == "__main__":
    main()
