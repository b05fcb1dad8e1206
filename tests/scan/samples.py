"""A plain sample and an ideal instrument that the simulator's tests start from."""

from dataclasses import replace
from typing import Any

import numpy as np

from tmdscope.scan.growth import Growth
from tmdscope.scan.instrument import Instrument


def growth(**changes: Any) -> Growth:
    """Triangles without second layer, steps, roughness or adsorbates, but for the changes."""
    plain = Growth(
        nucleation_density_per_um2=60,
        coverage=0.5,
        second_layer_density_per_um2=0,
        second_layer_coverage=0,
        edge_speed_ratio=2,
        speed_spread=0,
        orientation_deg=0,
        orientation_spread_deg=0,
        twin_fraction=0,
        edge_roughness=0,
        boundary_depth_nm=0,
        boundary_width_nm=4,
        step_height_nm=0.22,
        miscut_deg=0,
        step_direction_deg=0,
        step_waviness_nm=0,
        roughness_rms_nm=0,
        roughness_correlation_nm=12,
        adsorbate_density_per_um2=0,
        adsorbate_height_nm=2,
        adsorbate_radius_nm=10,
    )
    return replace(plain, **changes)


def instrument(**changes: Any) -> Instrument:
    """An instrument that changes nothing, but for the changes."""
    return replace(Instrument(*(0.0,) * 11), **changes)


def stream(seed: int) -> np.random.Generator:
    """A random stream."""
    return np.random.default_rng(seed)
