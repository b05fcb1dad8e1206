"""Planted relations are found, and the paper's Table 5 is reproduced from its own tables."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.analysis.relations import (
    cosines,
    normalise_descriptors,
    principal_components,
    relate,
    summarise,
    summarise_variance,
)
from tmdscope.stage import UserError

IMAGES = 60


def _embeddings(seed=0, values=6):
    spread = np.array([20.0, 9.0, 4.0, 2.0, 1.0, 0.5])[:values]
    return pd.DataFrame(np.random.default_rng(seed).normal(3.0, 1.0, (IMAGES, values)) * spread)


@given(st.integers(0, 2**32 - 1))
def test_components_carry_the_variance_of_the_centred_embedding(seed):
    embeddings = _embeddings(seed)
    pca = principal_components(embeddings, 4)
    spectrum = np.linalg.eigvalsh(np.cov(embeddings.to_numpy().T))[::-1]
    np.testing.assert_allclose(pca.explained_variance, spectrum[:4] / spectrum.sum(), rtol=1e-8)
    np.testing.assert_allclose(pca.scores.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(pca.scores.var(), spectrum[:4], rtol=1e-8)
    assert pca.cumulative_explained_variance[-1] == pytest.approx(pca.explained_variance.sum())


def test_planted_descriptor_is_found_on_its_component_counted_from_one():
    pca = principal_components(_embeddings(), 4)
    descriptors = pd.DataFrame({"like": pca.scores["PC3"], "unlike": -pca.scores["PC2"]})
    relations = relate(pca.scores, descriptors)
    assert relations["like"].positive.component == 3
    assert relations["like"].positive.r == pytest.approx(1)
    assert relations["unlike"].negative.component == 2
    assert relations["unlike"].negative.r == pytest.approx(-1)
    assert relations["like"].regression_r == pytest.approx(1)
    np.testing.assert_allclose(relations["like"].direction, [0, 0, 1, 0], atol=1e-9)


def test_regression_r_is_the_multiple_correlation():
    pca = principal_components(_embeddings(), 3)
    noise = np.random.default_rng(5).normal(size=IMAGES)
    relation = relate(pca.scores, pd.DataFrame({"noise": noise}))["noise"]
    # Components are uncorrelated, so R squared is the sum of their r squared.
    assert relation.regression_r == pytest.approx(np.sqrt((relation.correlations**2).sum()))


def test_cosine_is_that_of_the_regression_directions():
    pca = principal_components(_embeddings(), 3)
    first, second = pca.scores["PC1"], pca.scores["PC2"]
    descriptors = pd.DataFrame({"a": first, "b": first + second, "c": -first})
    cosine = cosines(relate(pca.scores, descriptors))
    assert cosine.loc["a", "b"] == pytest.approx(np.sqrt(0.5))
    assert cosine.loc["a", "c"] == pytest.approx(-1)
    np.testing.assert_allclose(np.diag(cosine), 1)


def test_summary_is_json_with_every_pair():
    pca = principal_components(_embeddings(), 3)
    descriptors = pd.DataFrame({"a": pca.scores["PC1"], "b": pca.scores["PC2"]})
    summary = json.loads(json.dumps(summarise(pca, relate(pca.scores, descriptors)), allow_nan=False))
    assert summary["cumulative_explained_variance_3"] == pytest.approx(pca.explained_variance.sum())
    assert set(summary["descriptors"]["a"]) == {"negative", "positive", "regression_r"}
    assert summary["descriptors"]["b"]["positive"]["component"] == 2
    assert summary["regression_cosine"]["a"]["b"] == summary["regression_cosine"]["b"]["a"]
    assert summarise_variance(pca).items() <= summary.items()


@pytest.mark.parametrize("components", [0, 7])
def test_impossible_number_of_components_names_the_possible_ones(components):
    with pytest.raises(UserError, match=r"1\.\.6"):
        principal_components(_embeddings(), components)


@pytest.mark.parametrize("value", [1.0, np.nan], ids=["constant", "not-finite"])
def test_descriptor_without_a_correlation_is_named(value):
    scores = principal_components(_embeddings(), 2).scores
    with pytest.raises(UserError, match="not finite: flat"):
        relate(scores, pd.DataFrame({"good": scores["PC1"], "flat": value}))


def test_images_out_of_order_are_refused():
    scores = principal_components(_embeddings(), 2).scores
    with pytest.raises(UserError, match="same order"):
        relate(scores, scores[::-1])


@pytest.mark.realdata
def test_table_5_and_the_explained_variance_of_the_paper(published_dir):
    embeddings = pd.read_parquet(published_dir / "embeddings_resnet152_multilabel.parquet")
    descriptors = pd.read_csv(published_dir / "descriptors_published.csv")
    pca = principal_components(embeddings.filter(regex="^z"), 10)
    relations = relate(pca.scores, descriptors[["local_variation", "dissimilarity", "grain_density"]])
    assert pca.cumulative_explained_variance[-1] == pytest.approx(0.990, abs=0.001)
    table_5 = {
        "local_variation": (-0.25, 4, 0.50, 7, 0.65),
        "dissimilarity": (-0.28, 3, 0.48, 7, 0.66),
        "grain_density": (-0.25, 5, 0.48, 7, 0.61),
    }
    for name, (low, low_at, high, high_at, regression_r) in table_5.items():
        found = relations[name]
        assert (found.negative.component, found.positive.component) == (low_at, high_at)
        assert found.negative.r == pytest.approx(low, abs=0.01)
        assert found.positive.r == pytest.approx(high, abs=0.01)
        assert found.regression_r == pytest.approx(regression_r, abs=0.01)


def test_descriptors_without_a_correlation_are_left_out_with_the_reason() -> None:
    table = pd.DataFrame({"good": [1.0, -4.0, 2.0], "flat": [3.0, 3.0, 3.0], "gap": [1.0, np.nan, 2.0]})
    kept, left_out = normalise_descriptors(table)
    assert kept["good"].tolist() == [0.25, -1.0, 0.5]
    assert left_out == {"flat": "the same for all images", "gap": "not finite for 1 images"}
