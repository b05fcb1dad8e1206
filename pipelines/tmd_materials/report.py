"""Stage `report`: the numbers that DVC compares and the page that a person opens."""

from pathlib import Path

import pandas as pd

from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset
from tmdscope.files import read_json, write_json
from tmdscope.learn.baseline import sample_id_baseline
from tmdscope.learn.experiment import fold_parts
from tmdscope.params import DataParams, ReportParams, TrackingParams, read_experiments, read_section
from tmdscope.report.materials_study import StudyResults, compose, metrics
from tmdscope.report.page import write_page
from tmdscope.stage import run_stage

DATA = Path("data")
PLOTS = Path("reports/experiments")
SCATTER = Path("reports/latent.csv")
METRICS = Path("reports/metrics.json")
PAGE = Path("reports/index.html")


def main() -> None:
    """Gather what the stages wrote."""
    settings = read_section("report", ReportParams)
    data = read_section("data", DataParams)
    dataset = Dataset.load(DATA / "prepared")
    names = list(read_experiments())
    folds = fold_parts(Split.read(DATA / "split.json"), dataset)
    samples = dataset.manifest["sample_id"].to_numpy()
    results = StudyResults(
        study=read_section("tracking", TrackingParams).study,
        simulated=data.source == "simulated",
        classes=data.classes,
        dataset=dataset,
        counts=pd.read_csv(DATA / "split_counts.csv", index_col=0),
        scores={name: read_json(DATA / "experiments" / name / "scores.json") for name in names},
        histories={name: pd.read_csv(PLOTS / name / "history.csv") for name in names},
        baseline=sample_id_baseline(samples, dataset.labels(data.classes), folds),
        pretraining=read_json(DATA / "pretrained" / "pretrain.json"),
        registered=read_json(DATA / "registered.json"),
        latent=read_json(DATA / "latent.json"),
        scatter=pd.read_csv(SCATTER),
        runs={name: read_json(DATA / "experiments" / name / "run.json") for name in names},
    )
    write_json(METRICS, metrics(results))
    write_page(PAGE, compose(results, settings.images_per_class))
    print(f"{PAGE}: open it in a browser; numbers in {METRICS}")


if __name__ == "__main__":
    run_stage(main)
