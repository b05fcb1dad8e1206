"""The report of the main study, on images."""

from typing import Any

import numpy as np

from tmdscope.report.attribution import attribution_metrics, attribution_section
from tmdscope.report.audit import audit_metrics, audit_section
from tmdscope.report.comparison import comparison_section
from tmdscope.report.experiments import experiments_section
from tmdscope.report.figures.images import image_grid
from tmdscope.report.figures.training import training_curves
from tmdscope.report.latent import LatentView, latent_metrics, latent_section
from tmdscope.report.page import Figure, Note, Page, Paragraph, Section, Table, plus_minus, with_interval
from tmdscope.report.searches import searches_section
from tmdscope.report.sequential import sequential_metrics, sequential_section
from tmdscope.report.study import StudyResults


def metrics(results: StudyResults) -> dict[str, Any]:
    """Collect the numbers that DVC compares.

    Parameters
    ----------
    results : StudyResults
        The study.

    Returns
    -------
    dict
        ``data``, ``experiments``, ``searches``, ``pretraining``, ``audit``, ``sequential``, ``baseline``,
        ``best``, ``latent`` and ``attribution``; numbers and names only.
    """
    manifest = results.dataset.manifest
    parts = ("train", "val", "test", "best_fold", "out_of_fold", "ensemble_test", "reliability")
    return {
        "data": {
            "simulated": results.simulated,
            "images": len(manifest),
            "distinct_images": int(manifest["duplicate_of"].isna().sum()),
            "samples": int(manifest["sample_id"].nunique()),
            "sha256": results.dataset.digest,
        },
        "best": results.registered["best"],
        "experiments": {
            name: {part: score[part] for part in parts} for name, score in results.scores.items()
        },
        "searches": {
            name: {key: found.summary[key] for key in ("value", "epochs", "progress", "settings")}
            for name, found in results.searches.items()
        },
        "pretraining": {gain.pair: gain.to_dict() for gain in results.gains},
        "audit": audit_metrics(results.audit),
        "sequential": sequential_metrics(results.sequential),
        "baseline": {"sample_id_only": results.baseline},
        "latent": latent_metrics(results.latent),
        "attribution": attribution_metrics(results.attribution),
    }


def compose(results: StudyResults, images_per_class: int) -> Page:
    """Write the report.

    Parameters
    ----------
    results : StudyResults
        The study.
    images_per_class : int
        Sample images shown of each class.

    Returns
    -------
    Page
        Ready to be rendered.
    """
    best = results.registered["best"]
    score = results.scores[best]
    ensemble = score["ensemble_test"]
    lead = (
        f"{best} is the best of {len(results.scores)} experiments by validation macro F1 "
        f"({plus_minus(score['val']['macro_f1'])} over folds). Its fold ensemble is right on "
        f"{with_interval(ensemble['accuracy'], ensemble['accuracy_ci95'], percent=True)} % of the "
        f"{ensemble['images']} held-out test images of {ensemble['samples']} samples "
        "(95 % interval bootstrapped by sample)."
    )
    return Page(
        title=f"{results.study}: which material is this scan?",
        lead=lead,
        sections=[
            _data(results, images_per_class),
            experiments_section(results),
            *([searches_section(results)] if results.searches else []),
            comparison_section(results),
            audit_section(results.audit),
            *_sequential(results),
            _training(results),
            _latent(results),
            attribution_section(results.attribution, results.maps, results.dataset, results.what),
            _provenance(results),
        ],
    )


def _sequential(results: StudyResults) -> list[Section]:
    if not results.sequential["enabled"]:
        return []
    note = "These images are simulated: what is found here is no finding about real scans."
    shown = note if results.simulated else None
    return [sequential_section(results.sequential, results.panels, results.classes, shown)]


def _data(results: StudyResults, images_per_class: int) -> Section:
    manifest = results.dataset.manifest
    grid = {}
    for name in results.classes:
        of_class = manifest[manifest["material"] == name].drop_duplicates("sample_id")
        grid[name] = [np.array(results.dataset.images[row]) for row in of_class.index[:images_per_class]]
    header = ["Class", *(column.replace("_", " ") for column in results.counts.columns)]
    rows = [[str(name), *(str(int(value)) for value in counts)] for name, counts in results.counts.iterrows()]
    duplicates = int(manifest["duplicate_of"].notna().sum())
    blocks: list[Any] = [
        Paragraph(
            f"{results.what}; {duplicates} images repeat another one exactly. Samples never cross from one "
            "part to another: the audit of the split proved it before anything was trained."
        ),
        Table(f"Images per class and part ({results.what})", header, rows),
        Figure(
            "One image each of some samples per class, as the networks see them.",
            f"Grid of grey images, one row per class: {', '.join(results.classes)}.",
            image_grid(grid),
        ),
    ]
    if results.simulated:
        note = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
        blocks.insert(0, Note(note))
    return Section("Data", blocks)


def _training(results: StudyResults) -> Section:
    r_squared = results.pretraining["r_squared"]
    return Section(
        "Training",
        [
            Figure(
                "Mean over folds.",
                "Loss and macro F1 over epochs for " + ", ".join(results.histories) + ".",
                training_curves(results.histories),
            ),
            Table(
                f"Weights `simulated`: what the backbone learnt to read off {results.pretraining['images']} "
                "simulated scans (share of variance on the held-out tenth)",
                ["Quantity", "R²"],
                [[name.replace("true_", "").replace("_", " "), f"{v:.2f}"] for name, v in r_squared.items()],
            ),
        ],
    )


def _latent(results: StudyResults) -> Section:
    model, before = results.latent["model"], results.latent["before"]
    side = "after" if model["after_relu"] else "before"
    view = LatentView(
        found=results.latent,
        points=results.scatter,
        table=results.correlations,
        descriptors=results.descriptors,
        images=results.dataset.images,
        classes=results.classes,
        embedding=(
            f"version {model['version']} of {model['name']} (alias {model['alias']}, experiment "
            f"{model['experiment']}, fold {model['fold']}), the 100 values {side} the last ReLU"
        ),
        before=f"frozen {before['architecture']}, weights {before['weights']}",
        what=results.what,
    )
    return latent_section(view)


def _provenance(results: StudyResults) -> Section:
    versions = results.registered["versions"]
    rows = [[name, str(versions[name]["version"]), run["run_id"]] for name, run in results.runs.items()]
    return Section(
        "Provenance",
        [
            Paragraph(
                f"Data set SHA-256 {results.dataset.digest}. Runs are in MLflow experiment {results.study}; "
                "`make ui` opens it. Commit, parameters, threads and library versions are tags of every run."
            ),
            Table(
                f"Versions of registered model {results.registered['model']}",
                ["Experiment", "version", "MLflow run"],
                rows,
            ),
            Paragraph("To reproduce: check out the commit in the runs' tag git.commit and run `make repro`."),
        ],
    )
