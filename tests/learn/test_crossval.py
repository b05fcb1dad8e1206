from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import FoldResult, cross_validate, fold_seed
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.recorder import Silent
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Classifier, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass

SETTINGS = FitSettings(2, 4, 1e-3, CheckpointRule.IMPROVES_BOTH, "weighted", seed=1)
FLIPPED = replace(SETTINGS, symmetries=4)
TARGET = Multiclass(("a", "b"))


def folds_of(count: int, folds: int) -> list[FoldParts]:
    rows = np.arange(count)
    test, rest = rows[: count // 5], rows[count // 5 :]
    return [FoldParts(rest[rest % folds != k], rest[rest % folds == k], test) for k in range(folds)]


def images() -> Examples:
    generator = torch.Generator().manual_seed(5)
    shape = (20, 32, 32)
    return Examples(
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), torch.arange(20) % 2
    )


def resnet() -> nn.Module:
    return Classifier(Backbone(bare_backbone("resnet18"), GREY_NORMALISATION), Head(512, 2, dropout=0.3))


def run(only: list[int] | None = None) -> list[FoldResult]:
    folds = folds_of(20, 4)
    return cross_validate(resnet, TARGET, images(), folds, FLIPPED, Silent(), only)


@pytest.fixture(scope="module")
def whole() -> list[FoldResult]:
    return run()


def test_fold_three_alone_gives_fold_threes_score(whole: list[FoldResult]) -> None:
    (alone,) = run(only=[3])
    assert alone.fold == 3
    assert alone.scores == whole[3].scores
    np.testing.assert_array_equal(alone.probabilities, whole[3].probabilities)


def test_the_order_of_folds_changes_nothing(whole: list[FoldResult]) -> None:
    for result in run(only=[2, 0]):
        assert result.scores == whole[result.fold].scores
        np.testing.assert_array_equal(result.probabilities, whole[result.fold].probabilities)


def run_tiny(only: list[int] | None = None) -> list[FoldResult]:
    inputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(6))

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))

    examples = Examples(inputs, torch.arange(20) % 2)
    return cross_validate(build, TARGET, examples, folds_of(20, 4), SETTINGS, Silent(), only=only)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), st.integers(0, 99))
def test_no_fold_depends_on_what_ran_before(only: list[int], global_seed: int) -> None:
    whole = {result.fold: result for result in run_tiny()}
    torch.manual_seed(global_seed)
    results = run_tiny(only)
    assert [result.fold for result in results] == only
    for result in results:
        assert result.scores == whole[result.fold].scores
        np.testing.assert_array_equal(result.probabilities, whole[result.fold].probabilities)


def test_folds_differ() -> None:
    first, second, *_ = run_tiny()
    assert not np.array_equal(first.probabilities, second.probabilities)


def test_every_fold_starts_from_a_fresh_model() -> None:
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(nn.Linear(3, 2))
        return built[-1]

    examples = Examples(torch.randn(20, 3), torch.arange(20) % 2)
    cross_validate(build, TARGET, examples, folds_of(20, 4), SETTINGS, Silent())
    assert len(built) == 4
    assert len({id(parameter) for model in built for parameter in model.parameters()}) == 8


def test_results_cover_every_image_and_part(whole: list[FoldResult]) -> None:
    for result in whole:
        assert result.probabilities.shape == (20, 2)
        assert {name.split("_")[0] for name in result.scores} == {"train", "val", "test", "kept"}
        assert len(result.fit.history) == 2


def test_seeds_differ_between_folds_and_experiments() -> None:
    assert len({fold_seed(seed, fold) for seed in range(20) for fold in range(20)}) == 400
