"""What is asked of a cohort: its scale, folds and blocks, the parts of the work, and how it is scored."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.models.scales import Labels
from tmdscope.params.common import ScoringParams
from tmdscope.params.families import FRAMINGS, FramedSearchParams, Framing
from tmdscope.reliability.calibration import expected_calibration_error
from tmdscope.scores.classes import confusion_matrix
from tmdscope.scores.cohort import Cohort, cut_blocks
from tmdscope.scores.intervals import estimate
from tmdscope.scores.levels import levels_of
from tmdscope.scores.task import RECALL
from tmdscope.search.framed import Rows, Said, Scale, count_invalid
from tmdscope.studies.growth_temperature.params import (
    FramingParams,
    HonestyParams,
    ModelsParams,
    edges_problem,
)
from tmdscope.studies.growth_temperature.parts import OuterFold, Part, Permutations
from tmdscope.studies.growth_temperature.record import Scores

Folds = Sequence[tuple[Labels, Labels]]
"""Rows seen and unseen of each outer fold."""

ALL, BLOCKS = "folds", "blocks"
"""Ways of cutting: stratified folds of samples, and blocks of sample numbers."""


class Asked:
    """What is asked of a cohort: its scale, folds, blocks, and the settings."""

    def __init__(self, study: Study, cohort: Cohort) -> None:
        self.cohort = cohort
        self.models = study.section("models", ModelsParams)
        self.honesty = study.section("honesty", HonestyParams)
        self.scoring = study.section("scoring", ScoringParams)
        framing = study.section("framing", FramingParams)
        levels = levels_of(cohort.classes).numbers
        edges = framing.edges or [(low + high) / 2 for low, high in pairwise(levels)]
        if problem := edges_problem(edges, levels):
            raise UserError(f"{study.layout.settings}: framing.{problem}")
        self.scale = Scale(cohort.classes, levels, tuple(edges), framing.unit)
        samples = cohort.sample_ids.tolist()
        self._require_samples(len(set(samples)), study.layout.settings)
        self.folds: Folds = outer_folds(cohort.stratum, samples, self.models.outer_folds)
        self.blocks = self._blocks()

    def _require_samples(self, samples: int, settings: Path) -> None:
        """Refuse fewer samples than folds, of which no two share one."""
        outer, inner = self.models.outer_folds, self.models.inner_folds
        seen = samples - -(-samples // outer)
        for name, folds, known in (("outer_folds", outer, samples), ("inner_folds", inner, seen)):
            if known < folds:
                told = f"{settings}: models.{name} is {folds}, but there are {known} samples for them"
                raise UserError(f"{told}: lower it, or bring more samples")

    def _blocks(self) -> Folds:
        cohort = self.cohort
        if cohort.order is None:
            return []
        block = cut_blocks(cohort.group_order, self.honesty.blocks)[cohort.group]
        everything = np.arange(len(cohort))
        return [(everything[block != one], everything[block == one]) for one in np.unique(block)]

    @property
    def rows(self) -> Rows:
        """What searches see."""
        return Rows(self.cohort.inputs, self.cohort.targets, self.cohort.sample_ids)

    def models_of(self, framing: Framing, only: Sequence[str] | None = None) -> dict[str, FramedSearchParams]:
        """Give the models in a framing, or some of them."""
        searches = self.models.searches.items()
        return {
            name: one for name, one in searches if framing in one.framings and (only is None or name in only)
        }

    def parts(self, folder: Path) -> list[Part]:
        """List all that is to be done."""
        schemes: list[tuple[str, Framing, Folds, Sequence[str] | None]] = [
            *((ALL, framing, self.folds, None) for framing in FRAMINGS),
            (BLOCKS, "nominal", self.blocks, self.honesty.held_out),
        ]
        return [
            OuterFold(
                *(scheme, framing, number, self.rows.take(seen), self.cohort.inputs[unseen], unseen),
                models=self.models_of(framing, only),
                scale=self.scale,
                inner_folds=self.models.inner_folds,
                seed=self.models.seed,
                folder=folder,
            )
            for scheme, framing, folds, only in schemes
            for number, (seen, unseen) in enumerate(folds)
        ]

    def permutations(self) -> list[Part]:
        """Cut the permutations into parts; number 0 is none."""
        everything = np.arange(self.honesty.permutations + 1)
        fixed = (self.honesty.method, self.scale, self.models.outer_folds)
        return [
            Permutations(self.rows, self.cohort.group, *fixed, own.tolist(), self.honesty.seed)
            for own in np.array_split(everything, min(8, len(everything)))
        ]

    def scores(self, said: Said, rows: Labels) -> Scores:
        """Score what is said of some rows, arrays of their length."""
        cohort, scale, draws = self.cohort, self.scale, (self.scoring.bootstrap, self.scoring.seed)
        targets, samples = cohort.targets[rows], cohort.sample_ids[rows]
        by_class = estimate(scale.by_class, targets, said.labels, samples, *draws)
        by_number = estimate(scale.by_number, scale.numbers(targets), said.numbers, samples, *draws)
        counted = scale.by_class.counts(targets, said.labels, np.zeros(len(rows), dtype=np.int64))[0]
        by_label = dict(zip(cohort.classes, RECALL.of(counted).tolist(), strict=False))
        error = None
        if said.probabilities is not None:
            error = expected_calibration_error(said.probabilities, targets)
        return Scores(
            images=len(rows),
            samples=by_class.samples,
            by_class=dict(by_class.values),
            by_number=dict(by_number.values),
            bounds={**by_class.bounds, **by_number.bounds},
            by_label={name: value for name, value in by_label.items() if np.isfinite(value)},
            confusion=confusion_matrix(targets, said.labels, len(cohort.classes)).tolist(),
            invalid=count_invalid(said),
            calibration_error=error,
        )
