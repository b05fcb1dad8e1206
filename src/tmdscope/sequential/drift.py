"""How far classes move in the latent space from stage to stage: "classes keep their place" as a number.

The TMD paper shows its latent panels (Figure 5) rotated and mirrored by hand. Here the images that two
stages share are laid over each other by Procrustes' method (one rotation or reflection, one scale, one shift
for all), and what is left of the distance between a class's two centroids is its drift.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from tmdscope.scores.folds import mean_std
from tmdscope.sequential.plan import Plan
from tmdscope.sequential.record import PANEL_COLUMNS, LatentDrift, Moved
from tmdscope.sequential.run import StageResult

Points = NDArray[np.floating[Any]]


def align(moved: Points, reference: Points, points: Points | None = None) -> Points:
    """Lay points, (N, D), over others by one rotation or reflection, one scale and one shift.

    They move so that squared distances from `moved` to `reference` are smallest; `points`, (M, D), are moved
    in place of `moved`. `ValueError` where shapes do not match, or all moved points are one.
    """
    if moved.shape != reference.shape:
        raise ValueError(f"points of shape {moved.shape} cannot be laid over {reference.shape}")
    centre, target = moved.mean(axis=0), reference.mean(axis=0)
    spread = float(((moved - centre) ** 2).sum())
    if spread == 0:
        raise ValueError("all points are one: there is nothing to turn or scale")
    rotation, scale = orthogonal_procrustes(moved - centre, reference - target)
    found: Points = ((moved if points is None else points) - centre) @ rotation * (scale / spread) + target
    return found


def centroid_drift(before: Points, after: Points, labels: NDArray[np.int64]) -> dict[int, float]:
    """Measure how far every class's centroid has moved between embeddings of the same images, (N, D).

    After alignment, in units of the root mean square distance between the classes' centroids before;
    `ValueError` with fewer than two classes.
    """
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError("the drift of one class has no unit: name at least two")
    laid = align(after, before)
    old, new = (
        np.stack([points[labels == number].mean(axis=0) for number in classes]) for points in (before, laid)
    )
    pairs = old[:, None] - old[None]
    unit = np.sqrt((pairs**2).sum() / (len(classes) * (len(classes) - 1)))
    moved = np.linalg.norm(new - old, axis=1) / unit
    return {int(number): float(value) for number, value in zip(classes, moved, strict=True)}


def measure_latent_drift(
    plan: Plan, results: Sequence[StageResult], labels: NDArray[np.int64]
) -> list[LatentDrift]:
    """Measure the drift of every stage at full volume, and that of a model trained anew beside it.

    Labels are in the order of the classes' coming; what moves is the classes of the sequence's stage before.
    """
    shown = {
        (result.training.encoding, result.training.stage.number, result.training.arm): result
        for result in results
        if result.embeddings
    }
    found = []
    for encoding in plan.params.encodings:
        for stage in plan.stages[1:]:
            before = shown.get((encoding, stage.number - 1, "sequential"))
            if before is None:
                continue  # it was there before the sequence and is not looked at
            known = (labels >= 0) & (labels < len(stage.classes) - 1)
            sequential, direct = (
                _moved(before, shown[encoding, stage.number, arm], labels, known, stage.classes)
                for arm in ("sequential", "direct")
            )
            found.append(LatentDrift(encoding, len(stage.classes), sequential, direct))
    return found


def _moved(
    before: StageResult,
    after: StageResult,
    labels: NDArray[np.int64],
    known: NDArray[np.bool_],
    classes: Sequence[str],
) -> Moved:
    folds = [
        centroid_drift(old[known], new[known], labels[known])
        for old, new in zip(before.embeddings, after.embeddings, strict=True)
    ]
    return Moved(
        **mean_std([float(np.mean(list(fold.values()))) for fold in folds]),
        classes={classes[number]: float(np.mean([fold[number] for fold in folds])) for number in folds[0]},
    )


def latent_panels(
    plan: Plan, results: Sequence[StageResult], labels: NDArray[np.int64], image_ids: Sequence[str]
) -> pd.DataFrame:
    """Give the first two principal components of every stage (fold 0), each laid over the one before.

    Labels are in the order of the classes' coming; columns are `PANEL_COLUMNS`; only images of known classes.
    """
    tables = []
    last: dict[str, Points] = {}
    for result in results:
        training = result.training
        if not result.embeddings or training.arm != "sequential":
            continue
        rows = np.flatnonzero((labels >= 0) & (labels < len(training.stage.classes)))
        points = PCA(2).fit_transform(result.embeddings[0][rows])
        if training.stage.number:
            shared = labels[rows] < len(training.stage.classes) - 1
            points = align(points[shared], last[training.encoding], points)
        last[training.encoding] = points
        names = [plan.order[label] for label in labels[rows]]
        images = np.asarray(image_ids, dtype=object)[rows]
        columns = (training.encoding, len(training.stage.classes), images, names, *points.T)
        tables.append(pd.DataFrame(dict(zip(PANEL_COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True)
