"""What the gate makes of a difference: on given intervals, and how often on simulated pairs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lifecycle.gates import EQUAL, TEST, differing
from tmdscope.lifecycle.not_worse import Finding, judge_difference, samples_needed
from tmdscope.scores.intervals import Estimate, difference
from tmdscope.scores.task import CLASSES, quantity

MARGIN = 0.05
PRIMARY = CLASSES.primary
DRAWS = 200
PARTS = {"out-of-fold": 163, "held-out test": 17}
FEW = ({"held-out test": 8}, {"out-of-fold": 8, "held-out test": 4})


def judge(folds: Estimate | None, test: Estimate | None, margin: float = MARGIN) -> Finding:
    found = {"out-of-fold": folds, "held-out test": test}
    return judge_difference(
        {name: each for name, each in found.items() if each}, PRIMARY, margin, "version 1"
    )


def test_both_agree_and_a_small_test_says_how_many_samples_it_takes() -> None:
    found = judge(EQUAL, TEST)
    assert found.passed
    assert found.text == (
        "against version 1, margin 0.050: out-of-fold, 400 images of 240 samples: macro F1 +0.010 "
        "[-0.015, +0.035]; held-out test, 30 images of 17 samples: macro F1 +0.000 [-0.120, +0.110], too few "
        "to show a difference of the margin (about 90 samples would)"
    )
    assert found.figures["macro_f1_difference_low"] == -0.015
    assert found.figures["test.macro_f1_difference_low"] == -0.12


def test_a_test_that_shows_it_worse_fails_whatever_the_folds_say() -> None:
    found = judge(differing(EQUAL, 0.016, (-0.02, 0.05)), differing(TEST, -0.5, (-0.63, -0.37)))
    assert not found.passed
    assert "-0.500 [-0.630, -0.370] shows it worse" in found.text


@given(st.floats(-1, 1), st.floats(0.02, 0.5))
def test_the_lower_bound_decides(low: float, margin: float) -> None:
    assert judge(differing(EQUAL, 1.0, (low, 1.0)), TEST, margin).passed == (low >= -margin)


def test_without_out_of_fold_images_the_test_must_show_it_alone() -> None:
    assert not judge(None, TEST).passed
    assert judge(None, EQUAL).passed
    assert not judge(EQUAL, None).passed
    assert not judge(None, differing(EQUAL, -0.01, (-0.02, -0.001))).passed


def test_an_error_that_grows_is_what_is_worse() -> None:
    metric = quantity("eV").primary

    def of(low: float, high: float) -> Estimate:
        return Estimate({metric.name: (low + high) / 2}, {metric.name: (low, high)}, 40, 20)

    better, worse = of(-0.3, -0.1), of(0.1, 0.3)
    for folds, test, passed in ((better, better, True), (better, worse, False), (worse, better, False)):
        found = judge_difference({"out-of-fold": folds, "held-out test": test}, metric, 0.2, "it")
        assert found.passed == passed
        assert found.figures["mae_difference_low"] == folds.bounds["mae"][0]  # type: ignore[index]
    assert "margin 0.2 eV: out-of-fold, 40 images of 20 samples: MAE +0.2 [+0.1, +0.3] eV" in found.text


@pytest.mark.parametrize("bounds", [None, (float("nan"), float("nan"))], ids=str)
@pytest.mark.parametrize("part", ["folds", "test"])
def test_nothing_is_decided_by_what_has_no_interval(bounds: tuple[float, float] | None, part: str) -> None:
    parts = {"folds": EQUAL, "test": TEST}
    parts[part] = replace(differing(parts[part], 0.0, bounds), samples=1)
    found = judge(**parts)
    assert not found.passed
    assert "no interval of so few samples" in found.text


@pytest.mark.parametrize(("samples", "passed"), [(17, False), (200, True)])
def test_models_that_never_differ_pass_once_a_loss_of_the_margin_would_have_shown(
    samples: int, passed: bool
) -> None:
    same = pair(np.random.default_rng(1), samples, 0.0, 0.0)
    assert judge(same, TEST).passed == passed
    assert (samples_needed(same, PRIMARY, MARGIN) or 0) > samples or passed
    assert samples_needed(same, PRIMARY, 0.0) is None


def pair(rng: np.random.Generator, samples: int, worse: float, change: float) -> Estimate:
    """Compare a model of accuracy .7 with one that errs on more of its images, and differs on others."""
    labels = np.repeat(rng.integers(0, 5, samples), 2)
    wrong = (labels + rng.integers(1, 5, len(labels))) % 5
    old = np.where(rng.random(len(labels)) < 0.7, labels, wrong)
    right, drawn = old == labels, rng.random(len(labels))
    new = np.where(right & (drawn < (change + worse) / 0.7), wrong, old)
    new = np.where(~right & (drawn < change / 0.3), labels, new)
    ids = np.repeat(np.arange(samples).astype(str), 2)
    return difference(CLASSES, labels, new, old, ids, 200, 1)


def passes(worse: float, change: float, parts: dict[str, int]) -> float:
    rng = np.random.default_rng(1)
    judged = [
        judge_difference(
            {name: pair(rng, n, worse, change) for name, n in parts.items()}, PRIMARY, MARGIN, "it"
        )
        for _ in range(DRAWS)
    ]
    return float(np.mean([each.passed for each in judged]))


@pytest.mark.parametrize(
    "parts", [PARTS, {"held-out test": 8}, {"out-of-fold": 8, "held-out test": 4}], ids=str
)
@pytest.mark.parametrize("change", [0.0, 0.01, 0.05])
def test_a_model_that_is_worse_by_twice_the_margin_hardly_ever_passes(
    parts: dict[str, int], change: float
) -> None:
    assert passes(2 * MARGIN, change, parts) <= 0.05


@pytest.mark.parametrize(("change", "share"), [(0.0, 1.0), (0.02, 0.95), (0.05, 0.7)])
def test_an_equal_model_passes_the_more_often_the_more_it_agrees(change: float, share: float) -> None:
    assert passes(0.0, change, PARTS) >= share
