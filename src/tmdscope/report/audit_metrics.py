"""The numbers of an audit that DVC compares: those that its section shows."""

from collections.abc import Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]

_SCORE = ("accuracy", "accuracy_ci95", "macro_f1", "macro_f1_ci95")
_PART = ("held_out", "control", "order_held_out", "order_control")
_DRIFT = ("auc", "auc_ci95", "null_mean", "null_95", "p_value", "split_at")
_FOLD = ("accuracy", "binomial_ci95", "bootstrap_ci95")
_OF_ALL_FOLDS = ("z_of_first", "share_below_first", "shuffled_mean", "shuffled_std")
_CURVE = ("law", "exponent_ci95", "twice", "twice_ci95", "gain", "gain_ci95", "last_foretold")


def audit_metrics(found: Found) -> dict[str, Any]:
    """Collect the numbers of ``audit.json`` that DVC compares.

    ``accuracy`` by what a classifier sees, ``campaigns`` by way of holding out, ``early_late`` by class,
    ``twice_the_samples`` and ``checks``; and under ``shown`` all scores of the section with their intervals:
    ``confounds, campaigns, early_late, learning_curve, folds`` and ``classes``.
    """
    return {
        "accuracy": {item["name"]: item["score"]["accuracy"] for item in found["confounds"]},
        "campaigns": {
            item["name"]: {
                "held_out": item["held_out"]["accuracy"],
                "control": item["control"]["accuracy"],
                "drop": item["drop"]["accuracy"],
                "drop_ci95": item["drop"]["accuracy_ci95"],
                "effect": item["effect"],
            }
            for item in found["campaigns"]
        },
        "early_late": {item["name"]: item["auc"] for item in found["drift"]},
        "twice_the_samples": found["learning_curve"]["gain"],
        "checks": {check["name"]: check["passed"] for check in found["verdict"]["checks"]},
        "shown": _shown(found),
    }


def _shown(found: Found) -> dict[str, Any]:
    folds = found["folds"]
    return {
        "confounds": {
            item["name"]: {
                key: _pick(item[key], _SCORE)
                for key in ("score", "distinct", "test", "beyond")
                if item[key] is not None
            }
            for item in found["confounds"]
        },
        "campaigns": {item["name"]: _campaign(item) for item in found["campaigns"]},
        "early_late": {item["name"]: _pick(item, _DRIFT) for item in found["drift"]},
        "learning_curve": _pick(found["learning_curve"], _CURVE),
        "folds": {
            **_pick(folds, _OF_ALL_FOLDS),
            "held_out_test": folds["test"],
            **{str(number): _pick(fold, _FOLD) for number, fold in enumerate(folds["outer"])},
        },
        "classes": {item["name"]: item["effective_samples"] for item in found["groups"]["classes"]},
    }


def _campaign(item: Found) -> dict[str, Any]:
    scores = {key: _pick(item[key], _SCORE) for key in ("held_out", "control", "drop", "order_held_out")}
    parts = {part["name"]: _pick(part, _PART) for part in item["parts"]}
    return {
        **scores,
        "order_control": item["order_control"]["accuracy"],
        "chance": item["chance"],
        "parts": parts,
    }


def _pick(content: Found, keys: Sequence[str]) -> dict[str, Any]:
    return {key: content[key] for key in keys if key in content}
