import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.scan.samples import growth, instrument, stream
from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.materials import MATERIALS, PUBLISHED_IMAGES
from tmdscope.scan.simulate import (
    SURFACE_TRUTH,
    TRUTH,
    SamplePlan,
    SimulatedScan,
    plan_samples,
    simulate_sample,
    simulate_scan,
    surface_truth,
)

PLAN = SamplePlan("S0007", "MoS2", 3)


def hashes(plan: SamplePlan, seed: int) -> list[str]:
    return [scan.scan.sha256 for scan in simulate_sample(plan, 32, 1000.0, seed)]


def test_the_same_arguments_give_the_same_bytes_in_any_order() -> None:
    first = hashes(PLAN, 1)
    other = hashes(SamplePlan("S0008", "MoS2", 2), 1)
    assert hashes(PLAN, 1) == first
    assert hashes(SamplePlan("S0007", "MoS2", 2), 1) == first[:2]
    assert len({*first, *other, *hashes(PLAN, 2)}) == 8


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "from tmdscope.scan.simulate import *;"
        "print(*[s.scan.sha256 for s in simulate_sample(SamplePlan('S0007', 'MoS2', 3), 32, 1000.0, 1)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == hashes(PLAN, 1)


def test_measuring_the_surface_changes_nothing_and_sees_no_instrument() -> None:
    blurred = [
        simulate_scan(growth(), instrument(tip_radius_nm=tip), 48, 1000.0, stream(1)) for tip in (0.0, 20.0)
    ]
    before = [scan.scan.sha256 for scan in blurred]
    sharp, blunt = (surface_truth(scan) for scan in blurred)
    assert sharp == blunt
    assert list(sharp) == list(SURFACE_TRUTH)
    assert before == [sha256_array(scan.scan.height_nm) for scan in blurred]


def test_images_of_a_sample_share_parameters_but_not_their_surface() -> None:
    scans = simulate_sample(PLAN, 64, 1000.0, 1)
    assert len({scan.growth for scan in scans}) == len({scan.instrument for scan in scans}) == 1
    correlation = np.corrcoef([scan.surface.first.covered.ravel() for scan in scans])
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 0.5
    (stranger,) = simulate_sample(SamplePlan("S0008", "MoS2", 1), 64, 1000.0, 1)
    assert stranger.growth != scans[0].growth
    assert stranger.instrument != scans[0].instrument


@pytest.mark.parametrize("material", MATERIALS)
def test_a_scan_carries_its_truth_masks_and_scale(material: str) -> None:
    (found,) = simulate_sample(SamplePlan("S1", material, 1), 96, 1000.0, 4)
    assert found.scan.height_nm.dtype == np.float32
    assert found.scan.pixel_size_nm == pytest.approx((1000 / 96, 1000 / 96))
    assert list(found.truth) == list(TRUTH)
    assert all(math.isfinite(value) for value in found.truth.values())
    assert {name: (mask.dtype, mask.shape) for name, mask in found.masks.items()} == {
        name: (np.dtype(bool), (96, 96)) for name in ("boundaries", "steps", "second_layer")
    }
    assert found.masks["steps"].any()


def test_the_truth_is_what_was_asked_for() -> None:
    asked = growth(
        coverage=0.7,
        second_layer_coverage=0.1,
        second_layer_density_per_um2=30,
        miscut_deg=0.1,
        roughness_rms_nm=0.1,
    )
    truth = simulate_scan(asked, instrument(), 128, 1000.0, stream(0)).truth
    assert truth["true_coverage"] == pytest.approx(0.7, abs=1e-3)
    assert truth["true_second_layer_coverage"] == pytest.approx(0.1, abs=1e-3)
    assert truth["true_step_spacing_nm"] == asked.step_spacing_nm
    assert truth["true_step_height_nm"] == 0.22
    assert truth["true_roughness_rms_nm"] == 0.1
    assert truth["true_grain_density_per_um2"] == truth["true_grain_count"]


def lone_island(found: SimulatedScan) -> float:
    return 2 * math.sqrt(found.surface.first.covered.sum() / math.pi) * found.scan.pixel_size_nm[0]


def test_the_equivalent_diameter_is_that_of_the_islands() -> None:
    scans = (
        simulate_scan(
            growth(nucleation_density_per_um2=1, coverage=0.05), instrument(), 128, 1000.0, stream(s)
        )
        for s in range(30)
    )
    single = [
        scan
        for scan in scans
        if scan.truth["true_grain_count"] == 1
        and len(np.unique(scan.surface.first.grain)) == 2
        and scan.surface.first.nuclei.inside[scan.surface.first.grain.max()]
    ]
    assert len(single) >= 3
    for scan in single:
        assert scan.truth["true_equivalent_diameter_nm"] == pytest.approx(lone_island(scan))


def test_without_grains_the_diameter_is_not_a_number() -> None:
    bare = simulate_scan(growth(nucleation_density_per_um2=0), instrument(), 16, 100.0, stream(0))
    assert math.isnan(bare.truth["true_equivalent_diameter_nm"])
    assert bare.truth["true_coverage"] == 0


def count_of(plans: list[SamplePlan], material: str) -> int:
    return sum(plan.images for plan in plans if plan.material == material)


@given(
    shares=st.dictionaries(st.sampled_from(MATERIALS), st.floats(1, 50), min_size=1),
    samples=st.integers(5, 60),
    extra=st.integers(0, 200),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_plan_adds_up(shares: dict[str, float], samples: int, extra: int, seed: int) -> None:
    images = samples + extra
    quota = {name: share / sum(shares.values()) * images for name, share in shares.items()}
    assume(min(quota.values()) >= 1)
    plans = plan_samples(shares, images, samples, seed)
    assert len({plan.sample_id for plan in plans}) == len(plans) == samples
    assert [plan.sample_id for plan in plans] == sorted(plan.sample_id for plan in plans)
    assert sum(plan.images for plan in plans) == images
    assert min(plan.images for plan in plans) >= 1
    assert {plan.material for plan in plans} == set(shares)
    assert all(abs(count_of(plans, name) - quota[name]) < 1 for name in shares)
    assert plans == plan_samples(shares, images, samples, seed)


def test_the_published_shares_give_the_published_counts() -> None:
    plans = plan_samples(PUBLISHED_IMAGES, 1026, 626, 1)
    assert {name: count_of(plans, name) for name in PUBLISHED_IMAGES} == PUBLISHED_IMAGES


def test_sample_ids_say_nothing_about_the_material() -> None:
    plans = plan_samples({"MoS2": 1, "WS2": 1}, 400, 400, 1)
    first_half = sum(plan.material == "MoS2" for plan in plans[:200])
    assert 70 < first_half < 130
    assert plans != plan_samples({"MoS2": 1, "WS2": 1}, 400, 400, 2)


@pytest.mark.parametrize(
    ("shares", "images", "samples", "message"),
    [
        ({"MoS2": 1, "WS2": 1}, 5, 6, "6 samples"),
        ({"MoS2": 1, "WS2": 1}, 5, 1, "1 samples for 2 materials"),
        ({"MoS2": 1000, "WS2": 1}, 5, 2, "none for WS2"),
        ({"MoS2": 0}, 5, 2, "above 0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    shares: dict[str, float], images: int, samples: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        plan_samples(shares, images, samples, 1)
