"""The report of the main study, on images."""

from collections.abc import Sequence

import numpy as np

from tmdscope.learn.summary import decoded_confusion
from tmdscope.report.page import Paragraph
from tmdscope.report.part import Report
from tmdscope.report.sections.attribution import Attributions
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.comparison import Comparison, published_confusion
from tmdscope.report.sections.confusion import Confusion
from tmdscope.report.sections.data import Data
from tmdscope.report.sections.experiments import Experiments
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.provenance import Provenance, Reproduction, changed_settings
from tmdscope.report.sections.searches import Searches
from tmdscope.report.sections.sequential import Sequences
from tmdscope.report.sections.training import Training
from tmdscope.report.study import StudyResults

_SIMULATED = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
_SEQUENCES = "These images are simulated: what is found here is no finding about real scans."
_CONDITIONS = {
    "simulated": "The scans are simulated from the seed in params.yaml: nothing else is needed.",
    "folder": "The images of section `data.folder` must be the same: their SHA-256 is above.",
    "archive": "The first run fetches the published archive and checks its SHA-256.",
}


def report_of(results: StudyResults, images_per_class: int) -> Report:
    """Make the report, with some sample images of each class."""
    task, classes, what, note = (
        results.task,
        results.classes,
        results.what,
        _SIMULATED if results.simulated else "",
    )
    data = Data(
        dataset=results.dataset,
        classes=classes,
        counts=results.counts,
        test=results.scores[results.best].ensemble_test.all,
        what=what,
        simulated=results.simulated,
        note=note,
        shown=images_per_class,
    )
    experiments = Experiments(
        task=task,
        scores=results.scores,
        best=results.best,
        classes=classes,
        decoded={name: results.decoded[name] for name in results.multilabel},
        baseline=results.baseline,
        gains=results.gains,
        what=what,
    )
    audit = AuditPart(results.audit)
    noted = _SEQUENCES if results.simulated else ""
    sequences = Sequences(results.sequential, task.primary, classes, noted)
    latent = _latent(results)
    attribution = Attributions(results.attribution, results.maps, results.dataset, what)
    return Report(
        title=f"{results.study}: which material is this scan?",
        lead=f"{what} in {len(classes)} classes, {len(results.scores)} experiments, every number with the "
        "images it was measured on.",
        note=note,
        parts=[
            data,
            audit,
            experiments,
            Searches(task.primary, results.searches, results.experiments, results.scores, what),
            Training(task.primary, results.histories, results.scans, results.r_squared),
            Comparison(
                task, results.experiments, results.decoded, results.data, results.split, results.dataset
            ),
            _confusion(results),
            sequences,
            latent,
            attribution,
            *_provenance(results),
        ],
        said=[data, experiments, audit, sequences, latent, attribution],
    )


def _confusion(results: StudyResults) -> Confusion:
    test, best = results.scores[results.best].ensemble_test.all.images, results.best
    matrices = {name: np.array(score.test_confusion) for name, score in results.scores.items()}
    invalid = []
    for name in results.multilabel:
        counts, missing = decoded_confusion(results.predictions[name], results.labels, results.classes)
        matrices[f"{name}, exact match"] = counts
        invalid.append(f"{name}: {missing:.1f} of {test} per fold")
    words = "Multilabel outputs that match no material exactly are in no column and in no share: "
    return Confusion(
        matrices=matrices,
        classes=results.classes,
        about=f"Mean counts over folds on the held-out test ({test} images), rows true, and their share of "
        "the row. Columns are the most probable class, or the exact match where the title says so.",
        best=best,
        about_best=f"{best}: mean counts over folds on the held-out test ({test} images), the most probable "
        "class",
        remarks=[Paragraph(words + "; ".join(invalid) + ".")] if invalid else [],
        beside=[
            published_confusion(results.experiments, results.predictions, results.labels, results.classes)
        ],
    )


def _latent(results: StudyResults) -> LatentSpace:
    model, before = results.latent.model, results.latent.before
    side = "after" if model.after_relu else "before"
    return LatentSpace(
        found=results.latent,
        points=results.scatter,
        table=results.correlations,
        descriptors=results.descriptors,
        images=results.dataset.images,
        classes=results.classes,
        embedding=f"version {model.version} of {model.name} (alias {model.alias}, experiment "
        f"{model.experiment}, fold {model.fold}), the 100 values {side} the last ReLU",
        before=f"frozen {before.architecture}, weights {before.weights}",
        what=results.what,
    )


def _provenance(results: StudyResults) -> Sequence[Provenance | Reproduction]:
    about = (
        f"Data set SHA-256 {results.dataset.digest}. Runs are in MLflow experiment {results.study}; versions "
        f"are of registered model {results.model}; `make ui` opens both."
    )
    conditions = (
        f"{_CONDITIONS[results.data.source]} `make repro` installs the locked environment and runs every "
        "stage that is not up to date. At another number of threads, on another device or with another "
        "version of torch the last digits may differ, and with them single predictions."
    )
    changed = changed_settings(results.settings, results.shipped)
    return Provenance(results.runs, about), Reproduction(results.runs, "make repro", conditions, changed)
