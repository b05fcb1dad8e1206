"""The scores of the published study: over folds, pooled, and what carrying layers over does to them."""

import numpy as np

from tmdscope.audit.record import Audit
from tmdscope.materials import MATERIALS
from tmdscope.report.confusion import confusion_table
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table, plus_minus, with_interval
from tmdscope.report.published import PublishedResults
from tmdscope.report.summary import order_sentence

PAPER_IMAGENET_MLP = {"accuracy": {"mean": 0.745, "std": 0.031}, "macro_f1": {"mean": 0.74, "std": 0.03}}
"""Validation scores of row ImageNet*: Table 2 of the TMD paper."""

_NAMES = {
    "mlp": "mlp: the paper's ImageNet*",
    "svc": "svc: L2, standardise, RBF",
    "logistic": "logistic: standardise",
    "sample_id_only": "sample id only (sees no image)",
}


def classifiers_section(results: PublishedResults) -> Section:
    """Write scores over the folds beside the paper's, and what the sample's number alone explains."""
    rows = [
        [
            called(name),
            *(plus_minus(score[f"{part}_accuracy"], percent=True) for part in ("train", "val", "test")),
            *(plus_minus(score[f"{part}_macro_f1"]) for part in ("val", "test")),
        ]
        for name, score in results.scores.items()
    ]
    paper = PAPER_IMAGENET_MLP
    rows.append(
        [
            "paper's ImageNet* (Table 2)",
            "89.3 ± 2.4",
            plus_minus(paper["accuracy"], percent=True),
            "not given",
            plus_minus(paper["macro_f1"]),
            "not given",
        ]
    )
    return Section(
        "Classifiers, five folds",
        [
            Table(
                f"Accuracy in % and macro F1, mean ± population standard deviation over five folds; test: "
                f"{len(results.split.test)} images",
                ["Classifier", "train accuracy", "val accuracy", "test accuracy", "val F1", "test F1"],
                rows,
            ),
            *_order_alone(results.audit),
        ],
    )


def pooled_section(results: PublishedResults) -> Section:
    """Write the scores of the classifiers pooled over the outer folds, with their intervals."""
    rows = []
    for name, score in results.scores.items():
        pooled, distinct = score["pooled"], score["pooled"]["distinct"]
        rows.append(
            [
                called(name),
                with_interval(pooled["accuracy"], pooled["accuracy_ci95"], percent=True),
                with_interval(pooled["macro_f1"], pooled["macro_f1_ci95"]),
                with_interval(distinct["accuracy"], distinct["accuracy_ci95"], percent=True),
                with_interval(distinct["macro_f1"], distinct["macro_f1_ci95"]),
            ]
        )
    first = results.scores["svc"]["pooled"]
    return Section(
        "Pooled over ten outer folds",
        [
            Table(
                f"Every image predicted by a model that never saw its sample; 95 % intervals bootstrapped by "
                f"sample. All: {first['images']} images; distinct: {first['distinct']['images']} images",
                ["Classifier", "accuracy (%)", "macro F1", "accuracy (%), distinct", "macro F1, distinct"],
                rows,
            )
        ],
    )


def carryover_section(results: PublishedResults) -> Section:
    """Write the warning: what layers carried over from fold to fold do, for every seed."""
    rows = [
        [
            str(trial["seed"]),
            series,
            *(f"{value * 100:.1f}" for value in trial[series]["val_accuracy"]["folds"]),
            *(plus_minus(trial[series][f"{part}_accuracy"], percent=True) for part in ("val", "test")),
        ]
        for trial in results.carryover["trials"]
        for series in ("fresh", "carried")
    ]
    gain = results.carryover["gain"]
    val, test = (100 * gain[f"{part}_accuracy"]["mean"] for part in ("val", "test"))
    return Section(
        "A warning: layers carried over from fold to fold",
        [
            Note(
                f"The slip of this section is made on purpose. It moves validation accuracy by {val:+.1f} "
                f"points and test accuracy by {test:+.1f}, mean of {len(results.carryover['trials'])} seeds."
            ),
            Paragraph(
                "The same network twice: `fresh` is new in every fold; `carried` keeps the hidden layers "
                "that the fold before ended with and renews the last layer and the optimiser, as the paper's "
                "released code does with its backbone. The fold before was trained on this fold's validation "
                "images, all of them, so only fold 0 is an honest score. No other number of this page is "
                "made so."
            ),
            Table(
                f"Accuracy in %: validation of each fold, then mean ± population standard deviation over "
                f"{len(results.split.folds)} folds; test: {len(results.split.test)} images",
                ["Seed", "series", *(f"fold {k}" for k in range(len(results.split.folds))), "val", "test"],
                rows,
            ),
        ],
    )


def _order_alone(audit: Audit) -> list[Block]:
    told = order_sentence(audit)
    if told is None:
        return []
    return [
        Note(
            f"{told} Ids count up over the years and materials were grown in campaigns: a score on this "
            "split does not by itself prove that a model recognises the material rather than the campaign."
        )
    ]


def confusion_section(results: PublishedResults) -> Section:
    """Count which materials are taken for which, over all images, by models that never saw their sample."""
    matrices = {called(name): np.array(score["confusion"]) for name, score in results.scores.items()}
    images = len(results.tables.sample_ids)
    best = max(
        (name for name in results.scores if name != "sample_id_only"),
        key=lambda name: float(results.scores[name]["pooled"]["macro_f1"]),
    )
    return Section(
        "Confusion matrices",
        [
            Figure(
                f"Pooled over ten outer folds: {images} images, rows true, and their share of the row.",
                "Confusion matrices of " + ", ".join(matrices) + ".",
                confusion_matrices(matrices, MATERIALS),
            ),
            confusion_table(
                f"{called(best)}: {images} images, each predicted by a model that never saw its sample; a "
                "row per true class",
                results.scores[best]["confusion"],
                MATERIALS,
            ),
        ],
    )


def called(name: str) -> str:
    """Say what a reader calls a classifier, with its way in a few words where it has any."""
    return _NAMES.get(name, name)
