"""Within a radius: who has no neighbours is said to be of no class, never of the first."""

import numpy as np

from tmdscope.materials import INVALID
from tmdscope.models.neighbours import MeanWithinRadius, WithinRadius
from tmdscope.params.families import RadiusFamily

FAMILY = RadiusFamily(
    family="radius", power=1.0, l2=False, standardise=False, radius=1.0, votes="uniform", minkowski=2
)
SEEN = np.array([[0.0], [1.0], [2.0], [3.0]])


def test_without_neighbours_there_is_no_class():
    fitted = WithinRadius(FAMILY).fit(SEEN, np.array([1, 1, 2, 2]))
    assert fitted.predict(np.array([[0.4], [1000.0]])).tolist() == [1, INVALID]
    np.testing.assert_allclose(fitted.predict_proba(np.array([[1000.0]])), [[0.5, 0.5]])


def test_without_neighbours_a_number_is_the_mean():
    fitted = MeanWithinRadius(FAMILY).fit(SEEN, np.array([900.0, 900.0, 1000.0, 1000.0]))
    assert fitted.predict(np.array([[-0.2], [1000.0]])).tolist() == [900.0, 950.0]


def test_the_radius_does_not_depend_on_the_unit_of_features():
    asked = np.array([[0.4], [2.9], [50.0]])
    one = WithinRadius(FAMILY).fit(SEEN, np.array([0, 0, 1, 1])).predict(asked)
    other = WithinRadius(FAMILY).fit(1e3 * SEEN, np.array([0, 0, 1, 1])).predict(1e3 * asked)
    np.testing.assert_array_equal(one, other)
