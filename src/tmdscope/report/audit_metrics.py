"""The numbers of an audit that DVC compares: those that its section shows."""

from dataclasses import asdict
from typing import Any

from tmdscope.audit.campaigns import Campaigns
from tmdscope.audit.record import Audit
from tmdscope.scores.intervals import Estimate


def audit_metrics(found: Audit) -> dict[str, Any]:
    """Collect the numbers of an audit that DVC compares.

    The plain metric, under its name, by what a predictor sees, ``campaigns`` by way of holding out,
    ``early_late`` by class, ``twice_the_samples`` and ``checks``; and under ``shown`` all scores of the
    section with their intervals: ``confounds, campaigns, early_late, learning_curve, folds`` and ``classes``.
    """
    name = found.task.plain.name
    return {
        name: {item.name: item.score.values[name] for item in found.confounds},
        "campaigns": {
            item.name: {
                "held_out": item.held_out.values[name],
                "control": item.control.values[name],
                "drop": item.drop.values[name],
                "drop_ci95": item.drop.bounds[name],
                "effect": item.effect,
            }
            for item in found.campaigns
        },
        "early_late": {item.name: item.auc for item in found.drift},
        "twice_the_samples": found.learning_curve.gain,
        "checks": {check.name: check.passed for check in found.verdict.checks},
        "shown": _shown(found, name),
    }


def _shown(found: Audit, name: str) -> dict[str, Any]:
    folds = found.folds
    confounds = {
        item.name: {"score": item.score, "distinct": item.distinct, "test": item.test, "beyond": item.beyond}
        for item in found.confounds
    }
    return {
        "confounds": {
            seen: {key: _scores(scores) for key, scores in those.items() if scores is not None}
            for seen, those in confounds.items()
        },
        "campaigns": {item.name: _campaign(item, name) for item in found.campaigns},
        "early_late": {
            item.name: _without(asdict(item), "name", "samples", "images", "permutations")
            for item in found.drift
        },
        "learning_curve": _without(asdict(found.learning_curve), "samples", "score", "score_ci95", "draws"),
        "folds": {
            "z_of_first": folds.z_of_first,
            "share_below_first": folds.share_below_first,
            "shuffled_mean": folds.shuffled_mean,
            "shuffled_std": folds.shuffled_std,
            "held_out_test": folds.test and {name: folds.test.score, **_without(asdict(folds.test), "score")},
            **{
                str(number): {
                    name: fold.score,
                    "binomial_ci95": fold.binomial_ci95,
                    "bootstrap_ci95": fold.bootstrap_ci95,
                }
                for number, fold in enumerate(folds.outer)
            },
        },
        "classes": {item.name: item.effective_samples for item in found.groups.classes},
    }


def _campaign(item: Campaigns, name: str) -> dict[str, Any]:
    return {
        "held_out": _scores(item.held_out),
        "control": _scores(item.control),
        "drop": _scores(item.drop),
        "order_held_out": _scores(item.order_held_out),
        "order_control": item.order_control.values[name],
        "chance": item.chance,
        "parts": {
            part.name: _without(asdict(part), "name", "first", "last", "samples", "images", "excluded")
            for part in item.parts
        },
    }


def _scores(scores: Estimate) -> dict[str, Any]:
    return _without(scores.record(), "images", "samples")


def _without(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in names}
