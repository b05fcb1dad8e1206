"""The report of the main study, on images."""

from typing import Any

import numpy as np
import pandas as pd

from tmdscope.report.attribution import attribution_metrics, attribution_section
from tmdscope.report.audit import audit_section
from tmdscope.report.audit_metrics import audit_metrics
from tmdscope.report.comparison import comparison_section
from tmdscope.report.confusion import confusion_section
from tmdscope.report.experiments import experiments_section
from tmdscope.report.figures.images import image_grid
from tmdscope.report.figures.training import training_curves
from tmdscope.report.gains import PRETRAINING, TARGETS
from tmdscope.report.latent import LatentView, latent_metrics, latent_section
from tmdscope.report.page import (
    Figure,
    Note,
    Page,
    Paragraph,
    Points,
    Section,
    Table,
    plus_minus,
    with_interval,
)
from tmdscope.report.provenance import changed_settings, provenance_section, reproduce_section
from tmdscope.report.searches import searches_section
from tmdscope.report.sequential import sequential_section
from tmdscope.report.sequential_metrics import sequential_metrics
from tmdscope.report.study import StudyResults
from tmdscope.report.summary import (
    attribution_sentences,
    audit_sentences,
    baseline_sentence,
    gain_sentences,
    latent_sentences,
    sequential_sentences,
)
from tmdscope.scores.task import CLASSES

_SIMULATED = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
_CONDITIONS = {
    "simulated": "The scans are simulated from the seed in params.yaml: nothing else is needed.",
    "folder": "The images of section `data.folder` must be the same: their SHA-256 is above.",
    "archive": "The first run fetches the published archive and checks its SHA-256.",
}


def metrics(results: StudyResults) -> dict[str, Any]:
    """Collect the numbers and names of all parts of the study that DVC compares."""
    manifest = results.dataset.manifest
    measured = ("train", "val", "test", "best_fold", "selection", "out_of_fold", "ensemble_test")
    parts = (*measured, "reliability", "test_confusion")
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
            name: {part: score[part] for part in parts}
            | ({"exact_match": results.decoded[name]} if name in results.decoded else {})
            for name, score in results.scores.items()
        },
        "searches": {
            name: {key: found.summary[key] for key in ("value", "epochs", "progress", "settings")}
            for name, found in results.searches.items()
        },
        "pretraining": {gain.pair: gain.to_dict() for gain in results.gains},
        "targets": {gain.pair: gain.to_dict() for gain in results.targets},
        "audit": audit_metrics(results.audit),
        "sequential": sequential_metrics(results.sequential, CLASSES.primary),
        "baseline": {"sample_id_only": results.baseline},
        "latent": latent_metrics(results.latent),
        "attribution": attribution_metrics(results.attribution),
    }


def compose(results: StudyResults, images_per_class: int) -> Page:
    """Write the report, with some sample images of each class."""
    lead = (
        f"{results.what} in {len(results.classes)} classes, {len(results.scores)} experiments, every number "
        "with the images it was measured on."
    )
    return Page(
        title=f"{results.study}: which material is this scan?",
        lead=lead,
        sections=[
            _summary(results),
            _data(results, images_per_class),
            audit_section(results.audit),
            experiments_section(results),
            *([searches_section(results)] if results.searches else []),
            _training(results),
            comparison_section(results),
            confusion_section(results),
            *_sequential(results),
            _latent(results),
            attribution_section(results.attribution, results.maps, results.dataset, results.what),
            _provenance(results),
            _reproduce(results),
        ],
    )


def _summary(results: StudyResults) -> Section:
    best = results.registered["best"]
    score, manifest = results.scores[best], results.dataset.manifest
    ensemble = score["ensemble_test"]
    data = (
        f"Data: {results.what}, {int(manifest['duplicate_of'].isna().sum())} of them distinct, in "
        f"{len(results.classes)} classes; {ensemble['images']} images of {ensemble['samples']} samples are "
        "the held-out test."
    )
    first = (
        f"{best} is the best of {len(results.scores)} experiments by selection macro F1, each fold left out "
        f"of what is chosen by it: {score['selection']['macro_f1']:.3f}, where validation says "
        f"{plus_minus(score['val']['macro_f1'])} over folds. Its fold ensemble is right on "
        f"{with_interval(ensemble['accuracy'], ensemble['accuracy_ci95'], percent=True)} % of the held-out "
        f"test, macro F1 {with_interval(ensemble['macro_f1'], ensemble['macro_f1_ci95'])} (95 % intervals "
        "bootstrapped by sample, as all in brackets here)."
    )
    sentences = [
        data,
        first,
        *gain_sentences(results.targets, TARGETS),
        *gain_sentences(results.gains, PRETRAINING),
        baseline_sentence(best, score["test"], results.baseline),
        *audit_sentences(results.audit),
        *sequential_sentences(results.sequential, CLASSES.primary),
        *latent_sentences(results.latent),
        *attribution_sentences(results.attribution),
    ]
    note = [Note(_SIMULATED)] if results.simulated else []
    return Section("In short", [*note, Points(sentences)])


def _sequential(results: StudyResults) -> list[Section]:
    if results.sequential is None:
        return []
    note = "These images are simulated: what is found here is no finding about real scans."
    shown = note if results.simulated else None
    return [sequential_section(results.sequential, CLASSES.primary, results.classes, shown)]


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
    blocks += _doubtful(manifest)
    if results.simulated:
        blocks.insert(0, Note(_SIMULATED))
    return Section("Data", blocks)


def _doubtful(manifest: pd.DataFrame) -> list[Table]:
    """List the instrument files that ingest had doubts about."""
    if "warnings" not in manifest:
        return []
    files = manifest[manifest["warnings"].notna()]
    rows = [
        [str(name), str(channel), str(told)]
        for name, channel, told in zip(files["image_id"], files["channel"], files["warnings"], strict=True)
    ]
    caption = f"Instrument files that are doubtful ({len(files)} of {len(manifest)} images)"
    return [Table(caption, ["File", "Channel", "What"], rows, words_last=True)] if rows else []


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
    about = (
        f"Data set SHA-256 {results.dataset.digest}. Runs are in MLflow experiment {results.study}; versions "
        f"are of registered model {results.registered['model']}; `make ui` opens both."
    )
    return provenance_section(results.runs, about)


def _reproduce(results: StudyResults) -> Section:
    conditions = (
        f"{_CONDITIONS[results.data.source]} `make repro` installs the locked environment and runs every "
        "stage that is not up to date. At another number of threads, on another device or with another "
        "version of torch the last digits may differ, and with them single predictions."
    )
    return reproduce_section(
        results.runs, "make repro", conditions, changed_settings(results.settings, results.shipped)
    )
