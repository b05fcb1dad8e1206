"""The numbers of a sequence that DVC compares: those that its section shows."""

from collections.abc import Iterable
from typing import Any

from tmdscope.scores.paired import PER_CLASS
from tmdscope.scores.task import Metric
from tmdscope.sequential.record import Comparison, Drift, Leak, Point, SequenceRecord


def sequential_metrics(record: SequenceRecord | None, metric: Metric) -> dict[str, Any]:
    """Collect the numbers of sequences that DVC compares; `metric` is the primary one of the study's task.

    ``enabled``, and where it is true: ``comparisons`` (question, encoding where there are several, all or
    small volumes), ``points`` (per encoding, stage, volume and arm), ``chains`` (per encoding), ``leak`` and
    ``drift`` (per encoding and stage).
    """
    if record is None:
        return {"enabled": False}
    test = f"test_{metric.name}"
    return {
        "enabled": True,
        "comparisons": _comparisons(record.comparisons),
        "chains": {
            chain.encoding: {
                **_pick(chain, "backward_transfer", "forgetting"),
                "classes": {name: vars(changes) for name, changes in chain.classes.items()},
                PER_CLASS[0].name: chain.shares,
            }
            for chain in record.chains
        },
        "points": _points(record.points, metric),
        "leak": _by_stage(
            (
                entry,
                {
                    "seen": entry.seen,
                    f"val_{metric.name}": entry.val,
                    test: entry.test,
                    f"{test}_ci95": entry.ci95,
                },
            )
            for entry in record.leak
        ),
        "drift": _by_stage(
            (entry, {arm: _pick(getattr(entry, arm), "mean", "std") for arm in ("sequential", "direct")})
            for entry in record.drift
        ),
    }


def _comparisons(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in comparisons:
        groups = {name: _pick(group, "difference", "ci95", "verdict") for name, group in entry.groups.items()}
        of_question = found.setdefault(entry.question, {})
        of_question.update(groups if entry.encoding is None else {entry.encoding: groups})
    return found


def _points(points: Iterable[Point], metric: Metric) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for point in points:
        stage = found.setdefault(point.encoding, {}).setdefault(f"{point.materials}-materials", {})
        stage.setdefault(str(point.volume), {})[point.arm] = {
            f"test_{metric.name}": point.test[metric.name].mean,
            f"test_{metric.name}_ci95": point.ci95,
            "changed": {name: value for name, value in vars(point.changed).items() if value is not None},
        }
    return found


def _by_stage(entries: Iterable[tuple[Leak | Drift, dict[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry, numbers in entries:
        found.setdefault(entry.encoding, {})[f"{entry.materials}-materials"] = numbers
    return found


def _pick(entry: object, *names: str) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in names}
