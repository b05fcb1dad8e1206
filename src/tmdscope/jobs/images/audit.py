"""Stage `audit`: what a score on these images is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tmdscope.audit.statistics import image_statistics
from tmdscope.dataset.columns import read_nuisance, read_order
from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.jobs.auditing import audit_cohort
from tmdscope.jobs.study import Study
from tmdscope.learn.crossval import cross_validate
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.learn.recorder import Silent
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.experiments import FeaturesParams, Strategy, read_experiments
from tmdscope.scores.cohort import Cohort, Rows, Targets
from tmdscope.vision.features import best_device
from tmdscope.vision.stored import StoredFeatures, place_of


def run(study: Study) -> None:
    """Audit the images as frozen features see them; experiments on these run in another order of folds."""
    params, layout, cohort = study.section("audit", ManifestAuditParams), study.layout, study.cohort(study)
    dataset = Dataset.load(layout.prepared)
    first = study.section("features", FeaturesParams).backbones[0]
    stored = StoredFeatures.read(place_of(layout.features, first), dataset, layout.pretrained)
    folds, device = cohort.rows(cohort.read_split(layout.split)), best_device()

    def taken(rows: Rows) -> Cohort:
        manifest = dataset.manifest.iloc[rows]
        return replace(
            cohort.take(rows),
            features=np.array(stored.features[rows, 0]),
            order=read_order(manifest, params.order),
            nuisance=read_nuisance(manifest, params.nuisance),
            statistics=image_statistics(dataset.images[rows]),
        )

    made = {
        name: make_experiment(of, dataset, cohort.classes, layout.features, layout.pretrained, device)
        for name, of in read_experiments(layout.settings).items()
        if of.strategy is Strategy.FEATURES  # seconds; whole networks would take as long as the study
    }
    audit_cohort(study, cohort, taken, {name: fold_runner(one, folds) for name, one in made.items()})


def fold_runner(experiment: Experiment, folds: Sequence[FoldParts]) -> Callable[[int], Targets]:
    """Make what trains an experiment on one fold, by number, and decodes the class of every image."""

    def run_fold(number: int) -> Targets:
        asked = experiment.build, experiment.target, experiment.examples, folds, experiment.settings
        (found,) = cross_validate(*asked, Silent(), only=[number])
        return found.decoded

    return run_fold
