"""The command `tmdscope compare`: two models compared, written to a folder and to MLflow."""

from pathlib import Path

from tmdscope.dataset.store import MANIFEST, Dataset
from tmdscope.files import atomic_path, write_json, write_table
from tmdscope.lifecycle.comparison import Comparison, compare_versions, figures_of
from tmdscope.lifecycle.comparison_report import ComparisonReport, compose, describe
from tmdscope.lifecycle.contact_sheet import find_images, make_sheet
from tmdscope.lifecycle.cost import measure_costs
from tmdscope.report.page import write_page
from tmdscope.tracking.predictions import resolve_model
from tmdscope.tracking.provenance import provenance
from tmdscope.tracking.registry import Client
from tmdscope.tracking.runs import DataUse, start_run
from tmdscope.tracking.store import open_study

EXPERIMENT = "comparisons"
"""MLflow experiment of all comparisons."""

_PAGE = "index.html"
_SHEET = "contact_sheet.png"
_TABLE = "disagreements.csv"
_NUMBERS = "comparison.json"


def compare(
    client: Client,
    first_text: str,
    second_text: str,
    model_name: str,
    prepared: Path,
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
    comparison = compare_versions(client, first, second, resamples, seed)
    dataset, missing, what = _find_images(comparison, prepared)
    costs = measure_costs(first, second, measure_speed)
    sheet = make_sheet(comparison.disagreements, dataset, missing)
    report = ComparisonReport(first, second, comparison, costs, sheet, what, resamples, seed)
    write_comparison(folder, report)
    run_id = track_comparison(folder, report)
    return f"{describe(report)}\nin full: {folder / _PAGE}; MLflow run {run_id} in experiment {EXPERIMENT}"


def write_comparison(folder: Path, report: ComparisonReport) -> None:
    """Write a comparison, every file whole or not at all; other files of the folder stay."""
    write_json(folder / _NUMBERS, report.to_dict())
    write_page(folder / _PAGE, compose(report))
    write_table(folder / _TABLE, report.comparison.disagreements)
    if report.sheet.png is None:
        (folder / _SHEET).unlink(missing_ok=True)
    else:
        with atomic_path(folder / _SHEET) as temporary:
            temporary.write_bytes(report.sheet.png)


def track_comparison(folder: Path, report: ComparisonReport) -> str:
    """Log a comparison and the files of `write_comparison` as a run of `EXPERIMENT`; gives its id."""
    models = {"first": report.first, "second": report.second}
    known = [model.tags["data.sha256"] for model in models.values() if "data.sha256" in model.tags]
    data = list(dict.fromkeys(known))
    runs = {side: model.run_id for side, model in models.items()}
    settings = {**runs, "resamples": report.resamples, "seed": report.seed}
    tags = provenance(EXPERIMENT, " ".join(data) or "none", settings)
    tags |= {side: model.title for side, model in models.items()}
    tags |= {f"{side}.run_id": run_id for side, run_id in runs.items()}
    count = len(report.comparison.compared)
    with start_run(open_study(EXPERIMENT), f"{report.first.title} beside {report.second.title}", tags) as run:
        for sha256 in data:
            run.dataset(DataUse(report.what, sha256, "runs of the two models", count, "compare"))
        run.params(settings)
        run.metrics(metrics(report))
        for name in (_NUMBERS, _PAGE, _TABLE, _SHEET):
            if (folder / name).exists():
                run.artifact(folder / name)
    return run.run_id


def metrics(report: ComparisonReport) -> dict[str, float]:
    """Collect the numbers of a comparison that MLflow shows, by part and by side, where they are known."""
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


def _find_images(comparison: Comparison, prepared: Path) -> tuple[Dataset | None, str, str]:
    """Open the prepared data set, or say why there is none; and say what the compared images are."""
    unknown = "images of unknown source"
    if not (prepared / MANIFEST).exists():
        return None, f"{prepared} holds no prepared data set", unknown
    dataset = Dataset.load(prepared)
    rows = find_images(comparison.compared, dataset)
    sources = set(dataset.manifest["source"].to_numpy()[rows[rows >= 0]])
    if "simulated" not in sources:
        return dataset, "", "images" if sources else unknown
    return dataset, "", "simulated images" if len(sources) == 1 else "partly simulated images"
