"""Stage `reactions`: errors that cancel in a function of several properties; simulated, the truth is known.

Barriers of one reaction path share what makes them high. Models that are fitted to each barrier by itself
make errors that have little to do with one another; those of one model of all of them, or of a chain in which
each barrier is an input of the next, are alike, and leave a difference of barriers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.multioutput import RegressorChain

from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.params.common import ScoringParams
from tmdscope.record import JsonRecord
from tmdscope.run_record import StageRuns
from tmdscope.scores.intervals import difference, estimate
from tmdscope.scores.task import quantity
from tmdscope.studies.property_transfer.params import ReactionsParams, TablesParams
from tmdscope.studies.property_transfer.simulated import reaction_paths

NAME = "reactions"
INDEPENDENT = "independent"
WAYS = {
    INDEPENDENT: "a model for each barrier",
    "multitask": "one model of all barriers",
    "latent": "each barrier an input of the next",
}
COMPARED = (("multitask", INDEPENDENT), ("latent", INDEPENDENT), ("latent", "multitask"))

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Cancelling(JsonRecord):
    """``reactions.json``: by way, of single barriers, and of the last less the first, in eV, with intervals.

    `gains` are of the latter, ``FIRST less SECOND``; `alike` is the correlation between the errors
    of the last and of the first barrier.
    """

    single: dict[str, dict[str, Any]]
    between: dict[str, dict[str, Any]]
    gains: dict[str, dict[str, Any]]
    alike: dict[str, float]


def run(study: Study) -> None:
    """Score every way on several simulated sets."""
    params, scoring = study.section("reactions", ReactionsParams), study.section("scoring", ScoringParams)
    cohort, folder = study.cohort(study), study.layout.scores.parent
    of, settings = study.of(cohort.digest), params.model_dump(mode="json")
    with tracked_stage(study, NAME, cohort, settings) as tracked:
        found = compare(params, scoring, study.section("tables", TablesParams).unit)
        with tracked.run(NAME, {"experiment": NAME}) as run:
            run.params(settings)
            run.metrics({f"alike_{way}": value for way, value in found.alike.items()})
        found.write(folder / "reactions.json", of)
        StageRuns({NAME: run.run_id}, **tracked.where).write(folder / "reactions_run.json", of)
    for way, value in found.alike.items():
        print(f"{WAYS[way]}: errors of the first and last barrier correlate by {value:.2f}")


def compare(params: ReactionsParams, scoring: ScoringParams, unit: str) -> Cancelling:
    """Predict the barriers of surfaces that were not learnt from, in several sets, and compare the ways."""
    true, said = [], {way: list[Values]() for way in WAYS}
    for draw in range(params.draws):
        surfaces, barriers = reaction_paths(params, draw)
        true.append(barriers)
        for way, parts in said.items():
            parts.append(_unseen(way, surfaces, barriers, params.seed + draw))
    barriers, predicted = np.concatenate(true), {way: np.concatenate(parts) for way, parts in said.items()}
    task, surface = quantity(unit, form=".3f"), np.arange(len(barriers))
    asked = scoring.bootstrap, scoring.seed
    last = {way: one[:, -1] - one[:, 0] for way, one in {**predicted, "true": barriers}.items()}
    return Cancelling(
        single={
            way: estimate(
                task, barriers.ravel(), one.ravel(), np.repeat(surface, params.steps), *asked
            ).record()
            for way, one in predicted.items()
        },
        between={way: estimate(task, last["true"], last[way], surface, *asked).record() for way in WAYS},
        gains={
            f"{first} less {second}": difference(
                task, last["true"], last[first], last[second], surface, *asked
            ).record()
            for first, second in COMPARED
        },
        alike={way: _alike(one - barriers) for way, one in predicted.items()},
    )


def _unseen(way: str, surfaces: Values, barriers: Values, seed: int) -> Values:
    cut = KFold(5, shuffle=True, random_state=seed)
    if way == INDEPENDENT:  # a seed for each barrier: with one, all models would draw the same trees
        seeds = range(seed * barriers.shape[1], (seed + 1) * barriers.shape[1])
        pairs = zip(seeds, barriers.T, strict=True)
        return np.stack([cross_val_predict(_trees(one), surfaces, own, cv=cut) for one, own in pairs], axis=1)
    model = _trees(seed) if way == "multitask" else RegressorChain(_trees(seed), cv=3)
    return np.asarray(cross_val_predict(model, surfaces, barriers, cv=cut))


def _trees(seed: int) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(40, min_samples_leaf=3, random_state=seed)


def _alike(errors: Values) -> float:
    return float(np.corrcoef(errors[:, 0], errors[:, -1])[0, 1])
