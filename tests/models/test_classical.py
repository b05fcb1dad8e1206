"""Each classifier separates what it can separate, and the confound baseline sees only the sample id."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.materials import MATERIALS
from tmdscope.models.classical import CLASSIFIERS, fit_classifier, make_classifier, sample_numbers
from tmdscope.params.published_study import ClassifiersParams, LogisticParams, MlpParams, SvcParams


@pytest.fixture
def params():
    mlp = MlpParams(
        hidden=[8], epochs=1, batch_size=8, learning_rate=1e-3, dropout=0.0, checkpoint="improves-both"
    )
    return ClassifiersParams(mlp=mlp, svc=SvcParams(c=10.0), logistic=LogisticParams(c=0.1), seed=1)


def _three_classes(images=90):
    rng = np.random.default_rng(2)
    labels = np.arange(images) % 3
    return (np.eye(3)[labels] * 4 + rng.normal(size=(images, 3))).astype(np.float32), labels


@pytest.mark.parametrize("name", ["svc", "logistic"])
def test_separable_classes_are_separated(name, params):
    features, labels = _three_classes()
    classifier = make_classifier(name, params).fit(features[:60], labels[:60])
    assert (classifier.predict(features[60:]) == labels[60:]).mean() > 0.9


def test_svc_ignores_the_length_of_a_feature_vector(params):
    features, labels = _three_classes()
    classifier = make_classifier("svc", params).fit(features, labels)
    stretched = features * np.linspace(0.5, 20, len(features), dtype=np.float32)[:, None]
    np.testing.assert_array_equal(classifier.predict(stretched), classifier.predict(features))


@pytest.mark.parametrize("name", ["svc", "logistic"])
def test_rare_class_weighs_as_much_as_the_common_one(name, params):
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [190, 10])
    features = rng.normal(size=(200, 4)) + 1.2 * labels[:, None]
    found = fit_classifier(name, params, features, labels).predict(features)
    assert (found[labels == 1] == 1).mean() >= 0.7


def test_sample_id_only_answers_with_the_nearest_number(params):
    classifier = make_classifier("sample_id_only", params).fit(["7", "100", "2000"], ["a", "b", "c"])
    assert classifier.predict(["0009", "60", "1200"]).tolist() == ["a", "b", "c"]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_numbers_of_samples_survive_leading_zeros(numbers):
    ids = [f"{number:012d}" for number in numbers]
    np.testing.assert_array_equal(sample_numbers(ids), np.array(numbers, dtype=float)[:, None])


def test_last_digits_of_a_name_are_its_number():
    assert sample_numbers(["S0012", "wafer3-17", "7424"]).ravel().tolist() == [12, 17, 7424]


@pytest.mark.parametrize("sample", ["A", "", "wafer-seven"])
def test_ids_without_a_number_are_refused_by_name(sample):
    with pytest.raises(UserError, match="carries no number"):
        sample_numbers(["1", sample])


def test_unknown_name_gives_the_nearest(params):
    with pytest.raises(UserError, match="'svc'"):
        make_classifier("svm", params)
    assert all(make_classifier(name, params) for name in CLASSIFIERS)


@pytest.mark.realdata
def test_published_features_reproduce_the_measured_test_scores(published_dir, params):
    table = pd.read_parquet(published_dir / "features_resnet18_imagenet.parquet")
    labels = table["material"].map(MATERIALS.index).to_numpy()
    samples = table["sample_id"].tolist()
    features = table.filter(regex="^f").to_numpy()
    train, test = outer_folds(labels, samples, 10)[0]
    scores = {}
    for name in CLASSIFIERS:
        inputs = np.array(samples) if name == "sample_id_only" else features
        classifier = fit_classifier(name, params, inputs[train], labels[train])
        scores[name] = (classifier.predict(inputs[test]) == labels[test]).mean()
    assert scores["svc"] >= 0.84
    assert scores["sample_id_only"] >= 0.95
    assert 0.75 <= scores["logistic"] < scores["svc"]
