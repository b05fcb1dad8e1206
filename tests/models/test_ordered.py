"""Classes in an order, asked threshold by threshold, and networks that do so at once."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from tmdscope.models.ordered import Cumulative
from tmdscope.models.registry import fit_family, framed
from tmdscope.params.families import FRAMINGS, read_family

CLASSES = ("900 C", "950 C", "1000 C")
LEVELS = (900.0, 950.0, 1000.0)
PLAIN = {"power": 1.0, "l2": False, "standardise": True}
NETWORK = {"hidden": 16, "learning_rate": 0.01, "dropout": 0.0, "epochs": 30, "batch_size": 16}
FAMILIES = {
    "svc": {"family": "svc", "svc_c": 3.0, "gamma": 1.0, "balanced": False},
    "ridge": {"family": "ridge", "ridge_alpha": 1.0},
    "kernel_ridge": {"family": "kernel_ridge", "alpha": 0.1, "gamma": 1.0, "balanced": False},
    "knn": {"family": "knn", "neighbours": 5, "votes": "distance"},
    "radius": {"family": "radius", "radius": 0.8, "votes": "uniform"},
    "gaussian_process": {"family": "gaussian_process", "length": 1.0, "amplitude": 4.0},
    "tree": {"family": "tree", "criterion": "gini", "split_share": 0.1, "considered": "all"},
    "boosting": {
        "family": "boosting",
        "trees": 30,
        "rate": 0.2,
        "depth": 2,
        "split_images": 2,
        "considered": "sqrt",
    },
    "mlp": {"family": "mlp", **NETWORK},
    "cnn": {"family": "mlp", **NETWORK, "hidden": 0},
    "coral": {"family": "mlp", **NETWORK, "ordinal": "coral"},
}


def _rising(images=120):
    """Features that rise with the class, others that are highest in the middle, and noise."""
    rng = np.random.default_rng(4)
    labels = np.arange(images) % 3
    means = np.array([[0, 0, 0, 0, 0, 0], [1.5, 1.5, 1.5, 2, 2, 2], [3, 3, 3, 0, 0, 0]])
    return means[labels] + rng.normal(size=(images, 6)), labels


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_learns_in_every_framing(name, framing):
    features, labels = _rising()
    asked = framed(framing, labels[:90], CLASSES, LEVELS)
    fitted = fit_family(read_family({**PLAIN, **FAMILIES[name]}), features[:90], seed=3, **asked)
    said = fitted.predict(features[90:])
    if framing == "regression":
        error = np.sqrt(np.mean((said - np.array(LEVELS)[labels[90:]]) ** 2))
        assert error < 0.75 * np.std(LEVELS)
        return
    assert np.mean(said == labels[90:]) > 0.7
    found = fitted.probabilities(features[90:], 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.mean(found.argmax(axis=1) == said) > 0.7


def test_thresholds_give_probabilities_that_never_rise():
    features, labels = _rising()
    found = Cumulative(LogisticRegression(), 3).fit(features, labels).predict_proba(features)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_threshold_that_no_image_reaches_is_never_reached():
    features, labels = _rising()
    fitted = Cumulative(SVC(), 4).fit(features, labels)
    assert fitted.predict(features).max() == 2
    assert fitted.predict_proba(features)[:, 3].max() == 0


def test_components_rest_on_the_images_that_they_learn_from():
    features, labels = _rising()
    family = read_family({**PLAIN, **FAMILIES["svc"], "pca": 0.9})
    fitted = fit_family(family, features[:90], labels[:90], CLASSES)
    alone = fitted.transforms.transform(features[90:91])
    np.testing.assert_allclose(alone, fitted.transforms.transform(features[90:])[:1])
    assert alone.shape[1] < features.shape[1]
