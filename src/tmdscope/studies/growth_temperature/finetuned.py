"""Whole networks trained inside each fold on varied images, as the CNN of the paper's Figure 3."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.experiment import classifier_maker, fit_settings
from tmdscope.learn.fit import Examples, fit, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.models.scales import Labels
from tmdscope.params.experiments import ExperimentParams
from tmdscope.studies.growth_temperature.asked import Folds
from tmdscope.studies.growth_temperature.augmentation import Augmented
from tmdscope.vision.features import best_device
from tmdscope.vision.targets import make_target

BRIGHT = 255.0
"""By how much images are too bright that are not divided by 255."""

_WATCHED = 256
"""About as many training images are scored after each epoch; none of a fold's others chooses one."""


def finetune(
    params: ExperimentParams,
    made: Augmented,
    images: NDArray[np.uint8],
    folds: Folds,
    classes: Sequence[str],
    pretrained: Path,
) -> Labels:
    """Predict every image, (N, S, S), with a network that was trained on what was made of the others."""
    device, target = best_device(), make_target(params.target, classes)
    build = classifier_maker(params, target, images.shape[1], pretrained, device)
    settings, shown = fit_settings(params, device), torch.from_numpy(made.images)
    inputs = (shown.float() * BRIGHT if made.bright else shown).to(device)
    examples = Examples(inputs, torch.from_numpy(made.labels).to(device))
    found = np.empty(len(images), dtype=np.int64)
    for number, (seen, unseen) in enumerate(folds):
        rows, seed = (
            torch.from_numpy(np.flatnonzero(np.isin(made.rows, seen))),
            fold_seed(params.seed, number),
        )
        torch.manual_seed(seed)
        model, watched = build(), rows[:: max(1, len(rows) // _WATCHED)]
        fit(model, target, examples, rows, watched, replace(settings, seed=seed), Silent())
        logits = predict_logits(model, torch.from_numpy(images[unseen]).to(device))
        found[unseen] = target.predict(logits).cpu().numpy()
    return found
