"""What the simulator put into images comes back with them."""

from pathlib import Path

import numpy as np
import pytest

from tmdscope.dataset.sources import ingest
from tmdscope.dataset.truth import simulated_masks
from tmdscope.errors import UserError
from tmdscope.params.images import DataParams
from tmdscope.params.reading import parse_section, read_params
from tmdscope.scan.simulate import FLAW_TRUTH, simulate_sample

ROOT = Path(__file__).parents[2]


def settings(**changes: object) -> DataParams:
    section = read_params(ROOT / "params.yaml")["data"]
    small = {"images": 12, "samples": 10, "size_px": 32, "frame_nm": 500.0, "seed": 3} | changes
    return parse_section("data", section | {"simulated": small}, DataParams, "params.yaml")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory):
    return ingest(settings(), tmp_path_factory.mktemp("raw") / "raw")


def test_masks_are_those_of_the_images(manifest) -> None:
    rows = manifest.iloc[[7, 2, 11]]
    masks = simulated_masks(rows, settings().simulated, 32, 0)
    assert set(masks) == {"boundaries", "steps", "second_layer"}
    for place, (_, row) in enumerate(rows.iterrows()):
        from tmdscope.scan.simulate import SamplePlan

        plan = SamplePlan(row["sample_id"], row["label"], 3)
        scan = simulate_sample(plan, 32, 500.0, 3)[int(row["image_id"].split("-")[1])]
        for name, mask in scan.masks.items():
            np.testing.assert_array_equal(masks[name][place], mask)


def test_flaws_are_simulated_and_known_where_they_are_asked_for(manifest, tmp_path: Path) -> None:
    asked = settings(flaws=True)
    flawed = ingest(asked, tmp_path / "raw")
    assert list(flawed.columns) == [*manifest.columns, *FLAW_TRUTH]
    assert (flawed["true_wrinkle_length_per_um"] > 0).any()
    assert set(simulated_masks(flawed.iloc[:2], asked.simulated, 32, 0)) == {
        "boundaries",
        "steps",
        "second_layer",
    }


def test_features_keep_their_place_when_images_shrink_and_widen_by_the_tolerance(manifest) -> None:
    fine, coarse, wide = (
        simulated_masks(manifest, settings().simulated, size, tolerance)["boundaries"]
        for size, tolerance in ((32, 0), (16, 0), (32, 2))
    )
    np.testing.assert_array_equal(coarse, fine.reshape(-1, 16, 2, 16, 2).any(axis=(2, 4)))
    assert (wide >= fine).all()
    assert wide.mean() > fine.mean()
    row, column = np.argwhere(fine[0])[0]
    assert wide[0, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].all()


@pytest.mark.parametrize("change", [{"seed": 4}, {"frame_nm": 400.0}])
def test_other_settings_are_noticed(manifest, change: dict[str, float]) -> None:
    with pytest.raises(UserError, match="run stage `ingest` again"):
        simulated_masks(manifest, settings(**change).simulated, 32, 0)
