"""Stage `audit`: what a score on these images is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from tmdscope.audit.statistics import image_statistics
from tmdscope.dataset.columns import read_nuisance, read_order
from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.jobs.auditing import Runners, audit_cohort
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
    device = best_device()

    def taken(rows: Rows) -> Cohort:
        manifest = dataset.manifest.iloc[rows]
        return replace(
            cohort.take(rows),
            features=np.array(stored.features[rows, 0]),
            order=read_order(manifest, params.order),
            nuisance=read_nuisance(manifest, params.nuisance),
            statistics=image_statistics(dataset.images[rows]),
        )

    def models(rows: Rows, folds: Sequence[FoldParts]) -> Runners:
        stored = layout.features, layout.pretrained
        made = {
            name: make_experiment(of, dataset, cohort.classes, *stored, device)
            for name, of in read_experiments(layout.settings).items()
            if of.strategy is Strategy.FEATURES  # seconds; whole networks would take as long as the study
        }
        return {name: fold_runner(one, rows, folds) for name, one in made.items()}

    audit_cohort(study, cohort, taken, models)


def fold_runner(experiment: Experiment, rows: Rows, folds: Sequence[FoldParts]) -> Callable[[int], Targets]:
    """Make what trains an experiment on one fold of some rows, by number, and decodes the class of each."""
    examples = experiment.examples.take(torch.from_numpy(rows).to(experiment.examples.labels.device))

    def run_fold(number: int) -> Targets:
        asked = experiment.build, experiment.target, examples, folds, experiment.settings
        (found,) = cross_validate(*asked, Silent(), only=[number])
        return found.decoded

    return run_fold
