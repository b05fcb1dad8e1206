"""Stage `report`: the published study's numbers, beside the paper's."""

from pathlib import Path

from tmdscope.analysis.record import Latent
from tmdscope.audit.record import Audit
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import read_tables
from tmdscope.files import read_table, write_json
from tmdscope.models.carryover import Carryover
from tmdscope.record import read_record
from tmdscope.report.page import write_page
from tmdscope.report.published import PublishedResults
from tmdscope.report.published_study import report_of
from tmdscope.report.sections.provenance import read_runs
from tmdscope.scores.records import FamilySearch, StudyScores
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.record import SequenceRecord
from tmdscope.stage import run_stage

DATA = Path("data/published")
RUNS = ("run.json", "search_run.json", "audit_run.json", "carryover_run.json", "sequential_run.json")
METRICS = Path("reports/published_features/metrics.json")
PAGE = Path("reports/published_features/index.html")


def main() -> None:
    """Gather what the stages wrote."""
    tables = read_tables(DATA / "tables")
    of, panels = {"data": tables.digest}, DATA / "sequential_latent.csv"
    plots = [DATA / "latent_correlations.csv", DATA / "latent.csv"]
    sequential = SequenceRecord.read(DATA / "sequential.json", panels, of, CLASSES.primary)
    results = PublishedResults(
        task=CLASSES,
        tables=tables,
        split=read_split(DATA / "split.json", tables.manifest),
        scores=StudyScores.read(DATA / "scores.json", of).classifiers,
        latent=Latent.read(DATA / "latent.json", of, plots),
        scatter=read_table(DATA / "latent.csv"),
        correlations=read_table(DATA / "latent_correlations.csv"),
        runs=[run for file in RUNS for run in read_runs(read_record(DATA / file, of))],
        carryover=Carryover.read(DATA / "carryover.json", of),
        search=FamilySearch.read(DATA / "search.json", of),
        audit=Audit.read(DATA / "audit.json", CLASSES, of),
        sequential=sequential,
    )
    report = report_of(results)
    write_json(METRICS, report.metrics())
    write_page(PAGE, report.page())
    print(f"{PAGE}: open it in a browser; numbers in {METRICS}")


if __name__ == "__main__":
    run_stage(main)
