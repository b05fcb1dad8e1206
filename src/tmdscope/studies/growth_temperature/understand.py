"""Stage `understand`: which quantities of the surface change with temperature, and which truly do."""

from collections.abc import Sequence

import pandas as pd

from tmdscope.analysis.relations import Resampling, normalise_descriptors, relate
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.levels import levels_of
from tmdscope.studies.growth_temperature.record import (
    ABSENT,
    PREPARED,
    UNDERSTANDING,
    Change,
    Understanding,
)
from tmdscope.studies.growth_temperature.sources import source_of

_LEAST = 10
"""Samples that a quantity must be known for."""

_FOLDS = 5


def run(study: Study, source: str) -> None:
    """Relate descriptors of a source's images to their temperatures."""
    own = source_of(study, source)
    path = study.layout.scores.with_name(f"{source}_{UNDERSTANDING}")
    if (absent := own.layout.tables / ABSENT).is_file():
        Understanding().write(path, {"data": sha256_file(absent)})
        return
    cohort, scoring = study.cohort(own), study.section("scoring", ScoringParams)
    known = cohort.statistics
    measured = pd.DataFrame(index=range(len(cohort))) if known is None else known
    changes, left_out = changes_of(cohort, measured, scoring)
    truth: list[Change] = []
    if (prepared := own.layout.tables / PREPARED).is_dir():
        known = Dataset.load(prepared).manifest.filter(regex="^true_")
        truth, _ = changes_of(cohort, known, scoring)
    Understanding(changes, truth, left_out).write(path, {"data": cohort.digest})
    told = sum(change.q_value < 0.05 for change in changes)
    print(f"{source}: {told} of {len(changes)} quantities go with temperature (false discovery rate 5 %)")


def changes_of(
    cohort: Cohort, quantities: pd.DataFrame, scoring: ScoringParams
) -> tuple[list[Change], dict[str, str]]:
    """Relate quantities, a row per image, to the temperatures; some are left out, with the reason."""
    samples: Sequence[str] = cohort.sample_ids.tolist()
    kept, left_out = normalise_descriptors(quantities, samples, _LEAST, _LEAST)
    if kept.empty:
        return [], left_out
    temperatures = pd.DataFrame({"temperature": levels_of(cohort.classes).values[cohort.targets]})
    kept = kept.reset_index(drop=True)
    found = relate(temperatures, kept, Resampling(samples, _FOLDS, scoring.bootstrap, scoring.seed))
    changes = [
        Change(
            name,
            float(one.correlations[0]),
            (float(one.bounds[0, 0]), float(one.bounds[1, 0])),
            float(one.q_values[0]),
            one.images,
        )
        for name, one in found.items()
    ]
    return sorted(changes, key=lambda change: -abs(change.r)), left_out
