"""What the stages `audit` share: auditing a cohort, and logging it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tmdscope.audit.study import audit
from tmdscope.dataset.columns import draw_images
from tmdscope.dataset.splits import FoldParts
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort, Rows, Targets
from tmdscope.scores.text import plural
from tmdscope.tracking.audits import NAME, audit_settings

Runners = Mapping[str, Callable[[int], Targets]]
"""A model of the study to what trains it on a fold, by number, and predicts every image that is audited."""


def audit_cohort(
    study: Study,
    cohort: Cohort,
    taken: Callable[[Rows], Cohort],
    models: Callable[[Rows, Sequence[FoldParts]], Runners],
) -> None:
    """Audit the images of a cohort, or some of every sample where they are many; write and log it.

    `taken` gives some rows of the cohort with all that the audit asks for; `models` the study's own, which
    train on these rows, by their positions among them in each fold.
    """
    params = study.section("audit", study.params["audit"])
    assert isinstance(params, AuditParams)
    scoring = study.section("scoring", ScoringParams)
    whole_folds = cohort.rows(cohort.read_split(study.layout.split))
    chosen = draw_images(
        cohort.sample_ids, cohort.stratum, params.most_images, params.few_samples, params.seed
    )
    folds = [fold.among(chosen) for fold in whole_folds]
    parts = {"test": folds[0].test}
    for number, fold in enumerate(folds):
        parts |= {f"fold{number}_train": fold.train, f"fold{number}_val": fold.val}
    asked = {name: (run, len(folds)) for name, run in models(chosen, folds).items()}
    settings = audit_settings(params, scoring)
    with (
        tracked_stage(study, NAME, cohort, settings, len(chosen)) as tracked,
        tracked.run(NAME, {"experiment": NAME}) as run,
    ):
        run.params(settings)
        found = audit(taken(chosen), parts, params, scoring, asked)
        whole = replace(found, images_of=len(cohort), run_id=run.run_id, **tracked.where)
        whole.write(study.layout.audit, tracked.of)
        run.metrics(found.numbers)
        run.artifact(study.layout.audit)
    print(f"{whole.drawn} {plural(cohort.row)}: {found.verdict.headline}")
