"""Stage `report`: the numbers that DVC compares and the page that a person opens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import read_json, write_json
from tmdscope.layout import (
    ATTRIBUTION,
    AUDIT,
    DESCRIPTORS,
    EXPERIMENT_PLOTS,
    LATENT_PLOT,
    LATENT_TABLE,
    SEARCHES,
    SEQUENTIAL,
)
from tmdscope.learn.baseline import sample_id_baseline
from tmdscope.learn.experiment import fold_parts
from tmdscope.params.common import ScoringParams
from tmdscope.params.materials_study import DataParams, ReportParams, SplitParams, TrackingParams
from tmdscope.params.reading import read_params, read_section
from tmdscope.params.search import read_all_experiments, read_searches
from tmdscope.report.gains import pretraining_gains, target_gains
from tmdscope.report.materials_study import compose, metrics
from tmdscope.report.page import write_page
from tmdscope.report.provenance import Run, read_runs
from tmdscope.report.study import SearchResult, StudyResults
from tmdscope.stage import run_stage

DATA = Path("data")
EXPERIMENTS = DATA / "experiments"
METRICS = Path("reports/metrics.json")
PAGE = Path("reports/index.html")
SHIPPED = Path("profiles/default.yaml")


def main() -> None:
    """Gather what the stages wrote."""
    settings = read_section("report", ReportParams)
    data = read_section("data", DataParams)
    dataset = Dataset.load(DATA / "prepared")
    experiments = read_all_experiments(SEARCHES)
    scoring = read_section("scoring", ScoringParams)
    folds = fold_parts(Split.read(DATA / "split.json"), dataset)
    labels = dataset.labels(data.classes)
    samples = dataset.manifest["sample_id"].to_numpy()
    predictions = {name: pd.read_parquet(EXPERIMENTS / name / "predictions.parquet") for name in experiments}
    sequential, audit = read_json(SEQUENTIAL / "sequential.json"), read_json(AUDIT)
    registered = read_json(DATA / "registered.json")
    results = StudyResults(
        study=read_section("tracking", TrackingParams).study,
        data=data,
        split=read_section("split", SplitParams),
        experiments=experiments,
        dataset=dataset,
        counts=pd.read_csv(DATA / "split_counts.csv", index_col=0),
        scores={name: read_json(EXPERIMENTS / name / "scores.json") for name in experiments},
        predictions=predictions,
        gains=pretraining_gains(experiments, predictions, data.classes, scoring),
        targets=target_gains(experiments, predictions, data.classes, scoring),
        searches={name: read_search_result(SEARCHES / name) for name in read_searches()},
        histories={name: pd.read_csv(EXPERIMENT_PLOTS / name / "history.csv") for name in experiments},
        baseline=sample_id_baseline(samples, labels, folds),
        pretraining=read_json(DATA / "pretrained" / "pretrain.json"),
        audit=audit,
        registered=registered,
        latent=read_json(DATA / "latent.json"),
        scatter=pd.read_csv(LATENT_PLOT),
        correlations=pd.read_csv(LATENT_TABLE),
        descriptors=read_descriptors(DESCRIPTORS, dataset.manifest),
        attribution=read_json(ATTRIBUTION / "attribution.json"),
        maps=read_maps(ATTRIBUTION / "maps.npz"),
        runs=[*read_experiment_runs(registered), Run.of(audit, "audit"), *read_sequences(sequential)],
        settings=read_study_settings(Path("params.yaml")),
        shipped=read_study_settings(SHIPPED),
        sequential=sequential,
        panels=pd.read_csv(SEQUENTIAL / "latent.csv") if sequential["enabled"] else pd.DataFrame(),
    )
    write_json(METRICS, metrics(results))
    write_page(PAGE, compose(results, settings.images_per_class))
    print(f"{PAGE}: open it in a browser; numbers in {METRICS}")


def read_experiment_runs(registered: Mapping[str, Any]) -> list[Run]:
    """Read the runs of experiments and searches.

    Parameters
    ----------
    registered : mapping
        Content of ``registered.json``.

    Returns
    -------
    list of Run
        Experiments with their registered versions, then searches.
    """
    experiments = [
        Run.of(read_json(EXPERIMENTS / name / "run.json"), name, version=str(entry["version"]))
        for name, entry in registered["versions"].items()
    ]
    searches = [
        Run.of(read_json(SEARCHES / name / "run.json"), f"search of {name}") for name in read_searches()
    ]
    return experiments + searches


def read_sequences(content: Mapping[str, Any]) -> list[Run]:
    """Read the runs of sequences.

    Parameters
    ----------
    content : mapping
        Content of ``sequential.json``.

    Returns
    -------
    list of Run
        Empty where none ran.
    """
    return read_runs(read_json(SEQUENTIAL / "run.json")) if content["enabled"] else []


def read_study_settings(path: Path) -> dict[str, Any]:
    """Read every setting that a number of the report can depend on.

    Parameters
    ----------
    path : Path
        A ``params.yaml`` or a whole profile.

    Returns
    -------
    dict
        Section name to its plain content; without `compute`, which changes no number, and `promotion`,
        which comes after the report.
    """
    unrelated = ("compute", "promotion")
    return {name: content for name, content in read_params(path).items() if name not in unrelated}


def read_search_result(folder: Path) -> SearchResult:
    """Read what a search left.

    Parameters
    ----------
    folder : Path
        Of the search.

    Returns
    -------
    SearchResult
        Its summary and trials.
    """
    return SearchResult(read_json(folder / "search.json"), pd.read_csv(folder / "trials.csv"))


def read_maps(path: Path) -> dict[str, NDArray[Any]]:
    """Read attribution maps.

    Parameters
    ----------
    path : Path
        An ``.npz`` file.

    Returns
    -------
    dict
        ``image_ids``, and method to maps.
    """
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


if __name__ == "__main__":
    run_stage(main)
