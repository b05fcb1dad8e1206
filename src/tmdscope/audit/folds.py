"""Whether the folds are sound, and how lucky the split's held-out test is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedGroupKFold

from tmdscope.audit.kernel import Predictor
from tmdscope.audit.scores import Score, Scorer
from tmdscope.audit.table import AuditTable, Labels, Rows
from tmdscope.scores.intervals import Bounds

_SHUFFLES = 4
"""Each gives as many tests as there are outer folds."""


@dataclass(frozen=True)
class FoldScore:
    """One outer fold, scored by a model that was trained on the other folds.

    `binomial_ci95` (Clopper-Pearson) takes images for independent, which those of one sample are not;
    `bootstrap_ci95` is by sample, None of one sample.
    """

    images: int
    samples: int
    counts: dict[str, int]
    accuracy: float
    binomial_ci95: tuple[float, float]
    bootstrap_ci95: Bounds


@dataclass(frozen=True)
class Overlap:
    """What two parts of the split have in common; `share` is of the images of either, in 0..1 (Jaccard)."""

    left: str
    right: str
    images: int
    samples: int
    share: float


@dataclass(frozen=True)
class Luck:
    """The study's held-out test among tests of shuffled splits that are as large.

    Attributes
    ----------
    accuracy : float
        On the held-out test of the study's split, trained on all other images (`Confound.test` of the
        features).
    z : float
        That less the mean of the audit's folds of other images, in their standard deviations (ddof 1).
    shuffled_mean, shuffled_std : float
        Accuracy of the shuffled tests, mean and standard deviation (ddof 1).
    share_below : float
        Of them, those where the accuracy is below the held-out test's.
    """

    accuracy: float
    z: float
    shuffled_mean: float
    shuffled_std: float
    share_below: float
    shuffled_tests: int

    @property
    def is_unusual(self) -> bool:
        """Whether it lies two standard deviations off the folds, or in either twentieth of shuffled tests."""
        return abs(self.z) >= 2 or not 0.05 <= self.share_below <= 0.95


@dataclass(frozen=True)
class FoldHealth:
    """What can be said of the folds.

    Attributes
    ----------
    outer : list of FoldScore
        The audit's own folds (`audit.folds` of them): none of them is the study's held-out test.
    z_of_first, shuffled_mean, shuffled_std, share_below_first
        Of the first outer fold, against the others and the folds of shuffled splits, as in `Luck`.
    test : Luck or None
        The held-out test of the study's split; None without a split.
    overlaps, counts
        Of every pair of parts of the study's split, and of every part.
    order_independent : dict
        Method to whether every fold predicts the same when folds run backwards.
    """

    outer: list[FoldScore]
    z_of_first: float
    shuffled_mean: float
    shuffled_std: float
    share_below_first: float
    shuffled_tests: int
    test: Luck | None
    overlaps: list[Overlap]
    counts: dict[str, dict[str, int]]
    order_independent: dict[str, bool]


FoldRunner = Callable[[int], Labels]
"""Trains on a fold of some number and predicts images."""


def check_folds(
    scorer: Scorer,
    predictor: Predictor,
    outer: Sequence[tuple[Rows, Rows]],
    predicted: Labels,
    parts: Mapping[str, Rows],
    runners: Mapping[str, tuple[FoldRunner, int]],
    test: Score | None,
) -> FoldHealth:
    """Score the audit's folds, set the first and the held-out test among shuffles, and see what parts share.

    `outer` has rows to train on and to test on, `predicted` the prediction of every image by the model of the
    others' fold; `runners` what runs one of a method's folds, and their number. `parts` is empty and `test`
    None without a split.
    """
    scores = [_score_fold(scorer, rows, predicted[rows]) for _, rows in outer]
    accuracies = np.array([fold.accuracy for fold in scores])
    held_out = parts.get("test", np.array([], dtype=np.int64))
    others = accuracies[[not np.array_equal(np.sort(held_out), np.sort(rows)) for _, rows in outer]]
    shuffled = shuffled_tests(scorer.table, predictor, len(outer), _SHUFFLES, scorer.seed)
    return FoldHealth(
        outer=scores,
        z_of_first=_z(accuracies[0], accuracies[1:]),
        shuffled_mean=float(shuffled.mean()),
        shuffled_std=float(shuffled.std(ddof=1)),
        share_below_first=float((shuffled < accuracies[0]).mean()),
        shuffled_tests=len(shuffled),
        test=None if test is None else _luck(scorer, predictor, test, others, {len(outer): shuffled}),
        overlaps=_overlaps(scorer.table, parts),
        counts={name: _count(scorer.table, rows) for name, rows in parts.items()},
        order_independent={name: is_order_independent(*runner) for name, runner in runners.items()},
    )


def shuffled_tests(
    table: AuditTable, predictor: Predictor, folds: int, shuffles: int, seed: int
) -> np.ndarray:
    """Give accuracies, (shuffles * folds,), of splits cut as the study's is, but from shuffled samples."""
    found = []
    for number in range(shuffles):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=(seed + number) % 2**32)
        for train, test in splitter.split(np.zeros(len(table.labels)), table.labels, table.groups):
            found.append(float((predictor.predict(train, test) == table.labels[test]).mean()))
    return np.array(found)


def is_order_independent(run: FoldRunner, folds: int) -> bool:
    """Say whether folds predict the same, bit for bit, when they run backwards: nothing is carried over."""
    forwards = [run(number) for number in range(folds)]
    backwards = [run(number) for number in reversed(range(folds))][::-1]
    return all(np.array_equal(*pair) for pair in zip(forwards, backwards, strict=True))


def _z(value: float, others: np.ndarray) -> float:
    spread = float(others.std(ddof=1)) if len(others) > 1 else 0.0
    return float((value - others.mean()) / spread) if spread else 0.0


def _luck(
    scorer: Scorer, predictor: Predictor, test: Score, others: np.ndarray, known: Mapping[int, np.ndarray]
) -> Luck:
    """Set the held-out test among folds of shuffled splits of its size; the known are not redone."""
    table = scorer.table
    samples = len(table.group_class)
    folds = min(max(2, round(len(table.labels) / test.images)), samples)
    shuffled = known.get(folds)
    if shuffled is None:
        shuffled = shuffled_tests(table, predictor, folds, _SHUFFLES, scorer.seed)
    return Luck(
        accuracy=test.accuracy,
        z=_z(test.accuracy, others),
        shuffled_mean=float(shuffled.mean()),
        shuffled_std=float(shuffled.std(ddof=1)),
        share_below=float((shuffled < test.accuracy).mean()),
        shuffled_tests=len(shuffled),
    )


def _score_fold(scorer: Scorer, rows: Rows, predicted: Labels) -> FoldScore:
    score: Score = scorer.score(rows, predicted)
    hits = int((predicted == scorer.table.labels[rows]).sum())
    exact = binomtest(hits, len(rows)).proportion_ci(0.95, "exact")
    return FoldScore(
        images=score.images,
        samples=score.samples,
        counts=_count(scorer.table, rows),
        accuracy=score.accuracy,
        binomial_ci95=(float(exact.low), float(exact.high)),
        bootstrap_ci95=score.accuracy_ci95,
    )


def _count(table: AuditTable, rows: Rows) -> dict[str, int]:
    counts = np.bincount(table.labels[rows], minlength=len(table.classes))
    return {name: int(count) for name, count in zip(table.classes, counts, strict=True)}


def _overlaps(table: AuditTable, parts: Mapping[str, Rows]) -> list[Overlap]:
    found = []
    for (left, one), (right, other) in combinations(parts.items(), 2):
        common = len(np.intersect1d(one, other))
        samples = set(table.sample_ids[one]) & set(table.sample_ids[other])
        either = len(np.union1d(one, other))
        found.append(Overlap(left, right, common, len(samples), common / max(1, either)))
    return found
