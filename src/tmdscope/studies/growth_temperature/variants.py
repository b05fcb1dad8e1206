"""Stage `variants`: features and training images as the paper varied them, under methods with fixed settings.

Depth (Table 2), pretraining domain (Table 3) and augmentation (Figure 3) of frozen features, and the 100
values of a head trained inside each fold. Every image is predicted, as it is, by a fit that never saw its
sample; copies of an image train where it does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.models.registry import fit_family
from tmdscope.models.scales import Labels
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import BackboneParams
from tmdscope.params.families import AnyFamily
from tmdscope.processes import run_parts
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import difference, estimate
from tmdscope.studies.growth_temperature.asked import Asked, Folds
from tmdscope.studies.growth_temperature.augmentation import augment
from tmdscope.studies.growth_temperature.leak import extract
from tmdscope.studies.growth_temperature.params import LeakParams, VariantsParams
from tmdscope.studies.growth_temperature.record import PREPARED, VARIANTS, Variant, Variants
from tmdscope.studies.growth_temperature.sources import source_of
from tmdscope.tracking.runs import numbers
from tmdscope.vision.backbones import on_paper, stages_of
from tmdscope.vision.features import POOL, best_device, frozen_backbone, stage_features

Features = NDArray[np.float32]

DEPTH, HEAD, DOMAIN, AUGMENTATION = "depth", "head", "domain", "augmentation"
"""What is varied."""

_BATCH = 64
_BRIGHT = 255.0  # what is not divided by 255


@dataclass(frozen=True)
class Trial:
    """A variant under one method: features that train, of rows with labels, and of the images as they are."""

    group: str
    name: str
    method: str
    family: AnyFamily
    training: Sequence[Features]  # one for all folds, or one for each
    rows: Labels
    labels: Labels
    whole: Sequence[Features]
    folds: Folds
    classes: Sequence[str]

    def run(self) -> Labels:
        """Predict every image."""
        found = np.empty(len(self.whole[0]), dtype=np.int64)
        for number, (seen, unseen) in enumerate(self.folds):
            own = number if len(self.training) > 1 else 0
            kept = np.isin(self.rows, seen)
            features = self.training[own][kept].astype(np.float64)
            fitted = fit_family(self.family, features, self.labels[kept], self.classes)
            found[unseen] = fitted.predict(self.whole[own][unseen].astype(np.float64))
        return found


def run(study: Study) -> None:
    """Score every variant on simulated images; `variants.enabled: false` leaves it out."""
    asked, own = study.section("variants", VariantsParams), source_of(study, "simulated")
    path = study.layout.scores.with_name(VARIANTS)
    cohort = study.cohort(own)
    of = {"data": cohort.digest}
    if not asked.enabled:
        Variants(False).write(path, of)
        print(f"not run: variants.enabled is false in {study.layout.settings}")
        return
    known = stages_of(on_paper(asked.backbone.architecture))
    if unknown := [stage for stage in asked.stages if stage not in known]:
        has = f"{asked.backbone.architecture} has {', '.join(known)}"
        raise UserError(f"{study.layout.settings}: variants.stages: no stage {unknown[0]!r}; {has}")
    work, images = Asked(own, cohort), Dataset.load(own.layout.tables / PREPARED).images
    made = cohort, np.array(images), work.folds, asked, study.section("leak", LeakParams)
    trials = list(trials_of(*made, study.layout.pretrained))
    with tracked_stage(own, "variants", cohort, asked.model_dump(mode="json")) as tracked:
        found = score(cohort, trials, run_parts(_run, trials), work.scoring)
        with tracked.run("variants", {"experiment": "variants"}) as run:
            run.metrics(numbers({f"{one.group}.{one.name}.{one.method}": one.values for one in found}))
        Variants(True, found, len(cohort), len(set(cohort.sample_ids))).write(path, of)
    print(f"{len(found)} variants of {len({one.group for one in found})} kinds")


def trials_of(
    cohort: Cohort,
    images: NDArray[np.uint8],
    folds: Folds,
    asked: VariantsParams,
    leak: LeakParams,
    pretrained: Path,
) -> Iterator[Trial]:
    """Make every variant under every method; the reference, the pool of images as they are, is first."""
    everything, labels, size_px = np.arange(len(images)), cohort.targets, images.shape[1]

    def see(
        shown: NDArray[np.uint8],
        stage: str = POOL,
        by: BackboneParams = asked.backbone,
        brightness: float = 1.0,
    ) -> Features:
        backbone = frozen_backbone(by.weights, by.architecture, pretrained, size_px)
        return stage_features(backbone, stage, shown, _BATCH, best_device(), brightness)

    def under(
        group: str, name: str, whole: Sequence[Features], variance: float | None = None
    ) -> Iterator[Trial]:
        for method, family in asked.methods.items():
            own = family if variance is None else family.model_copy(update={"pca": variance})
            yield Trial(group, name, method, own, whole, everything, labels, whole, folds, cohort.classes)

    pool = see(images)
    yield from under(DEPTH, POOL, [pool])
    for stage in (*asked.stages, POOL):
        seen = pool if stage == POOL else see(images, stage)
        for share in asked.variance:
            yield from under(DEPTH, f"{stage}, {share:.0%}", [seen], share)
    pooled = replace(cohort, features=pool)
    heads = [extract(pooled, seen, leak, number) for number, (seen, _) in enumerate(folds)]
    yield from under(HEAD, "100 values, inside each fold", heads)
    for other in asked.others:
        yield from under(DOMAIN, f"{other.architecture}, {other.weights}", [see(images, by=other)])
    for policy in asked.policies:
        made = augment(policy, images, labels, asked.copies, asked.crop_share, asked.seed)
        seen = see(made.images, brightness=_BRIGHT if made.bright else 1.0)
        for method, family in asked.methods.items():
            yield Trial(
                *(AUGMENTATION, policy, method, family, [seen], made.rows, made.labels, [pool]),
                *(folds, cohort.classes),
            )


def score(
    cohort: Cohort, trials: Sequence[Trial], said: Sequence[Labels], scoring: ScoringParams
) -> list[Variant]:
    """Score predictions, and set each beside the method's reference, its first."""
    targets, samples, draws = cohort.targets, cohort.sample_ids, (scoring.bootstrap, scoring.seed)
    first: dict[str, Labels] = {}
    found = []
    for trial, predicted in zip(trials, said, strict=True):
        reference = first.setdefault(trial.method, predicted)
        own = estimate(cohort.task, targets, predicted, samples, *draws)
        gain = difference(cohort.task, targets, predicted, reference, samples, *draws)
        told: dict[str, Any] = {"values": dict(own.values), "bounds": dict(own.bounds)}
        told |= {"gains": dict(gain.values), "gain_bounds": dict(gain.bounds)}
        found.append(Variant(trial.group, trial.name, trial.method, **told))
    return found


def _run(trial: Trial) -> Labels:
    with threadpool_limits(1):
        return trial.run()
