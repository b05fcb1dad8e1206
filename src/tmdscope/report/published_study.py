"""The report of the published study: measured numbers beside the paper's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tmdscope.dataset.published import PublishedTables
from tmdscope.dataset.splits import Split
from tmdscope.materials import MATERIALS
from tmdscope.report.audit import audit_metrics, audit_section
from tmdscope.report.families import families_metrics, families_section
from tmdscope.report.latent import LatentView, latent_metrics, latent_section
from tmdscope.report.page import (
    Note,
    Page,
    Paragraph,
    Section,
    Table,
    plus_minus,
    with_interval,
)
from tmdscope.report.sequential import sequential_metrics, sequential_section

PAPER_TEST = {"MoS2": 47, "WS2": 18, "WSe2": 13, "MoSe2": 12, "Mo-WSe2": 14}
"""Held-out images per material: Table 1 of the TMD paper."""

PAPER_IMAGENET_MLP = {"accuracy": {"mean": 0.745, "std": 0.031}, "macro_f1": {"mean": 0.74, "std": 0.03}}
"""Validation scores of row ImageNet*: Table 2 of the TMD paper."""

PAPER_TABLE_5 = {
    "grain_density": ("-0.25 (PC5)", "0.48 (PC7)", 0.61),
    "local_variation": ("-0.25 (PC4)", "0.50 (PC7)", 0.65),
    "dissimilarity": ("-0.28 (PC3)", "0.48 (PC7)", 0.66),
}
"""Lowest r, highest r and regression R: rows 8, 12 and 14 of Table 5 of the TMD paper."""

_HEADS_ONLY = (
    "Here a stage trains the head only, on frozen features of ImageNet weights; the paper fine-tunes the "
    "whole network, so this neither repeats nor refutes its Figure 4. No model is registered: a head on "
    "features takes no image."
)

_NAMES = {
    "mlp": "mlp: the paper's ImageNet*",
    "svc": "svc: L2, standardise, RBF",
    "logistic": "logistic: standardise",
    "sample_id_only": "sample id only (sees no image)",
}


@dataclass(frozen=True)
class PublishedResults:
    """Everything the report is written from.

    Attributes
    ----------
    tables : PublishedTables
        The published tables.
    split : Split
        Held-out test and folds.
    scores : dict
        Classifier name to its scores.
    latent : dict
        Content of ``latent.json``; text in place of figures that need missing descriptors.
    scatter : pandas.DataFrame
        Component scores with material and part.
    correlations : pandas.DataFrame
        Every correlation of a descriptor with a component.
    runs : dict
        Classifier name to its MLflow run.
    carryover : dict
        Content of ``carryover.json``: ``enabled``, and what the two series gave where it is true.
    search : dict
        Content of ``search.json``: what the searches over families chose, and the pooled scores.
    audit : dict
        Content of ``audit.json``: what a score is worth.
    sequential : dict
        Content of ``sequential.json``: ``enabled``, and what the sequences gave where it is true.
    panels : pandas.DataFrame
        The stages' latent panels; empty where sequences are not enabled.
    """

    tables: PublishedTables
    split: Split
    scores: Mapping[str, Mapping[str, Any]]
    latent: Mapping[str, Any]
    scatter: pd.DataFrame
    correlations: pd.DataFrame
    runs: Mapping[str, str]
    carryover: Mapping[str, Any]
    search: Mapping[str, Any]
    audit: Mapping[str, Any]
    sequential: Mapping[str, Any]
    panels: pd.DataFrame

    @property
    def test_counts(self) -> dict[str, int]:
        """Held-out images per material."""
        material = dict(zip(self.tables.image_ids, self.tables.materials, strict=True))
        held_out = [material[image] for image in self.split.test]
        return {name: held_out.count(name) for name in MATERIALS}


def metrics(results: PublishedResults) -> dict[str, Any]:
    """Collect the numbers that DVC compares.

    Parameters
    ----------
    results : PublishedResults
        The study.

    Returns
    -------
    dict
        ``dataset``, ``split``, ``classifiers``, ``pooled``, ``search``, ``audit``, ``sequential``, ``latent``
        and ``carryover``.
    """
    kept = ("val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1")
    pooled = ("accuracy", "macro_f1", "accuracy_ci95")
    return {
        "dataset": {
            "images": len(results.tables.sample_ids),
            "distinct_images": int(results.tables.distinct.sum()),
            "samples": len(set(results.tables.sample_ids)),
        },
        "split": {"test": results.test_counts},
        "classifiers": {name: {key: score[key] for key in kept} for name, score in results.scores.items()},
        "pooled": {
            name: {key: score["pooled"][key] for key in pooled} for name, score in results.scores.items()
        },
        "search": families_metrics(results.search),
        "audit": audit_metrics(results.audit),
        "sequential": sequential_metrics(results.sequential),
        "latent": latent_metrics(results.latent),
        "carryover": {key: value for key, value in results.carryover.items() if key != "trials"},
    }


def compose(results: PublishedResults) -> Page:
    """Write the report.

    Parameters
    ----------
    results : PublishedResults
        The study.

    Returns
    -------
    Page
        Ready to be rendered.
    """
    numbers = metrics(results)["dataset"]
    svc, only_id = results.scores["svc"]["pooled"], results.scores["sample_id_only"]["pooled"]
    lead = (
        f"{numbers['images']} published images ({numbers['distinct_images']} distinct) of "
        f"{numbers['samples']} samples. A support vector machine on frozen features is right on "
        f"{with_interval(svc['accuracy'], svc['accuracy_ci95'], percent=True)} % of them when their sample "
        f"was never seen; the sample's number alone, without any image, on "
        f"{with_interval(only_id['accuracy'], only_id['accuracy_ci95'], percent=True)} %."
    )
    return Page(
        title="The published TMD-AFM features, measured again",
        lead=lead,
        sections=[
            _data(results),
            _classifiers(results),
            _pooled(results),
            _families(results),
            audit_section(results.audit),
            *_sequential(results),
            *([_carryover(results)] if results.carryover["enabled"] else []),
            _latent(results),
            _runs(results),
        ],
    )


def _data(results: PublishedResults) -> Section:
    rows = [
        [name, str(results.tables.materials.count(name)), str(count), str(PAPER_TEST[name])]
        for name, count in results.test_counts.items()
    ]
    return Section(
        "Data and split",
        [
            Paragraph(
                "Features: average pool of ResNet18 with ImageNet weights, 512 values, from Moses & Reinhart "
                "(doi:10.5281/zenodo.13961220). Split: StratifiedGroupKFold without shuffling, grouped by "
                "sample id as text; the test is fold 0 of 10, then 5 folds on the rest."
            ),
            Table("Images per material", ["Material", "all", "test", "test in the paper's Table 1"], rows),
        ],
    )


def _classifiers(results: PublishedResults) -> Section:
    rows = [
        [
            _NAMES.get(name, name),
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
            Note(
                "The baseline that sees nothing but the sample's number scores higher than every classifier: "
                "ids count up over the years and materials were grown in campaigns. A score on this split "
                "does not prove that a model recognises the material rather than the campaign."
            ),
        ],
    )


def _pooled(results: PublishedResults) -> Section:
    rows = []
    for name, score in results.scores.items():
        pooled, distinct = score["pooled"], score["pooled"]["distinct"]
        rows.append(
            [
                _NAMES.get(name, name),
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


def _families(results: PublishedResults) -> Section:
    fixed = {name: score["pooled"] for name, score in results.scores.items() if name != "sample_id_only"}
    return families_section(
        results.search, {_NAMES.get(name, name): pooled for name, pooled in fixed.items()}
    )


def _sequential(results: PublishedResults) -> list[Section]:
    if not results.sequential["enabled"]:
        return []
    return [sequential_section(results.sequential, results.panels, MATERIALS, _HEADS_ONLY)]


def _carryover(results: PublishedResults) -> Section:
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


def _latent(results: PublishedResults) -> Section:
    view = LatentView(
        found=results.latent,
        points=results.scatter,
        table=results.correlations,
        descriptors=results.tables.descriptors,
        images=None,
        classes=MATERIALS,
        embedding="100 values of the authors' fine-tuned ResNet152 (multilabel), before the ReLU",
        before="ResNet18, ImageNet weights",
        what=f"{len(results.tables.sample_ids)} published images",
        paper=PAPER_TABLE_5,
    )
    return latent_section(view)


def _runs(results: PublishedResults) -> Section:
    return Section(
        "Provenance",
        [
            Paragraph(f"Data set SHA-256 {results.tables.digest}. To reproduce: `make published`."),
            Table("MLflow runs", ["Classifier", "run"], [[name, run] for name, run in results.runs.items()]),
        ],
    )
