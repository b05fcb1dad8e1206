"""The numbers of a sequence that DVC compares: those that its section shows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_CHAIN = ("backward_transfer", "forgetting", "classes", "recall")
_ARMS = ("sequential", "direct")


def sequential_metrics(content: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the numbers of ``sequential.json`` that DVC compares.

    ``enabled``, and where it is true: ``comparisons`` (question, encoding where there are several, all or
    small volumes, then ``difference, ci95, verdict``), ``points`` (per encoding, stage, volume and arm test
    macro F1 with its interval, and what the addition changed), ``chains`` (per encoding ``backward_transfer,
    forgetting, classes, recall``), ``leak`` and ``drift`` (per encoding and stage).
    """
    if not content.get("enabled", True):
        return {"enabled": False}
    kept = ("difference", "ci95", "verdict")
    comparisons: dict[str, Any] = {}
    for found in content["comparisons"]:
        groups = {
            group: {key: found[group][key] for key in kept} for group in ("all", "small") if group in found
        }
        of_question = comparisons.setdefault(found["question"], {})
        of_question.update({found["encoding"]: groups} if "encoding" in found else groups)
    leak = ("seen", "val_macro_f1", "test_macro_f1", "test_macro_f1_ci95")
    return {
        "enabled": True,
        "comparisons": comparisons,
        "chains": {chain["encoding"]: {key: chain[key] for key in _CHAIN} for chain in content["chains"]},
        "points": _points_of(content["points"]),
        "leak": _by_stage(content["leak"], lambda entry: {key: entry[key] for key in leak}),
        "drift": _by_stage(
            content["drift"],
            lambda entry: {arm: {key: entry[arm][key] for key in ("mean", "std")} for arm in _ARMS},
        ),
    }


def _points_of(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for point in points:
        place = found.setdefault(point["encoding"], {}).setdefault(f"{point['materials']}-materials", {})
        place.setdefault(str(point["volume"]), {})[point["arm"]] = {
            "test_macro_f1": point["test"]["macro_f1"]["mean"],
            "test_macro_f1_ci95": point["test_macro_f1_ci95"],
            "changed": point["changed"],
        }
    return found


def _by_stage(
    entries: Sequence[Mapping[str, Any]], pick: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in entries:
        found.setdefault(entry["encoding"], {})[f"{entry['materials']}-materials"] = pick(entry)
    return found
