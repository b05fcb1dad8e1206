"""The report of the study on properties that help one another."""

from tmdscope.jobs.study import Study
from tmdscope.jobs.table_report import read_parts
from tmdscope.report.answer import answer, without_looking
from tmdscope.report.page import Claim
from tmdscope.report.part import Report
from tmdscope.report.sections.provenance import Provenance, Reproduction, read_runs
from tmdscope.run_record import StageRuns
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.property_transfer.benchmark import Benchmark
from tmdscope.studies.property_transfer.colours import Colours
from tmdscope.studies.property_transfer.curves import ALL, Curves
from tmdscope.studies.property_transfer.reactions import Cancelling
from tmdscope.studies.property_transfer.sections.benchmark import BenchmarkPart
from tmdscope.studies.property_transfer.sections.claims import ClaimsPart
from tmdscope.studies.property_transfer.sections.colours import ColoursPart
from tmdscope.studies.property_transfer.sections.curves import CurvesPart, ways_called
from tmdscope.studies.property_transfer.sections.reactions import ReactionsPart
from tmdscope.studies.property_transfer.sections.words import SIMULATED
from tmdscope.studies.property_transfer.tables import read_tables
from tmdscope.studies.property_transfer.ways import WAYS

_KEYS = {"simulated": "simulated_gap", "csv": "own_property"}
"""Where numbers of the curves are kept, of other tables than the published ones."""

_STAGES = ("curves", "benchmark", "colours", "reactions")


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    layout, cohort = study.layout, study.cohort(study)
    folder, of, metric = layout.scores.parent, study.of(cohort.digest), cohort.task.primary
    about = read_tables(layout.tables).about
    simulated = about["source"] == "simulated"
    left = read_parts(study, cohort, ways_called())
    more = [run for stage in _STAGES for run in read_runs(StageRuns.read(folder / f"{stage}_run.json", of))]
    curves = CurvesPart(
        cohort, Curves.read(folder / "curves.json", of), simulated, _KEYS.get(about["source"], "band_gap")
    )
    benchmark = BenchmarkPart(metric, Benchmark.read(folder / "benchmark.json", of), simulated)
    colours = ColoursPart(Colours.read(folder / "colours.json", of))
    reactions = ReactionsPart(metric, Cancelling.read(folder / "reactions.json", of))
    claims = ClaimsPart(curves, colours, reactions)
    data = left.data(
        kind="compounds",
        seen_as=", as statistics of element properties and a cheap value",
        each="Range",
        about=f"Source of the tables: {about['source']}. Compounds that are the same, or nearly, are one "
        "sample; stratified folds that share none.",
    )
    runs = [*left.runs, *more]
    conditions = (
        "The command runs every stage that is not up to date, under the settings of that commit. Another "
        "processor or version of a library may change the last digits."
    )
    return Report(
        title="What a cheap property knows of a dear one",
        lead="A property that is dear to measure, from formulae, helped by one that is cheap.",
        answer=_answer(cohort, curves.found, simulated),
        parts=[
            *(curves, claims, benchmark, colours, reactions, data, left.audit, *left.methods()),
            Provenance(runs, f"Data set SHA-256 {cohort.digest}."),
            Reproduction(runs, "make transfer", conditions),
        ],
        note=SIMULATED * simulated,
    )


def _answer(cohort: Cohort, found: Curves, simulated: bool) -> Claim:
    """Say what the best way does with all labels, beside what sees the formula alone, or the cheap value."""
    task, name = cohort.task, cohort.task.told.name
    best = min(WAYS, key=lambda way: found.point(way, ALL).values[name])
    beside = {task.unseen: without_looking(task, cohort.targets, cohort.targets)}
    others = {way: found.point(way, ALL).values[name] for way in ("lookup", "composition") if way != best}
    beside |= {WAYS[way].title: value for way, value in others.items()}
    what = "made value" if simulated else "measured value"
    subject = f"the best way ({WAYS[best].title})"
    return answer(task, found.point(best, ALL), beside, subject, what, "compounds")
