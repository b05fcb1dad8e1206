from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from tests.scan.samples import growth, stream
from tmdscope.materials import MATERIALS
from tmdscope.scan.growth import Conditions, draw_growth, draw_growth_at


@pytest.mark.parametrize("material", MATERIALS)
def test_every_draw_can_grow_and_draws_differ(material: str) -> None:
    drawn = [draw_growth(material, stream(seed)) for seed in range(200)]
    assert len(set(drawn)) == 200
    assert min(sample.step_spacing_nm for sample in drawn) > 0


def features(material: str) -> np.ndarray:
    drawn = [draw_growth(material, stream(seed)) for seed in range(300)]
    return np.log(
        [
            [
                s.nucleation_density_per_um2,
                1 - s.coverage,
                s.second_layer_coverage,
                s.edge_speed_ratio,
                s.roughness_rms_nm,
                s.adsorbate_density_per_um2,
            ]
            for s in drawn
        ]
    )


def test_materials_differ_on_average() -> None:
    density = {name: np.median(features(name)[:, 0]) for name in MATERIALS}
    assert density["WSe2"] < density["MoS2"] < density["WS2"] < density["MoSe2"] < density["Mo-WSe2"]


def test_mos2_and_ws2_overlap_most() -> None:
    drawn = {name: features(name) for name in MATERIALS}
    within = np.mean([np.cov(values.T) for values in drawn.values()], axis=0)
    apart = {
        (one, other): mahalanobis(drawn[one].mean(axis=0), drawn[other].mean(axis=0), np.linalg.inv(within))
        for one, other in combinations(MATERIALS, 2)
    }
    assert min(apart, key=apart.__getitem__) == ("MoS2", "WS2")
    densities = drawn["MoS2"][:, 0], drawn["WS2"][:, 0]
    assert np.mean(np.greater.outer(*densities)) > 0.05


def test_an_unknown_material_is_refused() -> None:
    with pytest.raises(ValueError, match="graphene"):
        draw_growth("graphene", stream(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("coverage", 1.1), ("edge_speed_ratio", 2.5), ("roughness_rms_nm", -1.0), ("boundary_width_nm", 0.0)],
)
def test_a_value_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        growth(**{name: value})


def test_a_second_layer_needs_a_first() -> None:
    with pytest.raises(ValueError, match="second_layer_coverage"):
        growth(coverage=0.2, second_layer_coverage=0.3)


def test_the_miscut_sets_the_terrace_width() -> None:
    assert growth(miscut_deg=0.1).step_spacing_nm == pytest.approx(0.22 / np.tan(np.radians(0.1)))
    assert growth(miscut_deg=0).step_spacing_nm == np.inf


def grown_at(temperature: float, minutes: float = 18.0, plane: str = "c") -> list:
    conditions = Conditions(temperature_c=temperature, time_min=minutes, plane=plane)
    return [draw_growth_at(conditions, 0.2, stream(seed)) for seed in range(200)]


def test_nuclei_get_fewer_and_second_layers_spread_with_temperature() -> None:
    cold, warm = grown_at(900.0), grown_at(1000.0)
    assert np.median([s.nucleation_density_per_um2 for s in cold]) > 3 * np.median(
        [s.nucleation_density_per_um2 for s in warm]
    )
    for name in ("second_layer_coverage",):
        assert np.median([getattr(s, name) for s in cold]) < np.median([getattr(s, name) for s in warm])


def test_time_closes_the_film_and_the_plane_sets_the_steps() -> None:
    assert np.median([s.coverage for s in grown_at(950.0, 10.0)]) < np.median(
        [s.coverage for s in grown_at(950.0, 30.0)]
    )
    spacing = {plane: np.median([s.step_spacing_nm for s in grown_at(950.0, 18.0, plane)]) for plane in "car"}
    assert spacing["a"] < spacing["c"] < spacing["r"]
