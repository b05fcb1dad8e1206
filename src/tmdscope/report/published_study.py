"""The report of the published study: measured numbers beside the paper's."""

from collections.abc import Mapping
from typing import Any

from tmdscope.materials import MATERIALS
from tmdscope.report.audit import audit_section
from tmdscope.report.audit_metrics import audit_metrics
from tmdscope.report.families import families_metrics, families_section
from tmdscope.report.latent import LatentView, latent_metrics, latent_section
from tmdscope.report.page import Page, Paragraph, Points, Section, Table, plus_minus, with_interval
from tmdscope.report.provenance import provenance_section, reproduce_section
from tmdscope.report.published import PublishedResults
from tmdscope.report.published_scores import (
    PAPER_IMAGENET_MLP,
    called,
    carryover_section,
    classifiers_section,
    confusion_section,
    pooled_section,
)
from tmdscope.report.sequential import sequential_section
from tmdscope.report.sequential_metrics import sequential_metrics
from tmdscope.report.summary import audit_sentences, latent_sentences, sequential_sentences
from tmdscope.scores.task import CLASSES

PAPER_TEST = {"MoS2": 47, "WS2": 18, "WSe2": 13, "MoSe2": 12, "Mo-WSe2": 14}
"""Held-out images per material: Table 1 of the TMD paper."""

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


def metrics(results: PublishedResults) -> dict[str, Any]:
    """Collect the numbers of all parts of the study that DVC compares."""
    kept = ("train_accuracy", "val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1")
    return {
        "dataset": {
            "images": len(results.tables.sample_ids),
            "distinct_images": int(results.tables.distinct.sum()),
            "samples": len(set(results.tables.sample_ids)),
            "sha256": results.tables.digest,
        },
        "split": {"test": results.test_counts},
        "classifiers": {name: {key: score[key] for key in kept} for name, score in results.scores.items()},
        "pooled": {name: score["pooled"] for name, score in results.scores.items()},
        "confusion": {name: score["confusion"] for name, score in results.scores.items()},
        "search": families_metrics(results.search),
        "audit": audit_metrics(results.audit),
        "sequential": sequential_metrics(results.sequential, CLASSES.primary),
        "latent": latent_metrics(results.latent),
        "carryover": _carryover(results.carryover),
    }


def compose(results: PublishedResults) -> Page:
    """Write the report."""
    return Page(
        title="The published TMD-AFM features, measured again",
        lead="Features and embeddings of the TMD paper's images, its classifiers and others, and what their "
        "scores are worth.",
        sections=[
            _summary(results),
            _data(results),
            audit_section(results.audit),
            classifiers_section(results),
            pooled_section(results),
            _families(results),
            *([carryover_section(results)] if results.carryover["enabled"] else []),
            confusion_section(results),
            *_sequential(results),
            _latent(results),
            provenance_section(
                results.runs,
                f"Data set SHA-256 {results.tables.digest}. This study has features and embeddings but no "
                "images: there is nothing that attribution maps could be drawn on.",
            ),
            _reproduce(results),
        ],
    )


def _summary(results: PublishedResults) -> Section:
    numbers, scores = metrics(results)["dataset"], results.scores
    pooled = {called(name).partition(":")[0]: score["pooled"] for name, score in scores.items()}
    pooled["searched, nested"] = results.search["pooled"]
    listed = "; ".join(
        f"{name} {with_interval(score['accuracy'], score['accuracy_ci95'], percent=True)} %"
        for name, score in pooled.items()
    )
    data = (
        f"Data: {numbers['images']} published images ({numbers['distinct_images']} distinct) of "
        f"{numbers['samples']} samples, as features of frozen networks."
    )
    first = (
        "Right when the sample was never seen, pooled over ten outer folds (95 % intervals bootstrapped by "
        f"sample, as all in brackets here): {listed}. The intervals of two classifiers alone do not say "
        "which is better."
    )
    sentences = [data, first]
    if "mlp" in scores:
        ours, paper = scores["mlp"]["val_accuracy"], PAPER_IMAGENET_MLP["accuracy"]
        sentences.append(
            f"The paper's ImageNet*, measured again: validation accuracy {plus_minus(ours, percent=True)} %, "
            f"in the paper {plus_minus(paper, percent=True)} % (mean ± standard deviation over five folds, "
            "which is no interval)."
        )
    sentences += [
        *audit_sentences(results.audit),
        *sequential_sentences(results.sequential, CLASSES.primary),
        *latent_sentences(results.latent),
    ]
    return Section("In short", [Points(sentences)])


def _carryover(found: Mapping[str, Any]) -> dict[str, Any]:
    if not found["enabled"]:
        return dict(found)
    trials = {
        str(trial["seed"]): {series: trial[series] for series in ("fresh", "carried")}
        for trial in found["trials"]
    }
    return {**found, "trials": trials}


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


def _families(results: PublishedResults) -> Section:
    fixed = {name: score["pooled"] for name, score in results.scores.items() if name != "sample_id_only"}
    return families_section(results.search, {called(name): pooled for name, pooled in fixed.items()})


def _sequential(results: PublishedResults) -> list[Section]:
    if results.sequential is None:
        return []
    return [sequential_section(results.sequential, CLASSES.primary, MATERIALS, _HEADS_ONLY)]


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


def _reproduce(results: PublishedResults) -> Section:
    conditions = (
        "`make published` fetches the authors' tables, or reads them where TMDSCOPE_PUBLISHED_DIR says, "
        "checks their SHA-256 and runs every stage that is not up to date, under the settings of "
        "pipelines/published_features/params.yaml of that commit. Another processor or version of torch may "
        "change the last digits."
    )
    return reproduce_section(results.runs, "make published", conditions, [])
