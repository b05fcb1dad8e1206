"""The whole audit of a data set, and its record."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tmdscope.audit.campaigns import Campaigns, Draws, hold_out
from tmdscope.audit.confounds import FEATURES, compare_confounds, predict_all, predictors_of
from tmdscope.audit.drift import measure_drift
from tmdscope.audit.duplicates import find_duplicates
from tmdscope.audit.folds import FoldRunner, check_folds
from tmdscope.audit.groups import count_groups
from tmdscope.audit.holding_out import blocks_over_all, blocks_within_classes, embargoed, runs
from tmdscope.audit.kernel import KernelPredictor, Predictor
from tmdscope.audit.learning_curve import learning_curve
from tmdscope.audit.scores import Scorer
from tmdscope.audit.table import AuditTable, Rows
from tmdscope.audit.verdict import Findings, Verdict, campaign_effect, judge
from tmdscope.dataset.splits import outer_folds
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams

ONE_THREAD = 1
"""BLAS threads: thousands of small systems would spend their time waiting for a second one."""


def audit(
    table: AuditTable,
    parts: Mapping[str, Rows],
    params: AuditParams,
    scoring: ScoringParams,
    runners: Mapping[str, tuple[FoldRunner, int]],
) -> dict[str, Any]:
    """Audit a data set: gives what `audit.json` holds.

    `parts` maps a part of the study's split to its rows (``test, fold0_train, fold0_val ...``), empty without
    a split; `runners` a classifier of the study to what runs one of its folds and their number, may be empty.
    """
    with threadpool_limits(ONE_THREAD):
        findings = _find(table, parts, params, scoring, runners)
    return record(findings, judge(findings))


def record(findings: Findings, verdict: Verdict) -> dict[str, Any]:
    """Write findings as plain data."""
    found = asdict(findings)
    for entry, campaigns in zip(found["campaigns"], findings.campaigns, strict=True):
        share = campaigns.lost_share
        entry["effect"] = campaign_effect(campaigns)
        entry["lost_share"] = None if np.isnan(share[0]) else list(share)
    found["learning_curve"] = found.pop("curve")
    failed = [check.name for check in verdict.checks if check.passed is False]
    return {**found, "verdict": asdict(verdict), "failed_checks": failed}


def numbers_of(found: Mapping[str, Any]) -> dict[str, float]:
    """Pick the numbers that a run shows, by dotted name."""
    numbers = {f"{item['name']}.accuracy": item["score"]["accuracy"] for item in found["confounds"]}
    for item in found["campaigns"]:
        drop = item["drop"]
        numbers |= {
            f"{item['name']}.held_out": item["held_out"]["accuracy"],
            f"{item['name']}.control": item["control"]["accuracy"],
            f"{item['name']}.drop": drop["accuracy"],
        }
        if drop["accuracy_ci95"] is not None:
            low, high = drop["accuracy_ci95"]
            numbers |= {f"{item['name']}.drop_low": low, f"{item['name']}.drop_high": high}
    numbers |= {f"early_late.{item['name']}.auc": item["auc"] for item in found["drift"]}
    return numbers | {
        "twice_the_samples.gain": found["learning_curve"]["gain"],
        "failed_checks": float(len(found["failed_checks"])),
    }


def _find(
    table: AuditTable,
    parts: Mapping[str, Rows],
    params: AuditParams,
    scoring: ScoringParams,
    runners: Mapping[str, tuple[FoldRunner, int]],
) -> Findings:
    scorer = Scorer(table, scoring.bootstrap, scoring.seed)
    predictors = predictors_of(table, params.seed)
    folds = outer_folds(table.labels, table.groups.tolist(), params.folds)
    predictions = {name: predict_all(predictor, folds) for name, predictor in predictors.items()}
    features = predictors[FEATURES]
    assert isinstance(features, KernelPredictor)
    ordered = table.order is not None
    confounds = compare_confounds(scorer, predictors, predictions, parts.get("test"))
    test = confounds[0].test
    return Findings(
        duplicates=find_duplicates(table, parts, params.near_quantile),
        groups=count_groups(table, parts, params.few_samples),
        confounds=confounds,
        campaigns=_hold_out_all(scorer, predictors, params) if ordered else [],
        drift=measure_drift(table, features, params.permutations, scoring.bootstrap, params.seed)
        if ordered
        else [],
        curve=learning_curve(
            table, features, folds, params.shares, params.draws, scoring.bootstrap, params.seed
        ),
        folds=check_folds(scorer, features, folds, predictions[FEATURES], parts, runners, test),
    )


def _hold_out_all(
    scorer: Scorer, predictors: Mapping[str, Predictor], params: AuditParams
) -> list[Campaigns]:
    table = scorer.table
    asked = {name: predictors[name] for name in (FEATURES, "order")}
    blocks, plan = params.blocks, Draws(params.draws, params.arrangements, params.seed)
    plans = {
        f"{blocks} blocks": (
            blocks_over_all(table, blocks),
            f"All samples in order, cut into {blocks} blocks of as many samples; each is held out once.",
        ),
        f"{blocks} blocks within classes": (
            blocks_within_classes(table, blocks),
            f"Each class's samples in order, cut into {blocks} blocks; part k holds out block k of each.",
        ),
        "runs": (
            runs(table, params.gap_quantile),
            f"The order cut at steps above their {params.gap_quantile:g} quantile; each run held out once.",
        ),
        **{
            f"embargo {width}": (
                embargoed(table, width),
                f"Each sample is held out alone, and the {width} samples before and after it do not train.",
            )
            for width in params.embargo
        },
    }
    found = [
        hold_out(scorer, asked, held, name, method, plan)
        for name, (held, method) in plans.items()
        if len(held) > 1
    ]
    return [campaigns for campaigns in found if campaigns is not None]
