"""Stage `leak`: a warning, what features of one fold's network do to the scores of all folds.

The MoS2 paper fine-tunes a network on the training part of one fold (fold 9 of its ImageNet model) and takes
its 100 values as features of every fold, whose validation images that network was trained on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.fit import Examples
from tmdscope.learn.recorder import Silent
from tmdscope.models.mlp import train_mlp
from tmdscope.models.registry import fit_family
from tmdscope.models.scales import Labels
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import Estimate, difference, estimate
from tmdscope.studies.growth_temperature.asked import Asked
from tmdscope.studies.growth_temperature.params import LeakParams
from tmdscope.studies.growth_temperature.record import LEAK, Leak
from tmdscope.studies.growth_temperature.sources import source_of
from tmdscope.tracking.runs import numbers
from tmdscope.vision.targets import Multiclass

Values = NDArray[np.float32]


def run(study: Study) -> None:
    """Measure the lift on simulated images; `leak.enabled: false` leaves it out."""
    asked, own = study.section("leak", LeakParams), source_of(study, "simulated")
    path, cohort = study.layout.scores.with_name(LEAK), study.cohort(own)
    of = {"data": cohort.digest}
    if not asked.enabled:
        Leak(False, {}, {}, {}, {}, 0, 0).write(path, of)
        print(f"not run: leak.enabled is false in {study.layout.settings}")
        return
    torch.set_num_threads(1)
    work = Asked(own, cohort)
    with tracked_stage(own, "leak", cohort, asked.model_dump(mode="json")) as tracked:
        with tracked.run("leak", {"experiment": "leak"}) as run:
            found = measure(work, asked)
            run.metrics(numbers({"leaky": found.leaky, "honest": found.honest, "lift": found.lift}))
        found.write(path, of)
    plain = cohort.task.plain
    print(f"features of one fold's network: {plain.title} {plain.tell(found.lift[plain.name], sign=True)}")


def measure(work: Asked, asked: LeakParams) -> Leak:
    """Score both kinds of features on all outer folds but the last, whose network the leaky ones are of."""
    cohort, folds, scoring = work.cohort, list(work.folds), work.scoring
    *judged, (seen, _) = folds
    known = cohort.inputs, cohort.targets, cohort.classes
    shared = extract(*known, seen, asked, len(judged))
    leaky, honest = [], []
    for number, (train, unseen) in enumerate(judged):
        leaky.append(predict(cohort, shared, train, unseen, asked))
        honest.append(predict(cohort, extract(*known, train, asked, number), train, unseen, asked))
    rows = np.concatenate([unseen for _, unseen in judged])
    both = np.concatenate(leaky), np.concatenate(honest)
    about = cohort.targets[rows], cohort.sample_ids[rows]
    draws = scoring.bootstrap, scoring.seed
    scores = [estimate(cohort.task, about[0], said, about[1], *draws) for said in both]
    lift = difference(cohort.task, about[0], *both, about[1], *draws)
    return _record([*scores, lift])


def _record(estimates: Sequence[Estimate]) -> Leak:
    leaky, honest, lift = estimates
    named = {"leaky": leaky, "honest": honest, "lift": lift}
    values = {name: dict(one.values) for name, one in named.items()}
    bounds = {name: dict(one.bounds) for name, one in named.items()}
    return Leak(True, **values, bounds=bounds, images=lift.images, samples=lift.samples)


def extract(
    inputs: NDArray[Any],
    targets: Labels,
    classes: Sequence[str],
    train: Labels,
    asked: LeakParams,
    number: int,
) -> Values:
    """Train a network on some rows, and give its first layer before the ReLU for every row: (N, hidden)."""
    seen = inputs[train].astype(np.float32)
    middle, spread = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-6)
    scaled = torch.tensor((inputs - middle) / spread, dtype=torch.float32)
    examples, rows = Examples(scaled, torch.tensor(targets)), torch.from_numpy(train)
    seed = fold_seed(asked.seed, number)
    model = train_mlp(asked.network, seed, Multiclass(tuple(classes)), examples, rows, rows[:32], Silent())
    with torch.inference_mode():
        return np.asarray(model[0](scaled).numpy(), dtype=np.float32)


def predict(cohort: Cohort, features: Values, train: Labels, unseen: Labels, asked: LeakParams) -> Labels:
    """Fit the method on features of some rows and predict others."""
    fitted = fit_family(asked.method, features[train].astype(float), cohort.targets[train], cohort.classes)
    return np.asarray(fitted.predict(features[unseen].astype(float)), dtype=np.int64)
