"""Planted relations are found, intervals and rates hold, and the paper's Table 5 is reproduced."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, pearsonr

from tmdscope.analysis.components import principal_components
from tmdscope.analysis.relations import (
    Resampling,
    component_cosines,
    correlate,
    cosines,
    normalise_descriptors,
    relate,
)
from tmdscope.errors import UserError

IMAGES = 60
SAMPLES = [f"s{k // 2}" for k in range(IMAGES)]
SAMPLING = Resampling(SAMPLES, folds=5, resamples=200, seed=1)


def _embeddings(seed=0, values=6):
    spread = np.array([20.0, 9.0, 4.0, 2.0, 1.0, 0.5])[:values]
    return pd.DataFrame(np.random.default_rng(seed).normal(3.0, 1.0, (IMAGES, values)) * spread)


def test_planted_descriptor_is_found_on_its_component_counted_from_one():
    pca = principal_components(_embeddings(), 4)
    descriptors = pd.DataFrame({"like": pca.scores["PC3"], "unlike": -pca.scores["PC2"]})
    relations = relate(pca.scores, descriptors, SAMPLING)
    like, unlike = relations["like"].correlations, relations["unlike"].correlations
    assert like.argmax() == np.abs(like).argmax() == 2
    assert like[2] == pytest.approx(1)
    assert unlike.argmin() == np.abs(unlike).argmax() == 1
    assert unlike[1] == pytest.approx(-1)
    assert relations["like"].regression_r == pytest.approx(1)
    assert relations["like"].regression_r_cv == pytest.approx(1)
    assert relations["like"].q_values[2] < 1e-9
    np.testing.assert_allclose(relations["like"].direction, [0, 0, 1, 0], atol=1e-9)
    shared = relations["like"].shared_variance(pca.explained_variance)
    assert shared == pytest.approx(pca.explained_variance[2])


def test_regression_r_is_the_multiple_correlation():
    pca = principal_components(_embeddings(), 3)
    noise = np.random.default_rng(5).normal(size=IMAGES)
    relation = relate(pca.scores, pd.DataFrame({"noise": noise}), SAMPLING)["noise"]
    # Components are uncorrelated, so R squared is the sum of their r squared.
    assert relation.regression_r == pytest.approx(np.sqrt((relation.correlations**2).sum()))
    # What is fitted to noise does not carry over to other samples.
    assert relation.regression_r_cv < relation.regression_r


def test_folds_keep_samples_whole():
    # The descriptor is a value of the sample, and the last component names the sample: in-sample R is high.
    rng = np.random.default_rng(3)
    value = rng.normal(size=(IMAGES // 10, 1)).repeat(10)
    names = np.eye(IMAGES // 10).repeat(10, axis=0)
    scores = pd.DataFrame(names + rng.normal(0, 1e-3, names.shape), columns=[f"PC{k}" for k in range(1, 7)])
    sampling = Resampling([f"s{k // 10}" for k in range(IMAGES)], folds=6, resamples=100, seed=1)
    relation = relate(scores, pd.DataFrame({"value": value}), sampling)["value"]
    assert relation.regression_r > 0.99
    assert relation.regression_r_cv < 0.5


@given(st.integers(0, 2**32 - 1))
def test_r_is_pearsons_and_lies_in_its_interval(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(IMAGES, 3)) * 100 + 1e4
    descriptor = points[:, 0] / 100 + rng.normal(size=IMAGES)
    r, bounds, p = correlate(points, descriptor, replace(SAMPLING, seed=seed % 100))
    np.testing.assert_allclose(r, [pearsonr(column, descriptor)[0] for column in points.T], atol=1e-9)
    assert (bounds[0] <= r).all()
    assert (r <= bounds[1]).all()
    assert ((p >= 0) & (p <= 1)).all()
    assert p[0] < 0.01


def test_many_images_of_few_samples_are_no_strong_evidence():
    """Of two unrelated quantities that vary by sample only, one in twenty is called related, not most."""
    false, trials = 0, 200
    sampling = Resampling([f"{k // 10:02d}" for k in range(200)], folds=5, resamples=300, seed=1)
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        x, y = rng.normal(size=(2, 20)).repeat(10, axis=1)
        _, _, p = correlate(x[:, None], y, sampling)
        false += int(p[0] < 0.05)
    assert false / trials < 0.12
    # Taken for independent, the same images would be called related half of the time.
    assert pearsonr(x, y).pvalue < p[0]


def test_the_false_discovery_rate_is_that_of_the_whole_table():
    pca = principal_components(_embeddings(), 3)
    rng = np.random.default_rng(2)
    descriptors = pd.DataFrame({name: rng.normal(size=IMAGES) for name in "abcd"})
    relations = relate(pca.scores, descriptors, SAMPLING)
    points = pca.scores.to_numpy()
    p = [correlate(points, descriptors[name].to_numpy(), SAMPLING)[2] for name in "abcd"]
    expected = false_discovery_control(np.concatenate(p)).reshape(4, 3)
    np.testing.assert_allclose([relations[name].q_values for name in "abcd"], expected)
    assert (expected > 0.05).all()


def test_an_image_without_a_value_counts_for_nothing():
    pca = principal_components(_embeddings(), 3)
    rng = np.random.default_rng(2)
    values = pca.scores["PC1"].to_numpy() + rng.normal(size=IMAGES)
    values[[3, 11, 40]] = np.nan
    found = relate(pca.scores, pd.DataFrame({"gaps": values}), SAMPLING)["gaps"]
    known = np.isfinite(values)
    expected = [pearsonr(column[known], values[known])[0] for column in pca.scores.to_numpy().T]
    np.testing.assert_allclose(found.correlations, expected)
    assert found.images == IMAGES - 3


def test_cosine_is_that_of_the_regression_directions():
    pca = principal_components(_embeddings(), 3)
    first, second = pca.scores["PC1"], pca.scores["PC2"]
    descriptors = pd.DataFrame({"a": first, "b": first + second, "c": -first})
    relations = relate(pca.scores, descriptors, SAMPLING)
    cosine = cosines(relations)
    assert cosine.loc["a", "b"] == pytest.approx(np.sqrt(0.5))
    assert cosine.loc["a", "c"] == pytest.approx(-1)
    np.testing.assert_allclose(np.diag(cosine), 1)
    assert component_cosines(relations).loc["b"].tolist() == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0])


@pytest.mark.parametrize("value", ["constant", "few"])
def test_descriptor_without_a_correlation_is_named(value):
    scores = principal_components(_embeddings(), 2).scores
    rows = np.arange(float(IMAGES))
    flat = np.ones(IMAGES) if value == "constant" else np.where(rows < 6, rows, np.nan)
    with pytest.raises(UserError, match="5 samples: flat"):
        relate(scores, pd.DataFrame({"good": scores["PC1"], "flat": flat}), SAMPLING)


def test_images_out_of_order_are_refused():
    scores = principal_components(_embeddings(), 2).scores
    with pytest.raises(UserError, match="same order"):
        relate(scores, scores[::-1], SAMPLING)


def test_descriptors_without_a_correlation_are_left_out_with_the_reason() -> None:
    gap = [1.0, np.nan, 2.0, np.inf]
    table = pd.DataFrame(
        {"good": [1.0, -4.0, 2.0, np.nan], "flat": [3.0] * 4, "gap": gap, "rare": [0.0, 0.0, 2.0, 1.0]}
    )
    kept, left_out = normalise_descriptors(table, ["a", "b", "c", "c"], 3, 2)
    assert kept["good"].tolist()[:3] == [0.25, -1.0, 0.5]
    assert np.isnan(kept["good"][3])
    assert left_out == {
        "flat": "the same for all images",
        "gap": "known for 2 images of 2 samples only",
        "rare": "other than 0 for 2 images only",
    }
    _, fewer = normalise_descriptors(table, ["a", "a", "a", "a"], 2, 2)
    assert fewer["good"] == "known for 3 images of 1 samples only"


@pytest.mark.realdata
def test_table_5_and_the_explained_variance_of_the_paper(published_dir):
    embeddings = pd.read_parquet(published_dir / "embeddings_resnet152_multilabel.parquet")
    descriptors = pd.read_csv(published_dir / "descriptors_published.csv")
    pca = principal_components(embeddings.filter(regex="^z"), 10)
    sampling = Resampling(embeddings["sample_id"].astype(str).tolist(), folds=5, resamples=500, seed=1)
    wanted = descriptors[["local_variation", "dissimilarity", "grain_density"]]
    relations = relate(pca.scores, wanted, sampling)
    assert pca.cumulative_explained_variance[-1] == pytest.approx(0.990, abs=0.001)
    table_5 = {
        "local_variation": (-0.25, 4, 0.50, 7, 0.65, 0.639),
        "dissimilarity": (-0.28, 3, 0.48, 7, 0.66, 0.648),
        "grain_density": (-0.25, 5, 0.48, 7, 0.61, 0.594),
    }
    for name, (low, low_at, high, high_at, regression_r, unseen) in table_5.items():
        found = relations[name]
        assert (found.correlations.argmin() + 1, found.correlations.argmax() + 1) == (low_at, high_at)
        assert round(found.correlations.min(), 2) == low
        assert round(found.correlations.max(), 2) == high
        assert round(found.regression_r, 2) == regression_r
        assert found.regression_r_cv == pytest.approx(unseen, abs=0.01)
        assert found.shared_variance(pca.explained_variance) < 0.02
    assert pca.explained_variance[6] == pytest.approx(0.0034, abs=1e-4)
