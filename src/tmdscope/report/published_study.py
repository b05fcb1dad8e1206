"""The report of the published study: measured numbers beside the paper's."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tmdscope.materials import MATERIALS
from tmdscope.report.page import Paragraph, Section, Table
from tmdscope.report.paper import digits_of, find_row, printed
from tmdscope.report.part import Part, Report
from tmdscope.report.published import PublishedResults
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.classifiers import Classifiers
from tmdscope.report.sections.confusion import Confusion
from tmdscope.report.sections.families import Families
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.pooled import PooledPart
from tmdscope.report.sections.provenance import Provenance, Reproduction
from tmdscope.report.sections.sequential import Sequences
from tmdscope.report.text import averaged, capital, estimated, unit_of
from tmdscope.studies.published_features.carryover_section import CarriedLayers

PAPER_TEST = {"MoS2": 47, "WS2": 18, "WSe2": 13, "MoSe2": 12, "Mo-WSe2": 14}
"""Held-out images per material: Table 1 of the TMD paper."""

PAPER_TABLE_5 = {
    "grain_density": ("-0.25 (PC5)", "0.48 (PC7)", 0.61),
    "local_variation": ("-0.25 (PC4)", "0.50 (PC7)", 0.65),
    "dissimilarity": ("-0.28 (PC3)", "0.48 (PC7)", 0.66),
}
"""Lowest r, highest r and regression R: rows 8, 12 and 14 of Table 5 of the TMD paper."""

PAPER_ROW = ("Table 2", "ImageNet* (features)")
"""What classifier `mlp` measures again."""

CALLED = {
    "mlp": "mlp: the paper's ImageNet*",
    "svc": "svc: L2, standardise, RBF",
    "logistic": "logistic: standardise",
    "sample_id_only": "sample id only (sees no image)",
}
"""Classifier to what a reader calls it, with its way in a few words."""

_HEADS_ONLY = (
    "Here a stage trains the head only, on frozen features of ImageNet weights; the paper fine-tunes the "
    "whole network, so this neither repeats nor refutes its Figure 4. No model is registered: a head on "
    "features takes no image."
)


def report_of(results: PublishedResults) -> Report:
    """Make the report."""
    task, test, digest = results.task, len(results.split.test), results.tables.digest
    pooled = {name: score.pooled for name, score in results.scores.items()}
    fixed = {CALLED[name]: found for name, found in pooled.items() if name != "sample_id_only"}
    audit, published = AuditPart(results.audit), {"paper's ImageNet* (Table 2)": find_row(*PAPER_ROW)}
    data, latent = _PublishedData(results), _latent(results)
    sequences = Sequences(results.sequential, task.primary, MATERIALS, _HEADS_ONLY)
    about = (
        f"Data set SHA-256 {digest}. This study has features and embeddings but no images: there is nothing "
        "that attribution maps could be drawn on."
    )
    conditions = (
        "`make published` fetches the authors' tables, or reads them where TMDSCOPE_PUBLISHED_DIR says, "
        "checks their SHA-256 and runs every stage that is not up to date, under the settings of "
        "pipelines/published_features/params.yaml of that commit. Another processor or version of torch may "
        "change the last digits."
    )
    return Report(
        title="The published TMD-AFM features, measured again",
        lead="Features and embeddings of the TMD paper's images, its classifiers and others, and what their "
        "scores are worth.",
        parts=[
            data,
            audit,
            Classifiers(task, results.scores, CALLED, published, audit.order(), test),
            PooledPart(task, pooled, CALLED),
            Families(task, results.search, fixed),
            CarriedLayers(task, results.carryover, test),
            _confusion(results),
            sequences,
            latent,
            Provenance(results.runs, about),
            Reproduction(results.runs, "make published", conditions),
        ],
        said=[data, audit, sequences, latent],
    )


@dataclass(frozen=True)
class _PublishedData(Part):
    """The published images, and the first scores of classifiers on them."""

    results: PublishedResults

    def metrics(self) -> dict[str, Any]:
        """Say what the data are."""
        tables = self.results.tables
        return {
            "dataset": {
                "images": len(tables.sample_ids),
                "distinct_images": int(tables.distinct.sum()),
                "samples": len(set(tables.sample_ids)),
                "sha256": tables.digest,
            },
            "split": {"test": self.results.test_counts},
        }

    def sentences(self) -> list[str]:
        """Say what the data are, and how good each classifier is on samples that it never saw."""
        numbers, plain, scores = self.metrics()["dataset"], self.results.task.plain, self.results.scores
        pooled = {CALLED[name].partition(":")[0]: score.pooled for name, score in scores.items()}
        pooled["searched, nested"] = self.results.search.pooled
        unit = unit_of(plain)
        listed = "; ".join(f"{name} {estimated(plain, found.all)} {unit}" for name, found in pooled.items())
        data = (
            f"Data: {numbers['images']} published images ({numbers['distinct_images']} distinct) of "
            f"{numbers['samples']} samples, as features of frozen networks."
        )
        first = (
            f"{capital(plain.title)} when the sample was never seen, pooled over ten outer folds (95 % "
            f"intervals bootstrapped by sample, as all in brackets here): {listed}. The intervals of two "
            "classifiers alone do not say which is better."
        )
        said = [data, first]
        paper = find_row(*PAPER_ROW).score(plain.name, "val")
        if "mlp" in scores and paper is not None:
            said.append(
                f"The paper's ImageNet*, measured again: validation {plain.title} "
                f"{averaged(plain, scores['mlp'].mean('val', plain.name))} {unit}, in the paper "
                f"{printed(paper, digits_of(plain))} {unit} (mean ± standard deviation over five folds, "
                "which is no interval)."
            )
        return said

    def section(self) -> Section:
        """Count the images of each material, beside the paper's."""
        rows = [
            [name, str(self.results.tables.materials.count(name)), str(count), str(PAPER_TEST[name])]
            for name, count in self.results.test_counts.items()
        ]
        lead = (
            "Features: average pool of ResNet18 with ImageNet weights, 512 values, from Moses & Reinhart "
            "(doi:10.5281/zenodo.13961220). Split: StratifiedGroupKFold without shuffling, grouped by sample "
            "id as text; the test is fold 0 of 10, then 5 folds on the rest."
        )
        header = ["Material", "all", "test", "test in the paper's Table 1"]
        return Section("Data and split", [Paragraph(lead), Table("Images per material", header, rows)])


def _confusion(results: PublishedResults) -> Confusion:
    images, primary = len(results.tables.sample_ids), results.task.primary
    best = max(
        (name for name in results.scores if name != "sample_id_only"),
        key=lambda name: primary.gain(results.scores[name].pooled.all.values[primary.name], 0),
    )
    return Confusion(
        matrices={CALLED[name]: np.array(score.confusion) for name, score in results.scores.items()},
        classes=MATERIALS,
        about=f"Pooled over ten outer folds: {images} images, rows true, and their share of the row.",
        best=CALLED[best],
        about_best=f"{CALLED[best]}: {images} images, each predicted by a model that never saw its sample",
    )


def _latent(results: PublishedResults) -> LatentSpace:
    return LatentSpace(
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
