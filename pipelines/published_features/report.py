"""Stage `report`: the published study's numbers, beside the paper's."""

from pathlib import Path

import pandas as pd

from tmdscope.audit.record import Audit
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import read_tables
from tmdscope.files import read_table, write_json
from tmdscope.record import read_record
from tmdscope.report.page import write_page
from tmdscope.report.provenance import read_runs
from tmdscope.report.published import PublishedResults
from tmdscope.report.published_study import compose, metrics
from tmdscope.scores.task import CLASSES
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
    sequential = read_record(DATA / "sequential.json", of, [panels])
    results = PublishedResults(
        tables=tables,
        split=read_split(DATA / "split.json", tables.manifest),
        scores=read_record(DATA / "scores.json", of),
        latent=read_record(DATA / "latent.json", of, plots),
        scatter=read_table(DATA / "latent.csv"),
        correlations=read_table(DATA / "latent_correlations.csv"),
        runs=[run for file in RUNS for run in read_runs(read_record(DATA / file, of))],
        carryover=read_record(DATA / "carryover.json", of),
        search=read_record(DATA / "search.json", of),
        audit=Audit.read(DATA / "audit.json", CLASSES, of),
        sequential=sequential,
        panels=read_table(panels) if sequential["enabled"] else pd.DataFrame(),
    )
    write_json(METRICS, metrics(results))
    write_page(PAGE, compose(results))
    print(f"{PAGE}: open it in a browser; numbers in {METRICS}")


if __name__ == "__main__":
    run_stage(main)
