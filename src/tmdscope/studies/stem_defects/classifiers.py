"""What windows are named by: section `methods`, frozen networks, and two controls."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tmdscope.jobs.study import Study
from tmdscope.models.tabular import FixedMethod, Method, make_methods
from tmdscope.params.experiments import FeaturesParams
from tmdscope.params.families import MethodsParams
from tmdscope.scores.cohort import Cohort
from tmdscope.stem.windows import SIZE, to_grey
from tmdscope.studies.stem_defects.controls import LOGISTIC, controls
from tmdscope.vision.features import best_device, frozen_backbone, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision

_WEAK = LOGISTIC.model_copy(update={"logistic_c": 0.01})
"""For hundreds of features."""
_ENLARGED = 3
"""Frozen networks, which halve an image five times, see windows so many times as wide."""


def make_classifiers(study: Study, cohort: Cohort) -> Mapping[str, Method]:
    """Make the methods, the controls last."""
    asked = study.section("methods", MethodsParams)
    return {**make_methods(cohort, asked), **_frozen(study, cohort), **controls(cohort)}


def _frozen(study: Study, cohort: Cohort) -> dict[str, Method]:
    """Look at the windows through frozen networks."""
    asked, device = study.section("features", FeaturesParams), best_device()
    images: NDArray[np.uint8] = to_grey(cohort.inputs.reshape(-1, SIZE, SIZE))
    for axis in (1, 2):
        images = images.repeat(_ENLARGED, axis=axis)
    precision = resolve_precision(Precision(asked.precision), device)
    made: dict[str, Method] = {}
    for one in asked.backbones:
        backbone = frozen_backbone(
            one.weights, one.architecture, study.layout.pretrained, SIZE * _ENLARGED
        ).to(device)
        seen = symmetric_features(backbone, images, 1, asked.batch_size, device, precision)[:, 0]
        made[f"frozen_{one.architecture}"] = FixedMethod(replace(cohort, features=seen), _WEAK)
    return made
