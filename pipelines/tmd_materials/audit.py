"""Stage `audit`: what a score on these images is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tmdscope.audit.statistics import image_statistics
from tmdscope.audit.study import MOST_IMAGES, audit
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.columns import draw_images, read_nuisance, read_order
from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file
from tmdscope.layout import MAIN
from tmdscope.learn.crossval import cross_validate
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.learn.recorder import Silent
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import Strategy, read_experiments
from tmdscope.params.images import DataParams, ModelTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.scores.cohort import Cohort, Targets
from tmdscope.scores.task import CLASSES
from tmdscope.stage import run_stage
from tmdscope.tracking.audits import NAME, audit_settings
from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.runs import DataUse, start_run
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device
from tmdscope.vision.stored import StoredFeatures


def main() -> None:
    """Write `data/audit.json` and log it."""
    params = read_section("audit", ManifestAuditParams)
    scoring = read_section("scoring", ScoringParams)
    study = open_study(read_section("tracking", ModelTrackingParams).study)
    classes = read_section("data", DataParams).classes
    dataset = Dataset.load(MAIN.prepared)
    split = read_split(MAIN.split, dataset.manifest)
    chosen = draw_images(dataset.manifest["sample_id"].tolist(), MOST_IMAGES)
    manifest = dataset.manifest.iloc[chosen]
    table = Cohort(
        task=CLASSES,
        features=np.array(StoredFeatures.read(MAIN.features, dataset, MAIN.pretrained).features[chosen, 0]),
        sample_ids=manifest["sample_id"].to_numpy(dtype=str),
        targets=dataset.labels(classes)[chosen],
        classes=tuple(classes),
        image_sha256=manifest["image_sha256"].to_numpy(dtype=str),
        order=read_order(manifest, params.order),
        nuisance=read_nuisance(manifest, params.nuisance),
        statistics=image_statistics(dataset.images[chosen]),
    )
    parts = {
        name: np.flatnonzero(np.isin(chosen, dataset.rows(ids))).astype(np.int64)
        for name, ids in split.parts.items()
    }
    folds, device = split.rows(dataset.image_ids), best_device()
    runners = {
        name: (
            fold_runner(make_experiment(of, dataset, classes, MAIN.features, MAIN.pretrained, device), folds),
            len(folds),
        )
        for name, of in read_experiments().items()
        if of.strategy is Strategy.FEATURES  # seconds; whole networks would take as long as the study
    }
    settings = audit_settings(params, scoring)
    tags = provenance(study.name, dataset.digest, settings)
    tags |= {"experiment": NAME, "split.sha256": sha256_file(MAIN.split)}
    data = DataUse(study.name, dataset.digest, MAIN.prepared.as_posix(), len(chosen), NAME)
    with start_run(study, NAME, tags, data=data) as run:
        run.params(settings)
        found = audit(table, parts, params, scoring, runners)
        where = {"run_id": run.run_id, **whereabouts(study, tags)}
        of = {"data": dataset.digest, "split": sha256_file(MAIN.split)}
        replace(found, images_of=len(dataset.manifest), **where).write(MAIN.audit, of)
        run.metrics(found.numbers)
        run.artifact(MAIN.audit)
    print(f"{len(chosen)} of {len(dataset.manifest)} images: {found.verdict.headline}")


def fold_runner(experiment: Experiment, folds: Sequence[FoldParts]) -> Callable[[int], Targets]:
    """Make what trains an experiment on one fold, by number, and decodes the class of every image."""

    def run(number: int) -> Targets:
        found = cross_validate(
            experiment.build,
            experiment.target,
            experiment.examples,
            folds,
            experiment.settings,
            Silent(),
            only=[number],
        )
        return found[0].decoded

    return run


if __name__ == "__main__":
    run_stage(main)
