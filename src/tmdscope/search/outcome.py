"""What a search has found: the best settings, what mattered, and Optuna's pictures of it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from tmdscope.errors import UserError
from tmdscope.learn.selection import LeftOutFold, selection_score
from tmdscope.scores.task import Metric
from tmdscope.search.places import ERROR, PLACE, Progress
from tmdscope.search.storage import quiet
from tmdscope.search.study import SearchStudy
from tmdscope.search.worker import EPOCHS, LEFT_OUT

_LEAST_TRIALS = 4
"""Complete trials below which the importance of a setting means nothing."""


@dataclass(frozen=True)
class SearchOutcome:
    """What a search has found; `trial`, `value` (mean over `folds`) and `settings` are of the best trial.

    `selection` is the score of what it finds where each fold is left out of the choice of trial and epoch in
    turn, see `tmdscope.learn.selection`; None where no epoch was chosen. `epochs` are passes over training
    parts that all trials took. `importance` is setting to share of the variance of the score (fANOVA), from
    the largest on; empty where too few trials were complete to say. `trials` has a row per place: ``place,
    trial, state, value, epochs`` and the settings.
    """

    trial: int
    value: float
    folds: list[float]
    selection: float | None
    settings: dict[str, Any]
    progress: Progress
    epochs: int
    importance: dict[str, float]
    trials: pd.DataFrame


def outcome_of(study: SearchStudy) -> SearchOutcome:
    """Say what a search has found; of equal trials the first is best, without a complete one `UserError`."""
    places = study.places
    ended = places.ended
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    if not complete:
        errors = [trial.user_attrs[ERROR] for trial in ended if ERROR in trial.user_attrs]
        raise UserError(
            f"study {study.study.study_name!r}: none of {study.params.trials} trials is complete"
            + (f"; the first error: {errors[0]}" if errors else "; let it prune less")
        )
    best = max(complete, key=lambda trial: (study.metric.gain(_value(trial), 0), -trial.number))
    folds = study.steps.fold_scores(best.intermediate_values)
    return SearchOutcome(
        trial=best.number,
        value=_value(best),
        folds=[folds[fold] for fold in sorted(folds)],
        selection=_selection(complete, study.metric),
        settings=dict(best.params),
        progress=places.progress,
        epochs=sum(trial.user_attrs.get(EPOCHS, 0) for trial in ended),
        importance=_importance(study, complete),
        trials=pd.DataFrame([_row(trial) for trial in ended]),
    )


def draw_plots(study: SearchStudy, folder: Path) -> list[Path]:
    """Draw Optuna's own pictures of a study with complete trials; importance where they are enough."""
    with mpl.rc_context({"backend": "agg"}), quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of axes on which all trials have one value
        from optuna.visualization import matplotlib as drawing

        makers: dict[str, Callable[[optuna.Study], Any]] = {
            "history": drawing.plot_optimization_history,
            "parallel_coordinates": drawing.plot_parallel_coordinate,
            "slice": drawing.plot_slice,
        }
        shares = _importance(study, [t for t in study.trials() if t.state == TrialState.COMPLETE])
        if shares:
            makers["importance"] = partial(
                drawing.plot_param_importances, evaluator=_evaluator(study), params=list(shares)
            )
        paths = []
        for name, make in makers.items():
            axes = np.atleast_1d(make(study.study)).flat[0]
            paths.append(folder / f"{name}.png")
            axes.figure.savefig(paths[-1], dpi=110, bbox_inches="tight")
            mpl.pyplot.close(axes.figure)
    return paths


def _row(trial: FrozenTrial) -> dict[str, Any]:
    value = _value(trial) if trial.state == TrialState.COMPLETE else None
    own = {"place": trial.user_attrs[PLACE], "trial": trial.number, "state": trial.state.name, "value": value}
    return {**own, "epochs": trial.user_attrs.get(EPOCHS, 0), **trial.params}


def _selection(complete: list[FrozenTrial], metric: Metric) -> float | None:
    noted = [trial.user_attrs.get(LEFT_OUT) for trial in complete]
    if any(folds is None for folds in noted):
        return None
    return selection_score([[LeftOutFold(*fold) for fold in folds or ()] for folds in noted], metric)


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None  # every complete trial has one
    return trial.value


def _importance(study: SearchStudy, complete: list[FrozenTrial]) -> dict[str, float]:
    if len(complete) < _LEAST_TRIALS or len({_value(trial) for trial in complete}) == 1:
        return {}
    names = [name for name in study.params.space if all(name in trial.params for trial in complete)]
    if not names:
        return {}
    found: Mapping[str, float] = optuna.importance.get_param_importances(
        study.study, evaluator=_evaluator(study), params=names
    )
    return {name: float(share) for name, share in found.items()}


def _evaluator(study: SearchStudy) -> optuna.importance.FanovaImportanceEvaluator:
    return optuna.importance.FanovaImportanceEvaluator(seed=study.params.seed)
