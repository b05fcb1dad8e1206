"""Stage `leak`: the seed's split and scaling, as a warning, beside honest ones.

The seed had few pictures of a class, rotations of one structure, and many copies of each; copies of a picture
fell on both sides of its split. Each copy was scaled from its darkest to its brightest pixel before noise was
added: the darkest pixel of a vacancy is the defect itself, so that its class stands in every pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.models.registry import fit_family
from tmdscope.params.families import CnnFamily, LogisticFamily
from tmdscope.run_record import StageRuns
from tmdscope.scores.task import CLASSES
from tmdscope.stem.crystal import Crystal
from tmdscope.stem.simulate import Condition, Scene, draw_condition
from tmdscope.stem.windows import BORDER, SIZE
from tmdscope.studies.stem_defects.params import LeakParams, SimulateParams
from tmdscope.studies.stem_defects.records import Leak
from tmdscope.tracking.runs import numbers

Pictures = NDArray[np.float64]
ORDERS = ("scaled_first", "noise_first")
SPLITS = ("random", "by_original", "by_condition")

_TEST = 5
"""One in so many pictures, or originals, is tested on."""
_PLAIN = Condition(noise=0, disorder=0, disorder_nm=0, relaxation_nm=0, jitter_px=0, shear=0)
_PAIR = ("SW", "VW")


@dataclass(frozen=True)
class _Set:
    """Clean pictures (N, SIZE, SIZE), their classes, and the original that each is a copy of."""

    clean: Pictures
    labels: NDArray[np.int64]
    original: NDArray[np.int64]


def run(study: Study) -> None:
    """Score one network on every order and split."""
    asked = study.section("leak", LeakParams)
    layer = study.section("simulate", SimulateParams).layer
    torch.set_num_threads(1)
    made, others = (_make(layer, asked, varied) for varied in (False, True))
    scores: dict[str, dict[str, float]] = {}
    border = {}
    cohort = study.cohort(study)
    with tracked_stage(study, "leak", cohort, asked.model_dump()) as tracked:
        with tracked.run("leak", {"experiment": "leak"}) as run:
            for order in ORDERS:
                rng = np.random.default_rng([asked.seed, 7])
                seen, varied = (_finished(one, order, asked.noise, rng) for one in (made, others))
                scores[order] = _score(made, seen, others, varied, layer.names, asked)
                border[order] = _border(made, seen, layer.names)
            found = Leak(CLASSES.plain.name, scores, border, len(made.labels))
            run.metrics(numbers({"scores": scores, "border": border}))
        found.write(study.layout.tables / "leak.json", tracked.of)
        StageRuns({"leak": run.run_id}, **tracked.where).write(
            study.layout.tables / "leak_run.json", tracked.of
        )
    print("; ".join(f"{order}: {told}" for order, told in asdict(found)["scores"].items()))


def _make(layer: Crystal, asked: LeakParams, varied: bool) -> _Set:
    """Draw originals of every class, and copies of them turned, mirrored and moved by a pixel."""
    clean, labels, originals = [], [], []
    for label, name in enumerate(layer.names):
        for number in range(asked.originals):
            rng = np.random.default_rng([asked.seed, varied, label, number])
            condition = replace(_PLAIN, rotation_deg=15.0 * number)
            if varied:
                condition = draw_condition(rng, noise=0, contamination=0, jitter_px=0)
            picture = _picture(layer, name, condition, rng)
            for copy in _copies(picture, asked.copies, rng):
                clean.append(copy)
                labels.append(label)
                originals.append(label * asked.originals + number)
    return _Set(np.stack(clean), np.array(labels), np.array(originals))


def _picture(layer: Crystal, name: str, condition: Condition, rng: np.random.Generator) -> Pictures:
    """Take a picture with a defect in the middle, a little larger than a window."""
    scene = Scene.draw(layer, condition, 128, rng)
    site = scene.choose([name], 0.1, 50, rng)[0]
    image = scene.render({site: name}, rng)
    x, y = np.round(scene.places[site]).astype(int)
    half = SIZE // 2 + 1
    return np.asarray(image[y - half : y + half, x - half : x + half], dtype=np.float64)


def _copies(picture: Pictures, count: int, rng: np.random.Generator) -> Iterator[Pictures]:
    for _ in range(count):
        turned = np.rot90(picture, int(rng.integers(4)))
        turned = turned[:, ::-1] if rng.integers(2) else turned
        row, column = rng.integers(0, 3, 2)
        yield turned[row : row + SIZE, column : column + SIZE]


def _finished(pictures: _Set, order: str, noise: float, rng: np.random.Generator) -> Pictures:
    """Add noise after scaling each picture from 0 to 1, or before bringing it to mean 0 and deviation 1."""
    values, axes = pictures.clean, (1, 2)
    added = rng.normal(0, noise, values.shape)
    if order == "scaled_first":
        low, high = (way(values, axis=axes, keepdims=True) for way in (np.min, np.max))
        return np.asarray((values - low) / (high - low) + added)
    noisy = values + added
    return np.asarray((noisy - noisy.mean(axes, keepdims=True)) / noisy.std(axes, keepdims=True))


def _score(
    made: _Set, seen: Pictures, others: _Set, varied: Pictures, classes: Sequence[str], asked: LeakParams
) -> dict[str, float]:
    """Train once for each split of the pictures; the first network is asked for other conditions, too."""
    family = CnnFamily(
        family="cnn", power=1.0, l2=False, standardise=False, learning_rate=3e-3, dropout=0.0,
        epochs=asked.epochs, batch_size=64,
    )  # fmt: skip
    flat, of_others = seen.reshape(len(seen), -1), varied.reshape(len(varied), -1)
    by_random = np.random.default_rng(asked.seed).permutation(len(flat)) % _TEST == 0
    by_original = made.original % asked.originals % _TEST == 0
    found = {}
    for name, test in (("random", by_random), ("by_original", by_original)):
        fitted = fit_family(family, flat[~test], made.labels[~test], classes, asked.seed).predict
        found[name] = CLASSES.scores(made.labels[test], fitted(flat[test]))[CLASSES.plain.name]
        if name == "by_original":
            found["by_condition"] = CLASSES.scores(others.labels, fitted(of_others))[CLASSES.plain.name]
    return found


def _border(made: _Set, seen: Pictures, classes: Sequence[str]) -> float:
    """Tell two kinds apart from the border of pictures alone, tested on other originals."""
    pair = np.isin(made.labels, [classes.index(name) for name in _PAIR if name in classes])
    border, labels = seen[pair][:, BORDER], np.unique(made.labels[pair], return_inverse=True)[1]
    sums = np.stack([border.mean(axis=1), border.std(axis=1)], axis=1)
    test = made.original[pair] % 2 == 0
    family = LogisticFamily(
        family="logistic", power=1.0, l2=False, standardise=True, logistic_c=1.0, balanced=True
    )
    fitted = fit_family(family, sums[~test], labels[~test], _PAIR)
    return CLASSES.scores(labels[test], fitted.predict(sums[test]))[CLASSES.plain.name]
