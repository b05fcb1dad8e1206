"""The experiments of the main study: scores, and what pre-training and the targets are worth."""

from typing import Any

from tmdscope.report.gains import PRETRAINING, TARGETS, gain_blocks
from tmdscope.report.page import Block, Section, Table, plus_minus, with_interval
from tmdscope.report.study import StudyResults
from tmdscope.scores.folds import PARTS

_SCORED = ("accuracy", "macro_f1")
_SHARES = ("accuracy", "coverage", "flagged")


def experiments_section(results: StudyResults) -> Section:
    """Write scores, intervals and reliability, pre-trained less scratch, multiclass less multilabel."""
    return Section(
        "Experiments",
        [
            _overview(results),
            _parts(results),
            _recall(results),
            *_multilabel(results),
            _pooled(results),
            _reliability(results),
            *gain_blocks(results.gains, results.what, PRETRAINING),
            *gain_blocks(results.targets, results.what, TARGETS),
        ],
    )


def _overview(results: StudyResults) -> Table:
    test = next(iter(results.scores.values()))["ensemble_test"]
    rows = []
    for name, score in results.scores.items():
        over_folds = [_mean(score[part], metric) for part in ("val", "test") for metric in _SCORED]
        ensemble = [_interval(score["ensemble_test"], metric) for metric in _SCORED]
        chosen = score["selection"]
        selection = [f"{chosen['macro_f1']:.3f}", f"{chosen['optimism']:+.3f}"]
        rows.append([name, *selection, *over_folds, *ensemble])
    if results.baseline is not None:
        base = results.baseline
        means = [
            plus_minus(base[f"{part}_{metric}"], percent=metric == "accuracy")
            for part in ("val", "test")
            for metric in _SCORED
        ]
        rows.append(["sample id only (sees no image)", "", "", *means, "", ""])
    return Table(
        f"Accuracy in % and macro F1 ({results.what}). Selection F1, by which the best is chosen: each fold "
        "in turn is left out of the choice of epoch, and of settings where a search chose them, and scores "
        "what the others chose. Optimism: validation F1 less that. Mean ± population standard deviation over "
        "folds; "
        f"ensemble: mean of the folds' probabilities on the same {test['images']} test images of "
        f"{test['samples']} samples, with 95 % intervals bootstrapped by sample.",
        [
            "Experiment",
            "selection F1",
            "optimism",
            "val accuracy",
            "val F1",
            "test accuracy",
            "test F1",
            "ensemble test accuracy",
            "ensemble test F1",
        ],
        rows,
    )


def _parts(results: StudyResults) -> Table:
    rows = [
        [
            f"{name}, {part}",
            *(_mean(score[part], metric) for metric in ("accuracy", "macro_f1", "weighted_f1", "loss")),
        ]
        for name, score in results.scores.items()
        for part in PARTS
    ]
    return Table(
        "Every part, without augmentation: mean ± population standard deviation over folds",
        ["Experiment, part", "accuracy", "macro F1", "weighted F1", "loss"],
        rows,
    )


def _recall(results: StudyResults) -> Table:
    test = next(iter(results.scores.values()))["ensemble_test"]["images"]
    rows = []
    for name, score in results.scores.items():
        recall = score["test"]["recall"]
        rows.append(
            [
                name,
                *(
                    plus_minus(recall[material], percent=True) if material in recall else "none in the test"
                    for material in results.classes
                ),
            ]
        )
    return Table(
        f"Recall of each class in % on the held-out test ({test} images): mean ± population standard "
        "deviation over folds",
        ["Experiment", *results.classes],
        rows,
    )


def _multilabel(results: StudyResults) -> list[Block]:
    if not results.multilabel:
        return []
    rows = []
    for name, decoded in results.decoded.items():
        for part in PARTS:
            score = results.scores[name][part]
            rows.append(
                [
                    f"{name}, {part}",
                    *(_mean(decoded[part], metric) for metric in _SCORED),
                    *(_mean(score, metric) for metric in _SCORED),
                    f"{score['invalid']['mean']:.1f}",
                ]
            )
    return [
        Table(
            "Multilabel, two ways to read the atoms: exact match takes those above one half and is wrong "
            "where they are no material (the paper's decoding); most probable takes the likeliest material. "
            "Mean ± population standard deviation over folds; invalid: outputs per fold of no material",
            [
                "Experiment, part",
                "exact accuracy",
                "exact F1",
                "most probable accuracy",
                "most probable F1",
                "invalid",
            ],
            rows,
        )
    ]


def _pooled(results: StudyResults) -> Table:
    first = next(iter(results.scores.values()))["out_of_fold"]
    rows = [
        [
            name,
            *(_interval(score["out_of_fold"], metric) for metric in _SCORED),
            *(_interval(score["out_of_fold"]["distinct"], metric) for metric in _SCORED),
        ]
        for name, score in results.scores.items()
    ]
    return Table(
        "Pooled: every image predicted by the fold that validates on it, with 95 % intervals bootstrapped by "
        f"sample. All: {first['images']} images of {first['samples']} samples; distinct: "
        f"{first['distinct']['images']} images",
        ["Experiment", "accuracy (%)", "F1", "accuracy (%), distinct", "F1, distinct"],
        rows,
    )


def _reliability(results: StudyResults) -> Table:
    found = {name: score["reliability"] for name, score in results.scores.items()}
    first = next(iter(found.values()))
    rows = [
        [
            name,
            f"{entry['ece_before']:.3f}, {entry['ece_after']:.3f}",
            f"{entry['nll_before']:.3f}, {entry['nll_after']:.3f}",
            _interval(entry, "coverage"),
            f"{entry['set_size']:.2f}",
            _interval(entry, "flagged"),
        ]
        for name, entry in found.items()
    ]
    return Table(
        f"How far the fold ensembles can be trusted, on the held-out test ({first['images']} images of "
        f"{first['samples']} samples): calibration error (15 bins) and negative log-likelihood before and "
        "after temperature scaling; sets that should hold the true class in 90 % of images; images called "
        "unfamiliar though they are not (at most 5 %). 95 % intervals bootstrapped by sample",
        ["Experiment", "calibration error", "likelihood", "in the set (%)", "classes", "unfamiliar (%)"],
        rows,
    )


def _mean(scores: Any, metric: str) -> str:
    return plus_minus(scores[metric], percent=metric == "accuracy")


def _interval(scores: Any, metric: str) -> str:
    return with_interval(scores[metric], scores[f"{metric}_ci95"], percent=metric in _SHARES)
