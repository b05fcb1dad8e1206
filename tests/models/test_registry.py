"""Each classifier separates what it can separate, and the confound baseline sees only the sample id."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC

from tests.support.cohorts import make_cohort
from tmdscope.dataset.columns import sample_numbers
from tmdscope.dataset.label import take_label
from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.materials import MATERIALS
from tmdscope.models.registry import Transformed, fit_family, make_transforms
from tmdscope.models.scales import FamilyError
from tmdscope.models.tabular import FixedMethod, SampleIdMethod
from tmdscope.params.families import AnyFamily, LogisticFamily, SvcFamily, read_family

FIXED: dict[str, AnyFamily] = {
    "svc": SvcFamily(
        family="svc", power=1.0, l2=True, standardise=True, svc_c=10.0, gamma=1.0, balanced=True
    ),
    "logistic": LogisticFamily(
        family="logistic", power=1.0, l2=False, standardise=True, logistic_c=0.1, balanced=True
    ),
}


def _three_classes(images=90):
    rng = np.random.default_rng(2)
    labels = np.arange(images) % 3
    return (np.eye(3)[labels] * 4 + rng.normal(size=(images, 3))).astype(np.float32), labels


def _fit(name, features, labels):
    return fit_family(FIXED[name], features, labels, [str(label) for label in np.unique(labels)])


@pytest.mark.parametrize("name", ["svc", "logistic"])
def test_separable_classes_are_separated(name):
    features, labels = _three_classes()
    classifier = _fit(name, features[:60], labels[:60])
    assert (classifier.predict(features[60:]) == labels[60:]).mean() > 0.9


def test_transforms_are_fitted_once_for_each_kind_and_change_no_fit():
    features, labels = _three_classes()
    known, classes = Transformed(features[:60]), ("0", "1", "2")
    for name in ("svc", "logistic", "svc"):
        shared = fit_family(FIXED[name], known, labels[:60], classes)
        alone = fit_family(FIXED[name], features[:60], labels[:60], classes)
        assert shared.transforms is known.by(FIXED[name])[0]
        assert (
            shared.probabilities(features[60:], 3).tolist() == alone.probabilities(features[60:], 3).tolist()
        )
    assert known.by(FIXED["svc"])[0] is not known.by(FIXED["logistic"])[0]


def test_svc_ignores_the_length_of_a_feature_vector():
    features, labels = _three_classes()
    classifier = _fit("svc", features, labels)
    stretched = features * np.linspace(0.5, 20, len(features), dtype=np.float32)[:, None]
    np.testing.assert_array_equal(classifier.predict(stretched), classifier.predict(features))


@pytest.mark.parametrize("name", ["svc", "logistic"])
def test_rare_class_weighs_as_much_as_the_common_one(name):
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [190, 10])
    features = rng.normal(size=(200, 4)) + 1.2 * labels[:, None]
    found = _fit(name, features, labels).predict(features)
    assert (found[labels == 1] == 1).mean() >= 0.7


def test_sample_id_only_answers_with_the_nearest_number():
    samples = ["7", "100", "2000", "0009", "60", "1200"]
    cohort = make_cohort(np.zeros((6, 1)), samples, np.array([0, 1, 2, 0, 0, 0]), ("a", "b", "c"))
    found = SampleIdMethod(cohort).predict_unseen(np.arange(3), np.arange(3, 6), 0, 0)
    assert found.tolist() == [0, 1, 2]


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


def test_a_family_of_classes_predicts_no_numbers():
    features, labels = _three_classes()
    with pytest.raises(
        FamilyError, match="logistic does not predict numbers: take svc, ridge, kernel_ridge, knn"
    ):
        fit_family(FIXED["logistic"], features, labels.astype(float), ())


@pytest.mark.parametrize("name", FIXED)
def test_fixed_classifiers_are_scikit_learns_own(name):
    """The same pipeline, put together by hand."""
    rng = np.random.default_rng(4)
    labels = np.arange(120) % 3
    features = (np.eye(3)[labels].repeat(4, axis=1) + rng.normal(size=(120, 12))).astype(np.float32)
    by_hand = {
        "svc": make_pipeline(
            Normalizer("l2"), StandardScaler(), SVC(C=10.0, gamma="scale", class_weight="balanced")
        ),
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
        ),
    }[name].fit(features[:60], labels[:60])
    found = _fit(name, features[:60], labels[:60])
    np.testing.assert_array_equal(
        found.estimator.decision_function(found.transforms.transform(features)),
        by_hand.decision_function(features),
    )


def test_transforms_rest_on_the_images_that_they_learn_from():
    seen, unseen = np.array([[4.0, 0.0], [0.0, 9.0]]), np.array([[16.0, 9.0]])
    shape = {"family": "knn", "neighbours": 3, "votes": "distance", "power": 0.5}
    rooted = make_transforms(read_family({**shape, "l2": True, "standardise": False}))
    np.testing.assert_allclose(rooted.fit_transform(seen), [[1, 0], [0, 1]])
    np.testing.assert_allclose(rooted.transform(unseen), [[0.8, 0.6]])
    scaled = make_transforms(read_family({**shape, "l2": False, "standardise": True}))
    np.testing.assert_allclose(scaled.fit_transform(seen), [[1, -1], [-1, 1]])
    np.testing.assert_allclose(scaled.transform(unseen), [[3, 1]])


@pytest.mark.realdata
def test_published_features_reproduce_the_measured_test_scores(published_dir):
    path = published_dir / "features_resnet18_imagenet.parquet"
    table = take_label(path, pd.read_parquet(path))
    labels = table["label"].map(MATERIALS.index).to_numpy()
    samples = table["sample_id"].tolist()
    cohort = make_cohort(table.filter(regex="^f").to_numpy(), samples, labels, MATERIALS)
    train, test = outer_folds(labels, samples, 10)[0]
    methods = {name: FixedMethod(cohort, family) for name, family in FIXED.items()}
    scores = {
        name: (method.predict_unseen(train, test, 0, 5) == labels[test]).mean()
        for name, method in {**methods, "sample_id_only": SampleIdMethod(cohort)}.items()
    }
    assert scores["svc"] >= 0.84
    assert scores["sample_id_only"] >= 0.95
    assert 0.75 <= scores["logistic"] < scores["svc"]
