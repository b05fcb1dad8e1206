"""What a sequence amounts to: scores of every stage, what was gained and forgotten, and paired differences.

A *member* of a training is one fold of one seed. Members of two trainings are paired: they saw the same
images and drew the same numbers. Intervals draw test samples and members with replacement, the same for both;
where few samples tell anything they are those of `tmdscope.scores.bootstrap.interval_over_samples`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tmdscope.learn.crossval import FoldParts
from tmdscope.params.sequential import Encoding, Volume
from tmdscope.scores.folds import mean_std
from tmdscope.scores.intervals import tell_interval
from tmdscope.sequential.drawing import Cell, Drawn, Held, draw_cells, mean_drawn, members_of
from tmdscope.sequential.drift import measure_drift
from tmdscope.sequential.plan import Arm, Plan
from tmdscope.sequential.run import StageResult

SMALL = 16
"""Volumes up to this many images are called small."""

_PARTS = ("train", "val", "test")
_METRICS = ("accuracy", "macro_f1")

Verdict = Literal["holds", "fails", "undecided"]


def summarise(plan: Plan, results: Sequence[StageResult], held: Held) -> dict[str, Any]:
    """Summarise a sequence.

    Returns
    -------
    dict
        ``stages``, with their classes and test images; ``members``; ``points``, one for every arm, encoding,
        stage and volume: mean and population standard deviation over members of accuracy and macro F1 of each
        part, the test's recall of every class, the 95 % interval of the test's macro F1, and what a stage
        ``changed`` since the one before; ``chains``, transfer and forgetting over each whole sequence;
        ``comparisons``, paired differences in the test's macro F1; ``leak``, what the other start changes;
        ``drift``, see `tmdscope.sequential.drift.measure_drift`.
    """
    cells: dict[Cell, list[StageResult]] = {}
    for result in results:
        training = result.training
        key = training.arm, training.encoding, training.stage.number, training.volume
        cells.setdefault(key, []).append(result)
    drawn = draw_cells(cells, held)
    recall = {cell: _recall(found, plan.stages[cell[2]].classes) for cell, found in cells.items()}
    return {
        "stages": [
            {"classes": list(stage.classes), "added": stage.added, "test_images": int(count)}
            for stage, count in zip(plan.stages, _test_counts(plan, cells), strict=True)
        ],
        "members": len(members_of(next(iter(cells.values())))),
        "points": [
            {
                "arm": cell[0],
                "encoding": cell[1],
                "materials": len(plan.stages[cell[2]].classes),
                "volume": cell[3],
                **_over_members(found),
                "test_macro_f1_ci95": drawn[cell].interval(_mean_f1(found)),
                "recall": recall[cell],
                "changed": _changed(plan, cell, recall),
            }
            for cell, found in cells.items()
        ],
        "chains": [_chain(plan, encoding, recall) for encoding in plan.params.encodings],
        "comparisons": _comparisons(plan, cells, drawn),
        "leak": _leak(plan, cells, drawn),
        "drift": measure_drift(plan, results, held.labels),
    }


def say_claims(found: Mapping[str, Any]) -> list[str]:
    """Say what the comparisons of `summarise` have shown, a line for each."""
    lines = []
    for entry in found["comparisons"]:
        name = " ".join(filter(None, (entry["question"], entry.get("encoding"))))
        for where in ("all", "small"):
            if where in entry:
                told = tell_interval(entry[where]["difference"], entry[where]["ci95"], "+.3f")
                lines.append(
                    f"{name}, {where} volumes: test macro F1 {told}, mean of {entry[where]['points']}: "
                    f"{entry[where]['verdict']}"
                )
    return lines


def verdict(interval: Sequence[float] | None) -> Verdict:
    """Say whether a difference is at least zero; undecided where its interval holds zero, or is none."""
    if interval is None:
        return "undecided"
    low, high = interval
    if low >= 0:
        return "holds"
    return "fails" if high < 0 else "undecided"


def _test_counts(plan: Plan, cells: Mapping[Cell, Sequence[StageResult]]) -> list[int]:
    counts = {cell[2]: len(found[0].parts[0].test) for cell, found in cells.items()}
    return [counts[stage.number] for stage in plan.stages]


def _over_members(found: Sequence[StageResult]) -> dict[str, Any]:
    members = members_of(found)
    return {
        part: {name: mean_std([fold.scores[f"{part}_{name}"] for fold in members]) for name in _METRICS}
        for part in _PARTS
    }


def _recall(found: Sequence[StageResult], classes: Sequence[str]) -> dict[str, float]:
    """Mean recall of every class on the test, over members; a class without test images is left out."""
    members = members_of(found)
    keys = {name: f"test_recall.{name}" for name in classes}
    return {
        name: float(np.mean([fold.scores[key] for fold in members]))
        for name, key in keys.items()
        if key in members[0].scores
    }


def _changed(plan: Plan, cell: Cell, recall: Mapping[Cell, Mapping[str, float]]) -> dict[str, float]:
    """Recall of the added class, and the mean change of the others since the sequence's stage before."""
    arm, encoding, number, _ = cell
    if number == 0:
        return {}
    chain: Arm = arm if arm == "other-start" and number > 1 else "sequential"
    before = recall[chain, encoding, number - 1, "full"]
    changes = [recall[cell][name] - value for name, value in before.items()]
    added = recall[cell].get(plan.stages[number].added)
    return {"old": float(np.mean(changes)), **({} if added is None else {"added": added})}


def _chain(plan: Plan, encoding: Encoding, recall: Mapping[Cell, Mapping[str, float]]) -> dict[str, Any]:
    """Backward transfer (Lopez-Paz & Ranzato 2017) and forgetting (Chaudhry et al. 2018) at full volume.

    Both over the classes that were there before the last stage. Old classes' images stay in training, so
    this is no continual learning without memory.
    """
    stages = [recall["sequential", encoding, stage.number, "full"] for stage in plan.stages]
    classes = {}
    for name in stages[-2]:
        course = [stage[name] for stage in stages if name in stage]
        classes[name] = {
            "backward_transfer": course[-1] - course[0],
            "forgetting": max(course[:-1]) - course[-1],
        }
    return {
        "encoding": encoding,
        "recall": stages,
        "classes": classes,
        "backward_transfer": float(np.mean([entry["backward_transfer"] for entry in classes.values()])),
        "forgetting": float(np.mean([entry["forgetting"] for entry in classes.values()])),
    }


def _comparisons(
    plan: Plan, cells: Mapping[Cell, Sequence[StageResult]], drawn: Mapping[Cell, Drawn]
) -> list[dict[str, Any]]:
    points: list[tuple[int, Volume]] = [
        (stage.number, volume) for stage in plan.stages[1:] for volume in plan.params.volumes
    ]
    controls: tuple[Arm, ...] = ("direct", "direct-equal-budget")
    found = [
        {
            "question": f"sequential - {control}",
            "encoding": encoding,
            **_compare(
                plan,
                {p: (("sequential", encoding, *p), (control, encoding, *p)) for p in points},
                cells,
                drawn,
            ),
        }
        for control in controls
        for encoding in plan.params.encodings
    ]
    if {"multiclass", "multilabel"} <= set(plan.params.encodings):
        pairs: dict[tuple[int, Volume], tuple[Cell, Cell]] = {
            p: (("sequential", "multilabel", *p), ("sequential", "multiclass", *p)) for p in points
        }
        found.append({"question": "multilabel - multiclass", **_compare(plan, pairs, cells, drawn)})
    return found


def _compare(
    plan: Plan,
    pairs: Mapping[tuple[int, Volume], tuple[Cell, Cell]],
    cells: Mapping[Cell, Sequence[StageResult]],
    drawn: Mapping[Cell, Drawn],
) -> dict[str, Any]:
    """Compare at every point, over all of them, and over those with a small volume where there are any."""
    differences = {p: _mean_f1(cells[one]) - _mean_f1(cells[other]) for p, (one, other) in pairs.items()}
    draws = {p: drawn[one].less(drawn[other]) for p, (one, other) in pairs.items()}
    small = [p for p in pairs if p[1] != "full" and p[1] <= SMALL]
    groups = {"all": list(pairs), **({"small": small} if small else {})}
    return {
        "points": [
            {
                "materials": len(plan.stages[number].classes),
                "volume": volume,
                "difference": differences[number, volume],
                "ci95": draws[number, volume].interval(differences[number, volume]),
            }
            for number, volume in pairs
        ],
        **{
            name: _together([differences[p] for p in group], [draws[p] for p in group])
            for name, group in groups.items()
        },
    }


def _together(differences: Sequence[float], draws: Sequence[Drawn]) -> dict[str, Any]:
    difference = float(np.mean(differences))
    interval = mean_drawn(draws).interval(difference)
    return {
        "difference": difference,
        "ci95": interval,
        "verdict": verdict(interval),
        "points": len(differences),
        "points_not_below": int(sum(value >= 0 for value in differences)),
    }


def _mean_f1(found: Sequence[StageResult], part: str = "test") -> float:
    return float(np.mean([fold.scores[f"{part}_macro_f1"] for fold in members_of(found)]))


def _leak(
    plan: Plan, cells: Mapping[Cell, Sequence[StageResult]], drawn: Mapping[Cell, Drawn]
) -> list[dict[str, Any]]:
    """Say what starting every fold from one fold's model changes, against starting from the fold's own."""
    if not plan.params.measure_leak:
        return []
    arms: list[Arm] = ["other-start", "sequential"]
    leaking, clean = arms if plan.params.start == "fold" else reversed(arms)
    found = []
    for encoding in plan.params.encodings:
        for stage in plan.stages[1:]:
            one: Cell = (leaking, encoding, stage.number, "full")
            other: Cell = (clean, encoding, stage.number, "full")
            before: Cell = ("sequential", encoding, stage.number - 1, "full")
            changed = _mean_f1(cells[one]) - _mean_f1(cells[other])
            found.append(
                {
                    "encoding": encoding,
                    "materials": len(stage.classes),
                    "seen": seen_share(cells[other][0].parts, cells[before][0].parts, plan.params.paper_fold),
                    "val_macro_f1": _mean_f1(cells[one], "val") - _mean_f1(cells[other], "val"),
                    "test_macro_f1": changed,
                    "test_macro_f1_ci95": drawn[one].less(drawn[other]).interval(changed),
                }
            )
    return found


def seen_share(parts: Sequence[FoldParts], before: Sequence[FoldParts], fold: int) -> float:
    """Give the mean share of validation images of a stage that one fold's earlier model was trained on.

    It is the model of the stage before that all folds start from.
    """
    return float(np.mean([np.isin(part.val, before[fold].train).mean() for part in parts]))
