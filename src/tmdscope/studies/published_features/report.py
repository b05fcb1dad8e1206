"""The report of the study on published features: measured numbers beside the paper's."""

from collections.abc import Mapping

from tmdscope.analysis.record import Latent
from tmdscope.files import read_table
from tmdscope.jobs.study import Study
from tmdscope.jobs.table_report import TableParts, read_parts
from tmdscope.materials import MATERIALS
from tmdscope.models.tabular import SAMPLE_ID_ONLY
from tmdscope.report.part import Report
from tmdscope.report.sections.data import TableData
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.provenance import Provenance, Reproduction, read_runs
from tmdscope.report.sections.sequential import SequencesPart
from tmdscope.report.text import averaged, digits_of, printed
from tmdscope.run_record import StageRuns
from tmdscope.scores.text import unit_of
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.published_features.carryover_section import CarryoverPart
from tmdscope.studies.published_features.layers import Carryover
from tmdscope.studies.published_features.tables import PublishedTables, read_tables
from tmdscope.studies.tmd_materials.paper import read_figure_4, read_published

PAPER_TEST_IMAGES = {"MoS2": 47, "WS2": 18, "WSe2": 13, "MoSe2": 12, "Mo-WSe2": 14}
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
    SAMPLE_ID_ONLY: "sample id only (sees no image)",
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
    cohort, folder, carryover = tables.cohort, layout.sequential, layout.scores.with_name("carryover.json")
    task, of, left = cohort.task, study.of(cohort.digest), read_parts(study, cohort, CALLED)
    found = SequenceRecord.read(folder / "sequential.json", folder / "latent.csv", of, task.primary)
    data, latent = _data(left), _latent(study, tables, of)
    sequences = SequencesPart(found, task.primary, MATERIALS, read_figure_4(), _HEADS_ONLY)
    more = carryover.with_name("carryover_run.json"), folder / "run.json"
    runs = [*left.runs, *(run for path in more for run in read_runs(StageRuns.read(path, of)))]
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
        answer=left.answer(
            "a method that a search chose",
            "material",
            "images",
            {SAMPLE_ID_ONLY: "going by the sample's number"},
        ),
        parts=[
            *(data, left.audit),
            *left.methods({"paper's ImageNet* (Table 2)": PAPER_ROW.scores}, [SAMPLE_ID_ONLY]),
            CarryoverPart(task, Carryover.read(carryover, of), len(left.split.test)),
            *left.confusion([SAMPLE_ID_ONLY]),
            *(sequences, latent),
            Provenance(runs, about),
            Reproduction(runs, "make published", conditions),
        ],
    )


def _data(left: TableParts) -> TableData:
    """Set the numbers of images, and the network's score, beside the paper's."""
    scores = left.scores
    plain, more = left.cohort.task.plain, []
    paper, unit = PAPER_ROW.score(plain.name, "val"), unit_of(plain)
    if "mlp" in scores and paper is not None:
        more.append(
            f"The paper's ImageNet*, measured again: validation {plain.title} "
            f"{averaged(plain, scores['mlp'].mean('val', plain.name))} {unit}, in the paper "
            f"{printed(paper, digits_of(plain))} {unit} (mean ± standard deviation over five folds, which is "
            "no interval)."
        )
    return left.data(
        kind="published images",
        seen_as=", as features of frozen networks",
        about="Features: average pool of ResNet18 with ImageNet weights, 512 values, from Moses & Reinhart "
        "(doi:10.5281/zenodo.13961220). Split: StratifiedGroupKFold without shuffling, grouped by sample "
        "id as text; the test is fold 0 of 10, then 5 folds on the rest.",
        each="Material",
        beside={"test in the paper's Table 1": PAPER_TEST_IMAGES},
        more=more,
    )


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
