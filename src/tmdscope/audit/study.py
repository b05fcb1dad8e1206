"""The whole audit of a data set."""

from collections.abc import Mapping

from threadpoolctl import threadpool_limits

from tmdscope.audit.campaigns import BLOCKS, EMBARGO, Campaigns, hold_out
from tmdscope.audit.confounds import FEATURES, compare_confounds, metadata_predictors, predict_all
from tmdscope.audit.drift import measure_drift
from tmdscope.audit.duplicates import find_duplicates
from tmdscope.audit.folds import FoldRunner, check_folds
from tmdscope.audit.groups import count_groups
from tmdscope.audit.holding_out import blocks_over_all, blocks_within_classes, embargoed, runs
from tmdscope.audit.kernel import KernelPredictor, Learner
from tmdscope.audit.learning_curve import learning_curve
from tmdscope.audit.record import Audit, Findings
from tmdscope.audit.verdict import judge
from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort, Rows
from tmdscope.scores.text import plural


def audit(
    cohort: Cohort,
    parts: Mapping[str, Rows],
    params: AuditParams,
    scoring: ScoringParams,
    runners: Mapping[str, tuple[FoldRunner, int]],
) -> Audit:
    """Audit a data set of at most `AuditParams.most_images` images: kernels between all are held in memory.

    `parts` maps a part of the study's split to its rows (``test, fold0_train, fold0_val ...``), empty without
    a split; `runners` a model of the study to what runs one of its folds and their number, may be empty.
    """
    if len(cohort) > params.most_images:
        raise UserError(
            f"audit: {len(cohort)} {plural(cohort.row)}, audit.most_images is {params.most_images}; "
            f"{params.most_images} can be audited at most: draw some, or raise it"
        )
    with threadpool_limits(1):  # thousands of small systems would spend their time waiting for a second
        kernel, ordered = KernelPredictor(cohort), cohort.order is not None
        predictors = {FEATURES: kernel, **metadata_predictors(cohort, params.seed)}
        folds = outer_folds(cohort.stratum, cohort.groups.tolist(), params.folds)
        predictions = {name: predict_all(cohort, predictor, folds) for name, predictor in predictors.items()}
        confounds = compare_confounds(cohort, predictors, predictions, parts.get("test"), scoring)
        own, test = predictions[FEATURES], confounds[0].test
        findings = Findings(
            task=cohort.task,
            duplicates=find_duplicates(cohort, parts, params.near_quantile),
            groups=count_groups(cohort, parts, params.few_samples),
            confounds=confounds,
            campaigns=_hold_out_all(cohort, predictors, params, scoring) if ordered else [],
            drift=measure_drift(cohort, kernel, params, scoring) if ordered else [],
            learning_curve=learning_curve(cohort, kernel, folds, params, scoring),
            folds=check_folds(cohort, kernel, folds, own, parts, runners, test, scoring),
        )
    verdict = judge(findings, plural(cohort.row))
    failed = [check.name for check in verdict.checks if check.passed is False]
    return Audit(**vars(findings), verdict=verdict, failed_checks=failed, row=cohort.row)


def _hold_out_all(
    cohort: Cohort, predictors: Mapping[str, Learner], params: AuditParams, scoring: ScoringParams
) -> list[Campaigns]:
    asked = {name: predictors[name] for name in (FEATURES, "order")}
    blocks = params.blocks
    plans = {
        f"{blocks} {BLOCKS}": (
            blocks_over_all(cohort, blocks),
            f"All samples in order, cut into {blocks} blocks of as many samples; each is held out once.",
        ),
        f"{blocks} {BLOCKS} within classes": (
            blocks_within_classes(cohort, blocks),
            f"Each class's samples in order, cut into {blocks} blocks; part k holds out block k of each.",
        ),
        "runs": (
            runs(cohort, params.gap_quantile),
            f"The order cut at steps above their {params.gap_quantile:g} quantile; each run held out once.",
        ),
        **{
            f"{EMBARGO} {width}": (
                embargoed(cohort, width),
                f"Each sample is held out alone, and the {width} samples before and after it do not train.",
            )
            for width in params.embargo
        },
    }
    found = [
        hold_out(cohort, asked, held, name, method, params, scoring)
        for name, (held, method) in plans.items()
        if len(held) > 1
    ]
    return [campaigns for campaigns in found if campaigns is not None]
