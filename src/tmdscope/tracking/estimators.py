"""Models of formulae: estimators of scikit-learn in MLflow, without pickles; a column of text is their input.

They are stored by skops, whose reader makes only types that it is told to trust. MLflow's own loader takes
that list from the model's files; here it is `TRUSTED`, whatever they say.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import skops.io
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from numpy.typing import NDArray

from tmdscope.files import read_bytes
from tmdscope.tracking.model_files import (
    COMPOUNDS,
    ESTIMATOR,
    TRUSTED,
    check_estimator_list,
    read_description,
)
from tmdscope.tracking.models import active_run, expect_ours, fetch_files, find_program, hash_files
from tmdscope.tracking.registry import FILES_SHA256
from tmdscope.tracking.runs import TrackedRun
from tmdscope.tracking.trees import check_trees

FORMULA = "formula"
"""The input's column."""

_REFERENCES = 5
_ABOUT = "about"


@dataclass(frozen=True)
class About:
    """What a model of formulae predicts and knows: unit of the property, its least value, elements, source.

    `reference` has some formulae and what the model said of them when it was logged.
    """

    prop: str
    unit: str
    lowest: float
    source: str
    elements: list[str]
    reference: dict[str, float]

    @classmethod
    def read(cls, described: dict[str, Any]) -> Self:
        """Read it from what ``MLmodel`` says; `ValueError` for what is none."""
        found = json.loads(described["metadata"][_ABOUT])
        return cls(**{name: found[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class FormulaModel:
    """A loaded model; `learnt` are the compounds that it was trained on, reduced."""

    estimator: Any
    about: About
    learnt: frozenset[str]

    def predict(self, formulae: Sequence[str], level: float) -> NDArray[np.float64]:
        """Predict formulae: value, and the bounds between which it lies with probability `level`: (N, 3)."""
        asked = pd.DataFrame({FORMULA: list(formulae)})
        inputs, last = self.estimator[:-1].transform(asked), self.estimator[-1]
        bounds = last.predict_interval(inputs, level)
        found = np.column_stack([last.predict(inputs), bounds])
        return np.asarray(found.clip(min=self.about.lowest))

    def cheap(self, formulae: Sequence[str]) -> NDArray[np.float64]:
        """Give the cheap property where the model has it in its table, NaN elsewhere, shape (N,)."""
        first = self.estimator[0]
        if not getattr(first, "known", False):
            return np.full(len(formulae), np.nan)
        return np.asarray(first.look_up(list(formulae))[1][:, 1])


def log_estimator(run: TrackedRun, estimator: Any, compounds: Sequence[str], **about: Any) -> str:
    """Log a fitted pipeline of formulae to a run and give MLflow's URI of it, ``models:/m-...``.

    `compounds`, reduced, are those that it was trained on; `about` is of `About` but for references. Its tag
    `FILES_SHA256` is the hash of its files.
    """
    if run.reopened and (logged := find_program(run.study, run.run_id, "model")):
        return logged
    asked = list(compounds[:_REFERENCES])
    example = pd.DataFrame({FORMULA: asked})
    said = dict(zip(asked, map(float, estimator.predict(example)), strict=True))
    own = About(**about, reference=said)
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder, active_run(run.run_id):
        beside = Path(folder) / Path(COMPOUNDS).name
        beside.write_text("\n".join(compounds), encoding="utf-8")
        info = mlflow.sklearn.log_model(
            estimator,
            name="model",
            signature=ModelSignature(
                Schema([ColSpec("string", FORMULA)]), Schema([ColSpec("double", f"{own.prop} ({own.unit})")])
            ),
            pip_requirements=[
                f"{package}=={version(package)}" for package in ("scikit-learn", "skops", "tmdscope")
            ],
            serialization_format="skops",
            skops_trusted_types=TRUSTED,
            metadata={_ABOUT: json.dumps(asdict(own))},
            extra_files=[str(beside)],
        )
    sha256 = hash_files(Path(mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri)))
    MlflowClient().set_logged_model_tags(info.model_id, {FILES_SHA256: sha256})
    return str(info.model_uri)


def load_estimator(uri: str, sha256: str | None = None) -> FormulaModel:
    """Load what `log_estimator` logged: nothing is made but types of `TRUSTED`, and their trees are checked.

    Arguments and errors are as for `tmdscope.tracking.models.fetch_files`.
    """
    folder = fetch_files(uri, sha256, check_estimator_list)
    with expect_ours(uri):
        about = About.read(read_description(folder / "MLmodel"))
        path = folder / ESTIMATOR
        if unknown := sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)):
            raise ValueError(f"it holds a {unknown[0][:80]}, which no model of ours does")
        estimator = skops.io.load(path, trusted=TRUSTED)
        check_trees(estimator)
        learnt = read_bytes(folder / COMPOUNDS).decode().split("\n")
    return FormulaModel(estimator, about, frozenset(learnt))
