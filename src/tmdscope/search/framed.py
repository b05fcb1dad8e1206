"""Nested searches over one method's settings, small enough to be made in one process and in one go.

A search sees the images of its outer fold's training part alone, chooses by inner folds that share no sample,
and its choice, fitted once on all of these, predicts the outer fold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState

from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.learn.crossval import fold_seed
from tmdscope.materials import INVALID
from tmdscope.models.registry import Fitted, Transformed, fit_family, framed
from tmdscope.models.scales import FamilyError, Labels
from tmdscope.params.families import AnyFamily, FramedSearchParams, Framing, read_family
from tmdscope.reliability.calibration import fit_temperature, soften
from tmdscope.scores.task import ORDERED_CLASSES, Metric, Task, quantity
from tmdscope.search.families import faults
from tmdscope.search.sampling import make_sampler, suggest
from tmdscope.search.storage import quiet
from tmdscope.search.trials import Settings

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """Classes that stand for numbers: their names, the rising numbers in a unit, the edges between them."""

    classes: tuple[str, ...]
    levels: tuple[float, ...]
    edges: tuple[float, ...]
    unit: str

    @property
    def by_class(self) -> Task:
        """What judges predicted classes."""
        return ORDERED_CLASSES

    @property
    def by_number(self) -> Task:
        """What judges predicted numbers."""
        return quantity(self.unit, self.levels, ".1f")

    def task(self, framing: Framing) -> Task:
        """Give what judges what a framing predicts."""
        return self.by_number if framing == "regression" else self.by_class

    def classify(self, numbers: Values) -> Labels:
        """Give the class of numbers by the edges; a number on one belongs below it."""
        return np.searchsorted(self.edges, numbers, side="left").astype(np.int64)

    def numbers(self, labels: Labels) -> Values:
        """Give the number of classes."""
        return np.asarray(self.levels, dtype=np.float64)[labels]


@dataclass(frozen=True)
class Rows:
    """What searches see: features (N, F), labels and samples."""

    features: NDArray[Any]
    labels: Labels
    sample_ids: NDArray[Any]
    _parts: dict[int, "list[tuple[Rows, Labels]]"] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def inputs(self) -> Transformed:
        """Features as methods take them; their transforms are fitted once, whoever searches."""
        return Transformed(self.features.astype(np.float64))

    def take(self, rows: Labels) -> "Rows":
        """Copy some rows."""
        return Rows(*(column[rows] for column in (self.features, self.labels, self.sample_ids)))

    def inner(self, folds: int) -> "list[tuple[Rows, Labels]]":
        """Cut folds that share no sample, the same for every search: rows seen, and places of the others."""
        if folds not in self._parts:
            parts = outer_folds(self.labels, self.sample_ids.tolist(), folds)
            self._parts[folds] = [(self.take(seen), unseen) for seen, unseen in parts]
        return self._parts[folds]


@dataclass(frozen=True)
class Said:
    """What is predicted of M images: the class, `INVALID` where none is known; the number; probabilities.

    Of classes the number is the expected one; of numbers the class is that between the edges, and there are
    no probabilities. `decoded` is what the authors of an encoding read from it.
    """

    labels: Labels
    numbers: Values
    probabilities: Values | None = None
    decoded: Labels | None = None


@dataclass(frozen=True)
class Chosen:
    """What a search chose by its inner folds, and its trials: settings, state and value of each."""

    settings: dict[str, Any]
    value: float
    folds: list[float]
    trials: list[dict[str, Any]]
    temperature: float | None = None


@dataclass
class _Trial:
    """Scores of a trial's inner folds, and the probabilities of the images that they hold out."""

    scores: list[float] = field(default_factory=list)
    unseen: list[Labels] = field(default_factory=list)
    probabilities: list[Values] = field(default_factory=list)


@dataclass(frozen=True)
class FramedSearch:
    """A search over a method's settings in a framing, of `scale`; `seed` draws settings and networks."""

    params: FramedSearchParams
    framing: Framing
    scale: Scale
    inner_folds: int
    seed: int

    @property
    def metric(self) -> Metric:
        """What decides."""
        return self.scale.task(self.framing).metric(self.params.select[self.framing])

    def choose(self, rows: Rows) -> Chosen:
        """Search on these images; `UserError` where no trial is complete."""
        parts = rows.inner(self.inner_folds)
        kept: dict[int, _Trial] = {}

        def score(place: int, settings: Settings, fold: int) -> float:
            trial = kept.setdefault(place, _Trial())
            seen, unseen = parts[fold]
            said = self.predict(
                self.fit(read_family(settings), seen, fold_seed(self.seed, fold)),
                rows.features[unseen],
            )
            if said.probabilities is not None:
                trial.unseen.append(unseen)
                trial.probabilities.append(said.probabilities)
            trial.scores.append(self._score(rows.labels[unseen], said))
            return trial.scores[-1]

        best, trials = search_settings(
            self.params, self.metric, {"framing": self.framing}, score, len(parts), self.seed
        )
        own = kept[best["place"]]
        temperature = None
        if own.probabilities:
            held_out = rows.labels[np.concatenate(own.unseen)]
            temperature = fit_temperature(np.concatenate(own.probabilities), held_out)
        return Chosen(best["settings"], best["value"], own.scores, trials, temperature)

    def fit(self, family: AnyFamily, rows: Rows, seed: int) -> Fitted:
        """Fit a method in the framing; `FamilyError` where that fails."""
        scale = self.scale
        asked = framed(self.framing, rows.labels, scale.classes, scale.levels)
        with faults(family.family):
            return fit_family(family, rows.inputs, seed=seed, **asked)

    def predict(self, fitted: Fitted, features: NDArray[Any], temperature: float | None = None) -> Said:
        """Predict images in the framing; probabilities are softened where a temperature is given."""
        inputs = features.astype(np.float64)
        if self.framing == "regression":
            numbers = np.asarray(fitted.predict(inputs), dtype=np.float64)
            return Said(self.scale.classify(numbers), numbers)
        found = fitted.probabilities(inputs, len(self.scale.classes))
        if temperature is not None:
            found = soften(found, temperature)
        return Said(fitted.predict(inputs), found @ np.array(self.scale.levels), found, fitted.decode(inputs))

    def predict_unseen(self, rows: Rows, others: NDArray[Any]) -> tuple[Chosen, Said]:
        """Search on some images, fit the choice on all of them, and predict others."""
        chosen = self.choose(rows)
        fitted = self.fit(read_family(chosen.settings), rows, self.seed % 2**32)
        return chosen, self.predict(fitted, others, chosen.temperature)

    def _score(self, labels: Labels, said: Said) -> float:
        if self.framing == "regression":
            found = self.scale.by_number.scores(self.scale.numbers(labels), said.numbers)
        else:
            found = self.scale.by_class.scores(labels, said.labels)
        return found[self.metric.name]


def search_settings(
    params: FramedSearchParams,
    metric: Metric,
    known: Mapping[str, Any],
    score: Callable[[int, Settings, int], float],
    folds: int,
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw settings, score them fold by fold, and give the best trial (the first of equals) and all trials.

    `score` is given a trial's place, its settings and the fold. Optuna keeps this study in memory.
    """
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if params.prune_folds:
        with quiet():
            pruner = optuna.pruners.WilcoxonPruner(p_threshold=params.prune_folds, n_startup_steps=2)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with quiet():
        study = optuna.create_study(direction=metric.direction, pruner=pruner)
    trials: list[dict[str, Any]] = []
    for place in range(params.trials):
        study.sampler = make_sampler(params.sampler, seed, place, params.startup)
        with quiet():
            trial = study.ask()
            settings = suggest(trial, params.space, known)
            scores, state, error = _run_trial(trial, place, settings, score, folds)
            value = float(np.mean(scores)) if state is TrialState.COMPLETE else None
            study.tell(trial, value, state)
        trials.append(
            {"place": place, "settings": settings, "state": state.name, "value": value, "error": error}
        )
    complete = [one for one in trials if one["value"] is not None]
    if not complete:
        raise UserError(f"none of {params.trials} trials is complete; the first error: {trials[0]['error']}")
    best = max(complete, key=lambda one: (metric.gain(one["value"], 0), -one["place"]))
    return best, trials


def _run_trial(
    trial: optuna.Trial,
    place: int,
    settings: Settings,
    score: Callable[[int, Settings, int], float],
    folds: int,
) -> tuple[Sequence[float], TrialState, str]:
    scores = list[float]()
    for fold in range(folds):
        try:
            scores.append(score(place, settings, fold))
        except FamilyError as error:
            return scores, TrialState.FAIL, str(error)
        trial.report(scores[-1], fold)
        if fold + 1 < folds and trial.should_prune():
            return scores, TrialState.PRUNED, ""
    return scores, TrialState.COMPLETE, ""


def count_invalid(said: Said) -> int:
    """Count the images that no class is known of, or that an encoding's authors would read none from."""
    known = said.labels if said.decoded is None else said.decoded
    return int(np.count_nonzero(known == INVALID))
