"""Stage `report`: the numbers that DVC compares and the page that a person opens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.record import Attribution, ModelLatent
from tmdscope.audit.record import Audit
from tmdscope.dataset.audit import audit_split, read_split
from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import broken, read_table, sha256_file, write_json
from tmdscope.layout import MAIN
from tmdscope.models.baseline import sample_id_baseline
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import DataParams, ReportParams, SplitParams, ModelTrackingParams
from tmdscope.params.reading import read_params, read_section
from tmdscope.params.search import SEARCHED, Searched, read_all_experiments, read_searches
from tmdscope.record import read_record
from tmdscope.report.materials_study import report_of
from tmdscope.report.page import write_page
from tmdscope.report.sections.gains import PRETRAINING, TARGETS, Gains, find_gains
from tmdscope.report.sections.provenance import Run, read_runs
from tmdscope.report.sections.searches import SearchResult
from tmdscope.report.study import StudyResults
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.scored import Scored
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.record import SequenceRecord
from tmdscope.stage import run_stage

METRICS = Path("reports/metrics.json")
PAGE = Path("reports/index.html")
SHIPPED = Path("profiles/default.yaml")


def main() -> None:
    """Gather what the stages wrote."""
    settings = read_section("report", ReportParams)
    data = read_section("data", DataParams)
    dataset = Dataset.load(MAIN.prepared)
    experiments = read_all_experiments(MAIN.searches)
    scoring = read_section("scoring", ScoringParams)
    split = read_split(MAIN.split, dataset.manifest)
    of = {"data": dataset.digest, "split": sha256_file(MAIN.split)}
    folds = split.rows(dataset.image_ids)
    labels = dataset.labels(data.classes)
    samples = dataset.manifest["sample_id"].to_numpy()
    plots = {name: MAIN.experiment_plots / name / "history.csv" for name in experiments}
    scored = {name: Scored.read(MAIN.experiments / name, of, [plots[name]]) for name in experiments}
    predictions = {name: found.predictions for name, found in scored.items()}
    sequential = SequenceRecord.read(
        MAIN.sequential / "sequential.json", MAIN.sequential / "latent.csv", of, CLASSES.primary
    )
    audit = Audit.read(MAIN.audit, CLASSES, of)
    registered = read_registered(of, scored)
    baseline = sample_id_baseline(samples, labels, folds)
    pretrained = read_record(MAIN.pretrained.with_name("pretrain.json"), files=[MAIN.pretrained])
    results = StudyResults(
        study=read_section("tracking", ModelTrackingParams).study,
        task=CLASSES,
        data=data,
        split=read_section("split", SplitParams),
        experiments=experiments,
        dataset=dataset,
        counts=read_counts(dataset, split),
        scores={name: found.scores for name, found in scored.items()},
        predictions=predictions,
        gains=[
            Gains(asked, find_gains(asked, experiments, predictions, data.classes, scoring), CLASSES)
            for asked in (PRETRAINING, TARGETS)
        ],
        searches={name: read_search_result(MAIN.searches / name, of) for name in read_searches()},
        histories={name: read_table(path) for name, path in plots.items()},
        baseline=None if baseline is None else {name: MeanStd(**score) for name, score in baseline.items()},
        scans=pretrained["images"],
        r_squared=pretrained["r_squared"],
        audit=audit,
        model=registered["model"],
        best=registered["best"],
        latent=ModelLatent.read(MAIN.latent, of, [MAIN.latent_plot, MAIN.latent_table]),
        scatter=read_table(MAIN.latent_plot),
        correlations=read_table(MAIN.latent_table),
        descriptors=read_descriptors(MAIN.descriptors, dataset.manifest),
        attribution=Attribution.read(
            MAIN.attribution / "attribution.json", of, [MAIN.attribution / "maps.npz"]
        ),
        maps=read_maps(MAIN.attribution / "maps.npz"),
        runs=[
            *read_experiment_runs(registered, scored, of),
            Run.of(vars(audit), "audit"),
            *(read_runs(read_record(MAIN.sequential / "run.json", of)) if sequential else []),
        ],
        settings=read_study_settings(Path("params.yaml")),
        shipped=read_study_settings(SHIPPED),
        sequential=sequential,
    )
    report = report_of(results, settings.images_per_class)
    write_json(METRICS, report.metrics())
    write_page(PAGE, report.page())
    print(f"{PAGE}: open it in a browser; numbers in {METRICS}")


def read_registered(of: Mapping[str, str], scored: Mapping[str, Scored]) -> dict[str, Any]:
    """Read ``registered.json``; refuse one of other data, another split, or other experiments or runs."""
    registered = read_record(MAIN.registered, of)
    listed = {name: entry["run_id"] for name, entry in registered["versions"].items()}
    if listed != {name: found.run["run_id"] for name, found in scored.items()}:
        raise broken(MAIN.registered, "is of other experiments or runs than data/experiments holds")
    return registered


def read_experiment_runs(
    registered: Mapping[str, Any], scored: Mapping[str, Scored], of: Mapping[str, str]
) -> list[Run]:
    """Read the runs of experiments, with their registered versions, then of searches."""
    experiments = [
        Run.of(scored[name].run, name, version=str(entry["version"]))
        for name, entry in registered["versions"].items()
    ]
    searches = [
        Run.of(read_record(MAIN.searches / name / "run.json", of), f"search of {name}")
        for name in read_searches()
    ]
    return experiments + searches


def read_counts(dataset: Dataset, split: Split) -> pd.DataFrame:
    """Read how many images of each class (rows) each part (columns) of the split has."""
    counts = read_table(MAIN.split_counts, ["material"]).set_index("material")
    if not counts.equals(audit_split(dataset.manifest, split).counts):
        raise broken(MAIN.split_counts, f"is not of {MAIN.split}")
    return counts


def read_study_settings(path: Path) -> dict[str, Any]:
    """Read every setting that a number of the report can depend on, of a ``params.yaml`` or whole profile.

    Without `compute`, which changes no number, and `promotion`, which comes after the report.
    """
    unrelated = ("compute", "promotion")
    return {name: content for name, content in read_params(path).items() if name not in unrelated}


def read_search_result(folder: Path, of: Mapping[str, str]) -> SearchResult:
    """Read what a search left."""
    trials = folder / "trials.csv"
    return SearchResult(Searched.read(folder / SEARCHED, of, [trials]), read_table(trials))


def read_maps(path: Path) -> dict[str, NDArray[Any]]:
    """Read attribution maps from an ``.npz``: ``image_ids``, and method to maps."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, BadZipFile) as error:
        raise broken(path, f"is no archive of arrays ({error})") from error


if __name__ == "__main__":
    run_stage(main)
