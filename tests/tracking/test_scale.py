import math

import numpy as np
import pandas as pd
import pytest

from tmdscope.tracking.scale import Scale


def test_widths_come_from_a_manifest_and_survive_a_models_metadata() -> None:
    manifest = pd.DataFrame({"pixel_size_nm": [10.0, np.nan, 20.0]})
    scale = Scale.of(manifest, 50)
    assert scale == Scale(500.0, 1000.0, 2, 3)
    assert scale.text == "500 to 1000 nm"
    assert Scale.from_json(scale.to_json()) == scale


@pytest.mark.parametrize(
    "manifest", [pd.DataFrame({"image_id": ["a"]}), pd.DataFrame({"pixel_size_nm": [None]})]
)
def test_pictures_know_no_width(manifest: pd.DataFrame) -> None:
    scale = Scale.from_json(Scale.of(manifest, 50).to_json())
    assert (scale.known, scale.images, scale.text) == (0, 1, "of unknown width")
    assert not scale.differs(5.0)
    assert scale.crop(5.0) is None
    assert scale.judge(math.nan, math.nan) == ""


@pytest.mark.parametrize(
    ("width_nm", "differs", "side_nm"),
    [
        (480.0, False, None),
        (400.0, True, None),
        (1040.0, False, None),
        (1060.0, True, 1000.0),
        (math.nan, False, None),
    ],
)
def test_a_width_beyond_those_of_training(width_nm: float, differs: bool, side_nm: float | None) -> None:
    scale = Scale(500.0, 1000.0, 9, 9)
    assert scale.differs(width_nm) is differs
    assert scale.crop(width_nm) == side_nm
