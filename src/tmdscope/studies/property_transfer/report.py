"""The report of the study on properties that help one another."""

from tmdscope.jobs.study import Study
from tmdscope.jobs.table_report import read_parts
from tmdscope.record import read_record
from tmdscope.report.part import Report
from tmdscope.report.sections.provenance import Provenance, Reproduction, read_runs
from tmdscope.studies.property_transfer.benchmark import Benchmark
from tmdscope.studies.property_transfer.colours import Colours
from tmdscope.studies.property_transfer.curves import Curves
from tmdscope.studies.property_transfer.reactions import Cancelling
from tmdscope.studies.property_transfer.sections.benchmark import BenchmarkPart
from tmdscope.studies.property_transfer.sections.colours import ColoursPart
from tmdscope.studies.property_transfer.sections.curves import CurvesPart, ways_called
from tmdscope.studies.property_transfer.sections.reactions import ReactionsPart
from tmdscope.studies.property_transfer.sections.words import SIMULATED
from tmdscope.studies.property_transfer.tables import read_tables

_STAGES = ("curves", "benchmark", "colours", "reactions")


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    layout, cohort = study.layout, study.cohort(study)
    folder, of, metric = layout.scores.parent, study.of(cohort.digest), cohort.task.primary
    about = read_tables(layout.tables).about
    simulated = about["source"] == "simulated"
    left = read_parts(study, cohort, ways_called())
    more = [run for stage in _STAGES for run in read_runs(read_record(folder / f"{stage}_run.json", of))]
    curves = CurvesPart(cohort, Curves.read(folder / "curves.json", of), simulated)
    benchmark = BenchmarkPart(metric, Benchmark.read(folder / "benchmark.json", of), simulated)
    colours = ColoursPart(Colours.read(folder / "colours.json", of))
    reactions = ReactionsPart(metric, Cancelling.read(folder / "reactions.json", of))
    data = left.data(
        kind="compounds",
        seen_as=", as statistics of element properties and a cheap gap",
        about=f"Source of the tables: {about['source']}. Compounds that are the same, or nearly, are one "
        "sample; stratified folds that share none.",
        each="Range",
    )
    runs = [*left.runs, *more]
    conditions = (
        "The command runs every stage that is not up to date, under the settings of that commit. Another "
        "processor or version of a library may change the last digits."
    )
    return Report(
        title="What a cheap property knows of a dear one",
        lead="Gaps of compounds from their formulae, helped by gaps that are computed.",
        parts=[
            *(data, curves, benchmark, colours, reactions, left.audit, *left.methods()),
            Provenance(runs, f"Data set SHA-256 {cohort.digest}."),
            Reproduction(runs, "make transfer", conditions),
        ],
        said=[curves, benchmark, colours, reactions, data, left.audit],
        note=SIMULATED * simulated,
    )
