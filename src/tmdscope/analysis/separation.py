"""How well materials and their elements lie apart in an embedding, on held-out samples too."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tmdscope.analysis.record import Readout, Separation, Silhouette
from tmdscope.analysis.relations import Resampling
from tmdscope.errors import UserError
from tmdscope.materials import ATOMS, elements_of
from tmdscope.scores.bootstrap import mean_with_interval

Values = NDArray[np.float64]
Names = NDArray[np.str_]

_MOST = 5000
"""Images that a silhouette is computed of; it grows with their square. More are drawn at random."""


def divisions(materials: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """List the ways in which an element divides images in two: which images hold it, bool, shape (images,).

    ``X or not``, or ``X or Y`` where each material holds exactly one of the two. Of the paper's five
    materials: ``Mo or not``, ``W or not`` and ``S or Se``. Classes that are no formulae have none.
    """
    try:
        holds = {name: frozenset(elements_of(name)) for name in dict.fromkeys(materials)}
    except ValueError:
        return {}
    found: dict[str, NDArray[np.bool_]] = {}
    present = [element for name in holds for element in elements_of(name)]
    elements = [*(atom for atom in ATOMS if atom in present), *present]
    for element in dict.fromkeys(elements):
        inside = np.array([element in holds[name] for name in materials])
        same = next((name for name, seen in found.items() if (seen == ~inside).all()), None)
        if same is not None:
            found[f"{same.split()[0]} or {element}"] = found.pop(same)
        elif 0 < inside.sum() < len(inside) and not any((seen == inside).all() for seen in found.values()):
            found[f"{element} or not"] = inside
    return found


def separation(
    points: Values, materials: Sequence[str], held_out: NDArray[np.bool_], sampling: Resampling
) -> Separation:
    """Measure how far apart materials lie in points, shape (images, dimensions).

    By the silhouette (Rousseeuw 1987), and for each of `divisions` and for ``label`` by a logistic
    regression on standardised coordinates, fitted on images that are not of held-out samples.
    """
    names = np.asarray(materials, dtype=str)
    targets = {name: inside.astype(str) for name, inside in divisions(materials).items()}
    targets["label"] = names
    return Separation(
        silhouette=Silhouette(
            all=_silhouette(points, names, sampling.seed),
            test=_silhouette(points[held_out], names[held_out], sampling.seed),
        ),
        linear={name: _readout(name, points, target, held_out, sampling) for name, target in targets.items()},
    )


def dividing_lines(
    points: Values, materials: Sequence[str], held_out: NDArray[np.bool_]
) -> dict[str, tuple[float, float, float]]:
    """Fit a, b, c of a line ``a x + b y + c = 0`` for each of `divisions`, without held-out images."""
    lines = {}
    for name, inside in divisions(materials).items():
        model = _fit(name, points, inside.astype(str), held_out)
        scaler, fit = model[0], model[1]
        slope = fit.coef_[0] / scaler.scale_
        offset = float(fit.intercept_[0] - slope @ scaler.mean_)
        lines[name] = (float(slope[0]), float(slope[1]), offset)
    return lines


def _readout(
    name: str, points: Values, target: Names, held_out: NDArray[np.bool_], sampling: Resampling
) -> Readout:
    right = _fit(name, points, target, held_out).predict(points) == target
    ids = np.asarray(sampling.sample_ids, dtype=str)[held_out].tolist()
    hits = right[held_out].astype(float)
    test = mean_with_interval(hits, ids, sampling.resamples, sampling.seed, limits=(0, 1))
    _, counts = np.unique(target[held_out], return_counts=True)
    return Readout(
        fitted=float(right[~held_out].mean()),
        test=test,
        test_majority=float(counts.max() / counts.sum()) if len(counts) else None,
    )


def _fit(name: str, points: Values, target: Names, held_out: NDArray[np.bool_]) -> Any:
    if len(set(target[~held_out])) < 2:
        raise UserError(f"{name}: all images outside the held-out test are alike; set another split")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(points[~held_out], target[~held_out])


def _silhouette(points: Values, names: Names, seed: int) -> float | None:
    if not 2 <= len(set(names)) < len(names):
        return None
    size = _MOST if len(names) > _MOST else None
    return float(silhouette_score(points, names, sample_size=size, random_state=seed))
