"""The command `tmdscope compare`: two models compared, written to a folder and to MLflow."""

from pathlib import Path
from typing import NamedTuple

from tmdscope.dataset.store import MANIFEST, Dataset
from tmdscope.files import atomic_path, write_json, write_table
from tmdscope.lifecycle.comparison import Comparison, common_task, compare_predictions, figures_of
from tmdscope.lifecycle.comparison_page import compose
from tmdscope.lifecycle.comparison_report import Report, describe
from tmdscope.lifecycle.contact_sheet import find_images, make_sheet
from tmdscope.lifecycle.cost import measure_costs
from tmdscope.report.page import write_page
from tmdscope.tracking.predictions import read_predictions, resolve_model
from tmdscope.tracking.provenance import provenance
from tmdscope.tracking.registry import Client
from tmdscope.tracking.runs import DataUse, start_run
from tmdscope.tracking.store import open_study

STUDY = "comparisons"
"""MLflow experiment of all comparisons."""

SIMULATED = "simulated"
"""Source of simulated images, as a manifest names it."""

_PAGE = "index.html"
_SHEET = "contact_sheet.png"
_TABLE = "disagreements.csv"
_NUMBERS = "comparison.json"


class _Images(NamedTuple):
    """The prepared data set where it is at hand, why not where it is not, and what its images are."""

    dataset: Dataset | None
    missing: str
    what: str
    simulated: bool


def compare(
    client: Client,
    first_text: str,
    second_text: str,
    model_name: str,
    prepared: Path | None,
    folder: Path,
    resamples: int,
    seed: int,
    measure_speed: bool,
) -> str:
    """Compare two models, write what was found to a folder and to an MLflow run, and give a short table.

    The texts are as `tmdscope.tracking.predictions.resolve_model` takes them, `model_name` is the registered
    model of a bare version or alias. `prepared`, for the contact sheet, may be missing. `UserError` where a
    model keeps no predictions, or the two held out no image in common.
    """
    first, second = (resolve_model(client, text, model_name) for text in (first_text, second_text))
    task = common_task(first.task, second.task)
    one, other = (read_predictions(client, model.run_id) for model in (first, second))
    comparison = compare_predictions(one, other, task, resamples, seed)
    images = _find_images(comparison, prepared)
    report = Report(
        first=first,
        second=second,
        comparison=comparison,
        costs=measure_costs(first, second, measure_speed),
        sheet=make_sheet(comparison.disagreements, images.dataset, images.missing),
        what=images.what,
        simulated=images.simulated,
        resamples=resamples,
        seed=seed,
    )
    write_comparison(folder, report)
    run_id = track_comparison(folder, report)
    return f"{describe(report)}\nin full: {folder / _PAGE}; MLflow run {run_id} in experiment {STUDY}"


def write_comparison(folder: Path, report: Report) -> None:
    """Write a comparison, every file whole or not at all; other files of the folder stay.

    ``comparison.json``, ``index.html``, ``disagreements.csv``, and ``contact_sheet.png`` where there is one.
    """
    write_json(folder / _NUMBERS, report.to_dict())
    write_page(folder / _PAGE, compose(report))
    write_table(folder / _TABLE, report.comparison.disagreements)
    if report.sheet.png is None:
        (folder / _SHEET).unlink(missing_ok=True)
    else:
        with atomic_path(folder / _SHEET) as temporary:
            temporary.write_bytes(report.sheet.png)


def track_comparison(folder: Path, report: Report) -> str:
    """Log a comparison and the files of `write_comparison` as a run of `STUDY`; gives its id."""
    models = (report.first, report.second)
    known = [model.tags["data.sha256"] for model in models if "data.sha256" in model.tags]
    data = list(dict.fromkeys(known))
    settings = {
        "first": report.first.run_id,
        "second": report.second.run_id,
        "resamples": report.resamples,
        "seed": report.seed,
    }
    tags = provenance(STUDY, " ".join(data) or "none", settings)
    tags |= {"first": report.first.title, "second": report.second.title}
    tags |= {"first.run_id": report.first.run_id, "second.run_id": report.second.run_id}
    count = len(report.comparison.compared)
    with start_run(open_study(STUDY), f"{report.first.title} beside {report.second.title}", tags) as run:
        for sha256 in data:
            run.dataset(DataUse(report.what, sha256, "runs of the two models", count, "compare"))
        run.params(settings)
        run.metrics(metrics(report))
        for name in (_NUMBERS, _PAGE, _TABLE, _SHEET):
            if (folder / name).exists():
                run.artifact(folder / name)
    return run.run_id


def metrics(report: Report) -> dict[str, float]:
    """Collect the numbers of a comparison that MLflow shows.

    ``disagreements``, ``images``; per part (``out_of_fold``, ``held_out_test``) differences with their bounds
    and McNemar's p; bytes and images per second of each model where they are known.
    """
    comparison = report.comparison
    found: dict[str, float | None] = {
        "images": len(comparison.compared),
        "disagreements": len(comparison.disagreements),
    }
    for scores in comparison.held_out:
        part = scores.name.replace("-", "_").replace(" ", "_")
        found |= {f"{part}.{name}": value for name, value in figures_of(scores.difference).items()}
        found[f"{part}.mcnemar_p"] = scores.mcnemar.p_value
    for side, cost in (("first", report.costs.first), ("second", report.costs.second)):
        found |= {f"{side}.bytes": cost.bytes, f"{side}.images_per_second": cost.images_per_second}
    return {name: value for name, value in found.items() if value is not None}


def _find_images(comparison: Comparison, prepared: Path | None) -> _Images:
    """Open the prepared data set where it is at hand, and see in it whether the images are simulated."""
    if prepared is None or not (prepared / MANIFEST).exists():
        missing = (
            "no prepared data set was named" if prepared is None else f"{prepared} holds no prepared data set"
        )
        return _Images(None, missing, "images of unknown source", simulated=False)
    dataset = Dataset.load(prepared)
    rows = find_images(comparison.compared, dataset)
    sources = set(dataset.manifest["source"].to_numpy()[rows[rows >= 0]])
    if not sources:
        return _Images(dataset, "", "images of unknown source", simulated=False)
    simulated = SIMULATED in sources
    what = (
        "images" if not simulated else "simulated images" if len(sources) == 1 else "partly simulated images"
    )
    return _Images(dataset, "", what, simulated)
