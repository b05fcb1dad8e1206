"""The section on attribution says what its numbers say."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.report.attributions import ATTRIBUTION, attribution_maps
from tests.report.study import dataset
from tmdscope.analysis.record import Attribution
from tmdscope.report.figures.images import Overlay, bar_length_nm, overlays
from tmdscope.report.page import Figure, Paragraph, Table
from tmdscope.report.sections.attribution import METHODS, SIGNED, Attributions


def part(**changes: object) -> Attributions:
    found = Attribution.parse({**ATTRIBUTION, **changes})
    return Attributions(found, attribution_maps(["i0", "i3"], 16), dataset(), "8 images")


def section(**changes: object):
    return part(**changes).section()


def test_the_tables_hold_intervals_and_what_chance_gives() -> None:
    agreement, truth = (block for block in section().blocks if isinstance(block, Table))
    assert agreement.rows == [
        ["CAM (channel sum) and Grad-CAM", "0.250 [0.100, 0.400]", "0.05", "2"],
        ["CAM (channel sum) and occlusion", "-", "-", "0"],
    ]
    on_it = ["steps: CAM (channel sum)", "50.0", "25.0", "25.0 [10.0, 40.0]", "50.0 [10.0, 40.0]", "2"]
    assert truth.rows == [on_it]
    assert "widened by 1 px" in truth.caption


def test_images_without_truth_have_no_table_of_it() -> None:
    assert len([block for block in section(truth={}).blocks if isinstance(block, Table)]) == 1


def test_the_lead_says_how_coarse_the_maps_are() -> None:
    lead = next(block for block in section().blocks if isinstance(block, Paragraph))
    assert "3 x 3 values" in lead.text
    assert "2 of them predicted rightly" in lead.text


def test_nothing_to_show_is_not_drawn() -> None:
    assert len([block for block in section(shown=0).blocks if isinstance(block, Figure)]) == 1
    assert len([block for block in section().blocks if isinstance(block, Figure)]) == 2


def test_metrics_hold_numbers_only() -> None:
    kept = {key: value for key, value in ATTRIBUTION.items() if key not in ("model", "settings")}
    assert json.loads(json.dumps(part().metrics())) == {"attribution": kept}


@given(st.floats(1e-3, 1e6))
def test_a_scale_bar_is_round_and_fills_a_sixth_to_a_third(frame_nm: float) -> None:
    length = bar_length_nm(frame_nm)
    assert frame_nm / 7.2 <= length <= 0.35 * frame_nm * (1 + 1e-9)
    assert f"{length:.6e}"[0] in "125"


def picture(**changes: object) -> np.ndarray:
    maps = {name: values[0] for name, values in attribution_maps(["a"], 16).items() if name in METHODS}
    given_ = {"image": np.zeros((16, 16), np.uint8), "title": "a", "pixel_size_nm": 10.0, "maps": maps}
    png = overlays([Overlay(**{**given_, **changes})], METHODS, SIGNED)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_an_image_of_unknown_scale_has_no_bar() -> None:
    with_bar, without = picture(), picture(pixel_size_nm=float("nan"))
    assert with_bar.shape == without.shape
    assert (with_bar != without).any()


@pytest.mark.parametrize(("sign", "colour"), [(1, 0), (-1, 2)], ids=["for", "against"])
def test_red_speaks_for_and_blue_against(sign: int, colour: int) -> None:
    flat = {name: np.full((16, 16), sign, np.float32) for name in METHODS}
    pixels = picture(maps=flat, pixel_size_nm=float("nan"), image=np.full((16, 16), 128, np.uint8))
    row = pixels[pixels.shape[0] // 2]
    occlusion = row[-60:-40].mean(axis=0)
    assert occlusion.argmax() == colour
    assert occlusion[colour] > occlusion[2 - colour] + 25
