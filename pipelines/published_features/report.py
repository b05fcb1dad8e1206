"""Stage `report`: the published study's numbers, beside the paper's."""

from pathlib import Path

import pandas as pd

from tmdscope.dataset.published import read_tables
from tmdscope.dataset.splits import Split
from tmdscope.files import read_json, write_json
from tmdscope.report.page import write_page
from tmdscope.report.provenance import read_runs
from tmdscope.report.published import PublishedResults
from tmdscope.report.published_study import compose, metrics
from tmdscope.stage import run_stage

DATA = Path("data/published")
RUNS = ("run.json", "search_run.json", "audit_run.json", "carryover_run.json", "sequential_run.json")
METRICS = Path("reports/published_features/metrics.json")
PAGE = Path("reports/published_features/index.html")


def main() -> None:
    """Gather what the stages wrote."""
    sequential = read_json(DATA / "sequential.json")
    results = PublishedResults(
        tables=read_tables(DATA / "tables"),
        split=Split.read(DATA / "split.json"),
        scores=read_json(DATA / "scores.json"),
        latent=read_json(DATA / "latent.json"),
        scatter=pd.read_csv(DATA / "latent.csv"),
        correlations=pd.read_csv(DATA / "latent_correlations.csv"),
        runs=[run for file in RUNS for run in read_runs(read_json(DATA / file))],
        carryover=read_json(DATA / "carryover.json"),
        search=read_json(DATA / "search.json"),
        audit=read_json(DATA / "audit.json"),
        sequential=sequential,
        panels=pd.read_csv(DATA / "sequential_latent.csv") if sequential["enabled"] else pd.DataFrame(),
    )
    write_json(METRICS, metrics(results))
    write_page(PAGE, compose(results))
    print(f"{PAGE}: open it in a browser; numbers in {METRICS}")


if __name__ == "__main__":
    run_stage(main)
