"""What the stages `audit` share: auditing a cohort, and logging it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tmdscope.audit.study import MOST_IMAGES, audit
from tmdscope.dataset.columns import draw_images
from tmdscope.jobs.study import Study
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort, Rows, Targets
from tmdscope.tracking.audits import NAME, audit_settings
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import DataUse, start_run
from tmdscope.tracking.store import open_study

Runners = Mapping[str, Callable[[int], Targets]]
"""A model of the study to what trains it on a fold, by number, and predicts every image of the cohort."""


def audit_cohort(study: Study, cohort: Cohort, taken: Callable[[Rows], Cohort], runners: Runners) -> None:
    """Audit the images of a cohort, or some of every sample where they are many; write and log it.

    `taken` gives some rows of the cohort with all that the audit asks for.
    """
    params = study.section("audit", study.params["audit"])
    assert isinstance(params, AuditParams)
    scoring = study.section("scoring", ScoringParams)
    split = cohort.read_split(study.layout.split)
    tracked = open_study(study.experiment)
    chosen = draw_images(cohort.sample_ids.tolist(), MOST_IMAGES)
    part_ids = {name: np.isin(cohort.image_ids[chosen], ids) for name, ids in split.parts.items()}
    parts = {name: np.flatnonzero(held).astype(np.int64) for name, held in part_ids.items()}
    asked = {
        name: (lambda number, one=one: one(number)[chosen], len(split.folds)) for name, one in runners.items()
    }
    settings, of = audit_settings(params, scoring), study.of(cohort.digest)
    made = provenance(tracked.name, cohort.digest, settings)
    tags = {**made, "experiment": NAME, "split.sha256": of["split"]}
    data = DataUse(tracked.name, cohort.digest, study.source.as_posix(), len(chosen), NAME)
    with start_run(tracked, NAME, tags, data=data) as run:
        run.params(settings)
        found = audit(taken(chosen), parts, params, scoring, asked)
        where = {"run_id": run.run_id, **whereabouts(tracked, tags)}
        replace(found, images_of=len(cohort), **where).write(study.layout.audit, of)
        run.metrics(found.numbers)
        run.artifact(study.layout.audit)
    print(f"{len(chosen)} of {len(cohort)} images: {found.verdict.headline}")
