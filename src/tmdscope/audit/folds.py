"""Whether the folds are sound, and how lucky the split's held-out test is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedGroupKFold

from tmdscope.audit.kernel import Learner
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort, Rows, Targets, Values
from tmdscope.scores.intervals import Bounds, Estimate

_SHUFFLES = 4
"""Each gives as many tests as there are outer folds."""


@dataclass(frozen=True)
class FoldScore:
    """One outer fold, scored by the plain metric, by a model that was trained on the other folds.

    `binomial_ci95` (Clopper-Pearson, None of numbers, which are not right or wrong) takes images for
    independent, which those of one sample are not; `bootstrap_ci95` is by sample, None of one sample.
    """

    images: int
    samples: int
    counts: dict[str, int]
    score: float
    binomial_ci95: Bounds
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
    """The study's held-out test among tests of shuffled splits that are as large, by the plain metric.

    `score` is by a model that trained on all other images (`Confound.test` of the features); `z` that less
    the mean of the audit's folds of other images, in their standard deviations (ddof 1, as of the shuffled
    tests); `share_below` the share of shuffled tests with a lower score.
    """

    score: float
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

    `outer` are the audit's own (`audit.folds` of them), none of which is the study's held-out test; what
    follows sets the first of them against the others and shuffled splits, as `Luck` does. `test`, None
    without a split, is the held-out test; `overlaps` and `counts` are of the parts of the study's split.
    `order_independent` says of a method whether every fold predicts the same when folds run backwards.
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


FoldRunner = Callable[[int], Targets]
"""Trains on a fold of some number and predicts images."""


def check_folds(
    cohort: Cohort,
    predictor: Learner,
    outer: Sequence[tuple[Rows, Rows]],
    predicted: Targets,
    parts: Mapping[str, Rows],
    runners: Mapping[str, tuple[FoldRunner, int]],
    test: Estimate | None,
    scoring: ScoringParams,
) -> FoldHealth:
    """Score the audit's folds, set the first and the held-out test among shuffles, and see what parts share.

    `outer` has rows to train on and to test on, `predicted` the prediction of every image by the model of the
    others' fold; `runners` what runs one of a method's folds, and their number. `parts` is empty and `test`
    None without a split.
    """
    folds = [_score_fold(cohort, rows, predicted[rows], scoring) for _, rows in outer]
    scores = np.array([fold.score for fold in folds])
    shuffled = shuffled_tests(cohort, predictor, len(outer), _SHUFFLES, scoring.seed)
    first = _luck(scores[0], scores[1:], shuffled)
    luck = None
    if test is not None:
        held_out = np.sort(parts["test"])
        others = scores[[not np.array_equal(held_out, np.sort(rows)) for _, rows in outer]]
        alike = min(max(2, round(len(cohort.targets) / test.images)), len(cohort.group_stratum))
        if alike != len(outer):
            shuffled = shuffled_tests(cohort, predictor, alike, _SHUFFLES, scoring.seed)
        luck = _luck(test.values[cohort.task.plain.name], others, shuffled)
    return FoldHealth(
        outer=folds,
        z_of_first=first.z,
        shuffled_mean=first.shuffled_mean,
        shuffled_std=first.shuffled_std,
        share_below_first=first.share_below,
        shuffled_tests=first.shuffled_tests,
        test=luck,
        overlaps=[_overlap(cohort, *pair) for pair in combinations(parts.items(), 2)],
        counts={name: cohort.count(rows) for name, rows in parts.items()},
        order_independent={name: is_order_independent(*runner) for name, runner in runners.items()},
    )


def shuffled_tests(cohort: Cohort, predictor: Learner, folds: int, shuffles: int, seed: int) -> Values:
    """Give scores, (shuffles * folds,), of splits cut as the study's is, but from shuffled samples."""
    found = []
    for number in range(shuffles):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=(seed + number) % 2**32)
        for train, test in splitter.split(np.zeros(len(cohort.targets)), cohort.stratum, cohort.groups):
            found.append(cohort.score(test, predictor.predict(train, test)))
    return np.array(found)


def is_order_independent(run: FoldRunner, folds: int) -> bool:
    """Say whether folds predict the same, bit for bit, when they run backwards: nothing is carried over."""
    forwards = [run(number) for number in range(folds)]
    backwards = [run(number) for number in reversed(range(folds))][::-1]
    return all(np.array_equal(*pair) for pair in zip(forwards, backwards, strict=True))


def _luck(score: float, others: Values, shuffled: Values) -> Luck:
    """Set the score of a test beside those of other folds, and of tests of shuffled splits."""
    spread = float(others.std(ddof=1)) if len(others) > 1 else 0.0
    return Luck(
        score=float(score),
        z=float((score - others.mean()) / spread) if spread else 0.0,
        shuffled_mean=float(shuffled.mean()),
        shuffled_std=float(shuffled.std(ddof=1)),
        share_below=float((shuffled < score).mean()),
        shuffled_tests=len(shuffled),
    )


def _score_fold(cohort: Cohort, rows: Rows, predicted: Targets, scoring: ScoringParams) -> FoldScore:
    found, name = cohort.estimate(rows, predicted, scoring), cohort.task.plain.name
    exact = None
    if cohort.classes:
        hits = int((predicted == cohort.targets[rows]).sum())
        low, high = binomtest(hits, len(rows)).proportion_ci(0.95, "exact")
        exact = float(low), float(high)
    return FoldScore(
        images=found.images,
        samples=found.samples,
        counts=cohort.count(rows),
        score=found.values[name],
        binomial_ci95=exact,
        bootstrap_ci95=found.bounds[name],
    )


def _overlap(cohort: Cohort, one: tuple[str, Rows], other: tuple[str, Rows]) -> Overlap:
    (left, rows), (right, others) = one, other
    common, either = len(np.intersect1d(rows, others)), len(np.union1d(rows, others))
    return Overlap(left, right, common, len(cohort.shared(rows, others)), common / max(1, either))
