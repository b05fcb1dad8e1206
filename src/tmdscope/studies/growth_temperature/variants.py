"""Stage `variants`: features and training images as the paper varied them, under methods with fixed settings.

Depth (Table 2), pretraining domain (Table 3) and augmentation (Figure 3) of frozen features, the 100 values
of a head trained inside each fold, and whole networks where there is time for them. Every image is predicted,
as it is, by a fit that never saw its sample; copies of an image train where it does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import read_json
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.layout import Layout
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
from tmdscope.studies.growth_temperature.finetuned import BRIGHT, finetune
from tmdscope.studies.growth_temperature.leak import extract
from tmdscope.studies.growth_temperature.params import LeakParams, VariantsParams
from tmdscope.studies.growth_temperature.record import ABSENT, PREPARED, VARIANTS, Variant, Variants
from tmdscope.studies.growth_temperature.sources import source_of
from tmdscope.tracking.runs import numbers
from tmdscope.vision.backbones import on_paper, stages_of
from tmdscope.vision.features import POOL, best_device, frozen_backbone, stage_features

Features = NDArray[np.float32]

DEPTH, HEAD, DOMAIN, AUGMENTATION, NETWORK = "depth", "head", "domain", "augmentation", "network"
"""What is varied."""

_BATCH = 64


class Said(NamedTuple):
    """What a method says of every image under a variant."""

    group: str
    name: str
    method: str
    labels: Labels


@dataclass(frozen=True)
class Trial:
    """A variant under methods: features that train, of rows with labels, and of the images as they are.

    With a `head` they are what it makes of the images' features, trained inside each fold.
    """

    group: str
    name: str
    methods: Mapping[str, AnyFamily]
    training: Features
    rows: Labels
    labels: Labels
    whole: Features
    folds: Folds
    classes: Sequence[str]
    head: LeakParams | None = None

    def run(self) -> list[Said]:
        """Predict every image with every method."""
        found = {name: np.empty(len(self.whole), dtype=np.int64) for name in self.methods}
        alike = self.training is self.whole and any(map(_turns, self.methods.values()))
        turned = _turned(self.whole) if alike else self.whole
        for number, (seen, unseen) in enumerate(self.folds):
            training, whole, kept = self.training, self.whole, np.isin(self.rows, seen)
            if self.head is not None:
                training = whole = extract(whole, self.labels, self.classes, seen, self.head, number)
            for name, family in self.methods.items():
                shown, asked = (turned, turned) if alike and _turns(family) else (training, whole)
                inputs = shown[kept].astype(np.float64)
                fitted = fit_family(family, inputs, self.labels[kept], self.classes)
                found[name][unseen] = fitted.predict(asked[unseen].astype(np.float64))
        return [Said(self.group, self.name, method, labels) for method, labels in found.items()]


def _turned(features: Features) -> NDArray[Any]:
    """Turn features of N images, (N, F), so that N values, (N, N), hold all products of two images."""
    found: NDArray[Any] = np.asarray(np.linalg.qr(features.T.astype(np.float64), mode="r"))
    return found.T


def _turns(family: AnyFamily) -> bool:
    """Say whether a method finds the same in as few values as there are images, turned to hold them all.

    Components do, where the values are not scaled one by one before.
    """
    return family.pca is not None and not family.standardise and family.power == 1


def run(study: Study) -> None:
    """Score every variant on a source's images; `variants.enabled: false` leaves it out."""
    asked = study.section("variants", VariantsParams)
    own, path = source_of(study, asked.source), study.layout.scores.with_name(VARIANTS)
    if not asked.enabled:
        Variants(False).write(path, {})
        print(f"not run: variants.enabled is false in {study.layout.settings}")
        return
    if (absent := own.layout.tables / ABSENT).is_file():
        why = read_json(absent)["why"]
        raise UserError(f"variants.source is {asked.source}, which was not run: {why}")
    known = stages_of(on_paper(asked.backbone.architecture))
    if unknown := [stage for stage in asked.stages if stage not in known]:
        has = f"{asked.backbone.architecture} has {', '.join(known)}"
        raise UserError(f"{study.layout.settings}: variants.stages: no stage {unknown[0]!r}; {has}")
    cohort = study.cohort(own)
    work, images = Asked(own, cohort), np.array(Dataset.load(own.layout.tables / PREPARED).images)
    made, pretrained = (cohort, images, work.folds, asked), Layout("", study.layout.root).pretrained
    trials = list(trials_of(*made, study.section("leak", LeakParams), pretrained))
    with tracked_stage(own, "variants", cohort, asked.model_dump(mode="json")) as tracked:
        said = [one for several in run_parts(_run, trials) for one in several]
        said += networks_of(*made, pretrained)
        found = score(cohort, said, work.scoring)
        with tracked.run("variants", {"experiment": "variants"}) as run:
            run.metrics(numbers({f"{one.group}.{one.name}.{one.method}": one.values for one in found}))
        done = Variants(True, found, len(cohort), len(set(cohort.sample_ids)), asked.source)
        done.write(path, {"data": cohort.digest})
    print(f"{len(found)} variants of {len({one.group for one in found})} kinds")


def trials_of(
    cohort: Cohort,
    images: NDArray[np.uint8],
    folds: Folds,
    asked: VariantsParams,
    leak: LeakParams,
    pretrained: Path,
) -> Iterator[Trial]:
    """Make every variant of features; the reference, the pool of images as they are, is first."""
    everything, labels, size_px = np.arange(len(images)), cohort.targets, images.shape[1]
    known: dict[bytes, Any] = {}

    def see(
        by: BackboneParams, shown: NDArray[np.uint8], stages: Sequence[str] = (POOL,), brightness: float = 1.0
    ) -> list[Features]:
        backbone = frozen_backbone(by.weights, by.architecture, pretrained, size_px)
        return stage_features(backbone, stages, shown, _BATCH, best_device(), brightness)

    def pooled(shown: NDArray[np.uint8]) -> Features:
        """See images, each once however often it is shown."""
        names = [image.tobytes() for image in shown]
        if new := {name: row for row, name in enumerate(names) if name not in known}:
            known.update(zip(new, see(asked.backbone, shown[[*new.values()]])[0], strict=True))
        return np.stack([known[name] for name in names])

    def under(
        group: str,
        name: str,
        features: Features,
        variance: float | None = None,
        head: LeakParams | None = None,
    ) -> Trial:
        kept = {} if variance is None else {"pca": variance}
        methods = {method: one.model_copy(update=kept) for method, one in asked.methods.items()}
        about = everything, labels, features, folds, cohort.classes
        return Trial(group, name, methods, features, *about, head)

    maps = (
        dict(zip(asked.stages, see(asked.backbone, images, asked.stages), strict=True))
        if asked.stages
        else {}
    )
    maps[POOL] = pooled(images)
    yield under(DEPTH, POOL, maps[POOL])
    for stage, seen in maps.items():
        for share in asked.variance:
            yield under(DEPTH, f"{stage}, {share:.0%}", seen, share)
    yield under(HEAD, "100 values, inside each fold", maps[POOL], head=leak)
    for other in asked.others:
        yield under(DOMAIN, f"{other.architecture}, {other.weights}", see(other, images)[0])
    for policy in asked.policies:
        made = augment(policy, images, labels, asked.copies, asked.crop_share, asked.seed)
        bright = partial(see, asked.backbone, brightness=BRIGHT)
        shown = bright(made.images)[0] if made.bright else pooled(made.images)
        about = made.rows, made.labels, maps[POOL], folds, cohort.classes
        yield Trial(AUGMENTATION, policy, asked.methods, shown, *about)


def networks_of(
    cohort: Cohort, images: NDArray[np.uint8], folds: Folds, asked: VariantsParams, pretrained: Path
) -> Iterator[Said]:
    """Train whole networks under every augmentation; the reference, images as they are, is first."""
    for name, params in asked.networks.items():
        for policy in sorted(asked.policies, key=lambda one: one != "aug4"):
            made = augment(policy, images, cohort.targets, asked.copies, asked.crop_share, asked.seed)
            labels = finetune(params, made, images, folds, cohort.classes, pretrained)
            yield Said(NETWORK, policy, name, labels)


def score(cohort: Cohort, said: Sequence[Said], scoring: ScoringParams) -> list[Variant]:
    """Score predictions, and set each beside the method's reference, its first."""
    targets, samples, draws = cohort.targets, cohort.sample_ids, (scoring.bootstrap, scoring.seed)
    first: dict[str, Labels] = {}
    found = []
    for group, name, method, predicted in said:
        reference = first.setdefault(method, predicted)
        own = estimate(cohort.task, targets, predicted, samples, *draws)
        gain = difference(cohort.task, targets, predicted, reference, samples, *draws)
        told: dict[str, Any] = {"values": dict(own.values), "bounds": dict(own.bounds)}
        told |= {"gains": dict(gain.values), "gain_bounds": dict(gain.bounds)}
        found.append(Variant(group, name, method, **told))
    return found


def _run(trial: Trial) -> list[Said]:
    with threadpool_limits(1):
        return trial.run()
