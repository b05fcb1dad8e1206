"""Programs that can be predicted with: random networks, and the reliability of random predictions."""

from dataclasses import replace

import numpy as np

from tests.tracking.programs import CLASSES, make_program
from tmdscope.dataset.splits import FoldParts
from tmdscope.params.images import PrepareParams
from tmdscope.reliability.reliability import Reliability, fit_reliability
from tmdscope.tracking.models import Program
from tmdscope.vision.classifier import Ensemble, EnsembleConfig, Head
from tmdscope.vision.targets import Multilabel

SIZE_PX = 32
PREPARE = PrepareParams(size_px=SIZE_PX, percentiles=[0.5, 99.5])


def make_reliability(members: int = 2, images: int = 160, classes: int = len(CLASSES)) -> Reliability:
    """Of random predictions, two images a sample."""
    rng = np.random.default_rng(1)
    rows, part = np.arange(images), np.arange(images) // 2 % members
    return fit_reliability(
        rng.dirichlet(np.ones(classes), (members, images)),
        rng.normal(size=(members, images, 100)),
        rng.integers(0, classes, images),
        [f"s{k // 2}" for k in range(images)],
        [FoldParts(rows[part != fold], rows[part == fold], rows[:0]) for fold in range(members)],
    )


def make_complete(multilabel: bool = False) -> Program:
    """An ensemble of two with all that is stored beside it."""
    program = make_program(members=2)
    ensemble, config = program.ensemble, program.config
    if multilabel:
        target = Multilabel(CLASSES)
        heads = [Head(512, target.outputs) for _ in range(2)]
        ensemble = Ensemble([ensemble.member(0).backbone], heads, target).eval()
        config = replace(config, target="multilabel", atoms=target.atoms)
    assert isinstance(config, EnsembleConfig)
    reference = np.zeros((2, SIZE_PX, SIZE_PX), np.uint8)
    return Program(ensemble, config, PREPARE, make_reliability(), reference)
