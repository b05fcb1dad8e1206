"""A small model of formulae, its facts and predictions, logged and registered."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from tmdscope.composition import MedianTrees, SpreadConformalRegressor, reduced
from tmdscope.composition.cheap import CheapProperty
from tmdscope.dataset.audit import SplitAudit
from tmdscope.scores.facts import FormulaFacts
from tmdscope.scores.intervals import estimate
from tmdscope.scores.scored import FACTS, PREDICTIONS
from tmdscope.scores.task import quantity
from tmdscope.tracking.estimators import log_estimator
from tmdscope.tracking.registration import register_estimator
from tmdscope.tracking.registry import Version
from tmdscope.tracking.runs import TrackedRun, start_run
from tmdscope.tracking.store import Store

TASK = quantity("eV", form=".3f")
COMPOUNDS = [
    reduced(f"{one}{count}{other}")
    for one in ("Na", "Ga", "Zn", "Al")
    for count in (1, 2, 3)
    for other in ("O", "S", "F", "As")
]
NAME = "small-band-gap"


def make_pipeline(seed: int = 0) -> Pipeline:
    """Fit a pipeline on `COMPOUNDS`; of every other one the cheap property is known."""
    dear = gaps()
    cheap = np.repeat(dear[::2, None] / 2, 4, axis=1)
    first = CheapProperty(Ridge()).fit(COMPOUNDS[::2], cheap)
    trees = SpreadConformalRegressor(MedianTrees(20, random_state=seed)).fit(first.transform(COMPOUNDS), dear)
    return Pipeline([("inputs", first), ("model", trees)])


def gaps() -> np.ndarray:
    """Gaps in eV that grow with the number of anions."""
    return np.linspace(0.5, 4.0, len(COMPOUNDS))


def make_facts(error: float = 0.5) -> FormulaFacts:
    """Make facts of predictions that are off by so much."""
    dear = gaps()
    found = estimate(TASK, dear, dear + error, COMPOUNDS, 100, 1).record()
    covered = {"0.9": {"share": 0.91, "ci95": [0.8, 0.95], "width": 1.5}}
    return FormulaFacts(
        *(TASK, "band gap", "composition alone", "simulated", "a" * 64),
        *(len(COMPOUNDS), 10, [error, error], found, found, covered, {"trees": 20}, SplitAudit([], [])),
    )


def log_model(store: Store, folder: Path, error: float = 0.5) -> tuple[TrackedRun, str]:
    """Log a model with its facts and predictions."""
    folder.mkdir(exist_ok=True)
    facts = make_facts(error)
    tags = {"data.sha256": "a" * 64, "split.sha256": "b" * 64, "study": "tests", "git.commit": "c" * 40}
    tags |= {"git.dirty": "false", "params.sha256": "d" * 64}
    with start_run(store, "benchmark", tags) as run:
        (folder / FACTS).write_text(json.dumps(facts.to_dict()))
        columns = {"compound": COMPOUNDS, "group": COMPOUNDS, "dear": gaps(), "predicted": gaps() + error}
        pd.DataFrame(columns).to_parquet(folder / PREDICTIONS)
        for name in (FACTS, PREDICTIONS):
            run.artifact(folder / name)
        about = {"prop": "band gap", "unit": "eV", "lowest": 0.0, "source": "simulated"}
        elements = ["Al", "As", "F", "Ga", "Na", "O", "S", "Zn"]
        uri = log_estimator(run, make_pipeline(), COMPOUNDS, **about, elements=elements)
    return run, uri


def register_one(store: Store, folder: Path, error: float = 0.5) -> Version:
    """Log and register a model."""
    run, uri = log_model(store, folder, error)
    tags = {"experiment": "dft_known"}
    return register_estimator(store.client, NAME, uri, run.run_id, make_facts(error), tags)
