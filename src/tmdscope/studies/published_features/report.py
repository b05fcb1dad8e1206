"""The report of the study on published features: measured numbers beside the paper's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tmdscope.analysis.record import Latent
from tmdscope.audit.record import Audit
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.splits import Split
from tmdscope.files import read_table
from tmdscope.jobs.study import Study
from tmdscope.materials import MATERIALS
from tmdscope.record import read_record
from tmdscope.report.page import Paragraph, Section, Table
from tmdscope.report.part import Part, Report
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.classifiers import Classifiers
from tmdscope.report.sections.confusion import Confusion
from tmdscope.report.sections.families import Families
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.pooled import PooledPart
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, read_runs
from tmdscope.report.sections.sequential import Sequences
from tmdscope.report.text import averaged, capital, digits_of, estimated, printed, unit_of
from tmdscope.scores.records import ClassifierScores, FamilySearch, Pooled, StudyScores
from tmdscope.scores.task import Task
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.published_features.carryover_section import CarriedLayers
from tmdscope.studies.published_features.layers import Carryover
from tmdscope.studies.published_features.tables import PublishedTables, read_tables
from tmdscope.studies.tmd_materials.paper import read_figure_4, read_published

PAPER_TEST = {"MoS2": 47, "WS2": 18, "WSe2": 13, "MoSe2": 12, "Mo-WSe2": 14}
"""Held-out images per material: Table 1 of the TMD paper."""

PAPER_TABLE_5 = {
    "grain_density": ("-0.25 (PC5)", "0.48 (PC7)", 0.61),
    "local_variation": ("-0.25 (PC4)", "0.50 (PC7)", 0.65),
    "dissimilarity": ("-0.28 (PC3)", "0.48 (PC7)", 0.66),
}
"""Lowest r, highest r and regression R: rows 8, 12 and 14 of Table 5 of the TMD paper."""

PAPER_ROW = read_published().row("Table 2", "ImageNet* (features)")
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


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    layout, tables = study.layout, read_tables(study.layout.tables)
    task, cohort = tables.cohort.task, tables.cohort
    of, of_data = study.of(cohort.digest), {"data": cohort.digest}
    split = read_split(layout.split, cohort.manifest)
    scores = StudyScores.read(layout.scores, of).classifiers
    search = FamilySearch.read(layout.search, of_data)
    carryover = layout.scores.with_name("carryover.json")
    found = SequenceRecord.read(
        layout.sequential / "sequential.json", layout.sequential / "latent.csv", of, task.primary
    )
    audit = AuditPart(Audit.read(layout.audit, task, of))
    pooled = {name: score.pooled for name, score in scores.items()}
    fixed = {CALLED[name]: one for name, one in pooled.items() if name != "sample_id_only"}
    published = {"paper's ImageNet* (Table 2)": PAPER_ROW.scores}
    data = _PublishedData(task, tables, split, scores, search.pooled)
    sequences = Sequences(found, task.primary, MATERIALS, read_figure_4(), _HEADS_ONLY)
    latent = _latent(study, tables, of)
    runs = [
        *read_runs(read_record(layout.run, of)),
        *read_runs(read_record(layout.search_run, of_data)),
        Run.of(vars(audit.found), "audit"),
        *read_runs(read_record(carryover.with_name("carryover_run.json"), of)),
        *read_runs(read_record(layout.sequential / "run.json", of)),
    ]
    about = (
        f"Data set SHA-256 {cohort.digest}. This study has features and embeddings but no images: there is "
        "nothing that attribution maps could be drawn on."
    )
    conditions = (
        "`make published` fetches the authors' tables, or reads them where TMDSCOPE_PUBLISHED_DIR says, "
        "checks their SHA-256 and runs every stage that is not up to date, under the settings of "
        f"{layout.settings} of that commit. Another processor or version of torch may change the last digits."
    )
    return Report(
        title="The published TMD-AFM features, measured again",
        lead="Features and embeddings of the TMD paper's images, its classifiers and others, and what their "
        "scores are worth.",
        parts=[
            *(data, audit),
            Classifiers(task, scores, CALLED, published, audit.order(), len(split.test)),
            PooledPart(task, pooled, CALLED),
            Families(task, search, fixed),
            CarriedLayers(task, Carryover.read(carryover, of), len(split.test)),
            Confusion.pooled(task, scores, cohort.classes, CALLED, beside=["sample_id_only"]),
            *(sequences, latent),
            Provenance(runs, about),
            Reproduction(runs, "make published", conditions),
        ],
        said=[data, audit, sequences, latent],
    )


@dataclass(frozen=True)
class _PublishedData(Part):
    """The published images, and the first scores of classifiers on them."""

    task: Task
    tables: PublishedTables
    split: Split
    scores: Mapping[str, ClassifierScores]
    searched: Pooled

    def _test_counts(self) -> dict[str, int]:
        cohort = self.tables.cohort
        held_out = pd.Series(cohort.label_names)[pd.Index(cohort.image_ids).isin(self.split.test)]
        return {name: int((held_out == name).sum()) for name in MATERIALS}

    def metrics(self) -> dict[str, Any]:
        """Say what the data are."""
        cohort = self.tables.cohort
        return {
            "dataset": {
                "images": len(cohort),
                "distinct_images": int(cohort.distinct.sum()),
                "samples": len(set(cohort.sample_ids)),
                "sha256": cohort.digest,
            },
            "split": {"test": self._test_counts()},
        }

    def sentences(self) -> list[str]:
        """Say what the data are, and how good each classifier is on samples that it never saw."""
        numbers, plain = self.metrics()["dataset"], self.task.plain
        pooled = {CALLED[name].partition(":")[0]: score.pooled for name, score in self.scores.items()}
        pooled["searched, nested"] = self.searched
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
        paper = PAPER_ROW.score(plain.name, "val")
        if "mlp" in self.scores and paper is not None:
            said.append(
                f"The paper's ImageNet*, measured again: validation {plain.title} "
                f"{averaged(plain, self.scores['mlp'].mean('val', plain.name))} {unit}, in the paper "
                f"{printed(paper, digits_of(plain))} {unit} (mean ± standard deviation over five folds, "
                "which is no interval)."
            )
        return said

    def section(self) -> Section:
        """Count the images of each material, beside the paper's."""
        rows = [
            [name, str(self.tables.materials.count(name)), str(count), str(PAPER_TEST[name])]
            for name, count in self._test_counts().items()
        ]
        lead = (
            "Features: average pool of ResNet18 with ImageNet weights, 512 values, from Moses & Reinhart "
            "(doi:10.5281/zenodo.13961220). Split: StratifiedGroupKFold without shuffling, grouped by sample "
            "id as text; the test is fold 0 of 10, then 5 folds on the rest."
        )
        header = ["Material", "all", "test", "test in the paper's Table 1"]
        return Section("Data and split", [Paragraph(lead), Table("Images per material", header, rows)])


def _latent(study: Study, tables: PublishedTables, of: Mapping[str, str]) -> LatentSpace:
    layout = study.layout
    return LatentSpace(
        found=Latent.read(layout.latent, of, [layout.latent_plot, layout.latent_table]),
        points=read_table(layout.latent_plot),
        table=read_table(layout.latent_table),
        descriptors=tables.descriptors,
        images=None,
        classes=MATERIALS,
        embedding="100 values of the authors' fine-tuned ResNet152 (multilabel), before the ReLU",
        before="ResNet18, ImageNet weights",
        what=f"{len(tables.sample_ids)} published images",
        paper=PAPER_TABLE_5,
    )
