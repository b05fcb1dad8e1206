import numpy as np
import pytest

from tests.scan.samples import growth, stream
from tmdscope.materials import MATERIALS
from tmdscope.scan.growth import draw_growth


@pytest.mark.parametrize("material", MATERIALS)
def test_every_draw_can_grow_and_draws_differ(material: str) -> None:
    drawn = [draw_growth(material, stream(seed)) for seed in range(200)]
    assert len(set(drawn)) == 200
    assert min(sample.step_spacing_nm for sample in drawn) > 0


def test_materials_differ_on_average_and_overlap() -> None:
    density = {
        name: np.array([draw_growth(name, stream(seed)).nucleation_density_per_um2 for seed in range(300)])
        for name in MATERIALS
    }
    medians = {name: np.median(values) for name, values in density.items()}
    assert medians["WSe2"] < medians["MoS2"] < medians["WS2"] < medians["MoSe2"] < medians["Mo-WSe2"]
    assert np.mean(density["WS2"] < medians["MoS2"]) > 0.05
    assert np.mean(density["MoS2"] > medians["WS2"]) > 0.05


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
