"""What grew: the physical parameters of one sample, drawn for its material.

The medians and spreads are plausible choices of this simulator, made so that the five materials
differ on average and overlap (MoS2 and WS2 most). They are **not** measurements. The constants that
are measured carry their source.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import numpy as np

from tmdscope.materials import Material

SAPPHIRE_STEP_NM = 1.2991 / 6
"""Height of a single step on c-plane sapphire: c/6 with c = 1.2991 nm (Lucht et al. 2003, J. Appl.
Cryst. 36, 1075)."""

LAYER_NM = 0.65
"""Height of one MX2 layer: 0.65 nm (Radisavljevic et al. 2011, Nat. Nanotechnol. 6, 147, for MoS2)."""


@dataclass(frozen=True)
class Growth:
    """How one sample grew; every image of the sample shares it.

    Attributes
    ----------
    nucleation_density_per_um2 : float
        Mean number of first-layer nuclei per um2. Their positions are a Poisson process.
    coverage, second_layer_coverage : float
        Fraction of the frame under that layer when growth stops; the second's at most the first's.
    edge_speed_ratio : float
        Speed of the fast edges over that of the slow ones, 1 (hexagons) to 2 (triangles).
    speed_spread : float
        Relative spread of growth speed between grains (sigma of a lognormal), 0 to 1.
    orientation_deg, orientation_spread_deg : float
        Preferred direction of a slow edge's normal, and a grain's standard deviation around it.
    twin_fraction : float
        Fraction of grains turned by 60 degrees (mirror twins).
    edge_roughness : float
        Relative waviness of the grains' outer edges, 0 to 0.2.
    boundary_depth_nm, boundary_width_nm : float
        Of the groove where two grains meet; its width is the standard deviation of a Gaussian profile.
    miscut_deg : float
        Angle between the substrate's surface and its c plane, 0 (no steps) to 5.
    step_direction_deg : float
        Direction in which the terraces rise.
    step_waviness_nm, roughness_rms_nm : float
        Root mean square of the meander of step edges, and of the correlated roughness.
    adsorbate_height_nm, adsorbate_radius_nm : float
        Medians; the radius is the standard deviation of a Gaussian bump.
    """

    nucleation_density_per_um2: float
    coverage: float
    second_layer_density_per_um2: float
    second_layer_coverage: float
    edge_speed_ratio: float
    speed_spread: float
    orientation_deg: float
    orientation_spread_deg: float
    twin_fraction: float
    edge_roughness: float
    boundary_depth_nm: float
    boundary_width_nm: float
    step_height_nm: float
    miscut_deg: float
    step_direction_deg: float
    step_waviness_nm: float
    roughness_rms_nm: float
    roughness_correlation_nm: float
    adsorbate_density_per_um2: float
    adsorbate_height_nm: float
    adsorbate_radius_nm: float

    def __post_init__(self) -> None:
        """Refuse what cannot grow: a ValueError names the parameter, its value and its range."""
        for field in fields(self):
            low, high = _RANGES.get(field.name, (0.0, math.inf))
            value = getattr(self, field.name)
            if not low <= value <= high or not math.isfinite(value):
                raise ValueError(f"{field.name} is {value}, expected {low} to {high}")
        for name in _POSITIVE:
            if getattr(self, name) == 0:
                raise ValueError(f"{name} must be more than 0")
        if self.second_layer_coverage > self.coverage:
            raise ValueError(
                f"second_layer_coverage {self.second_layer_coverage} exceeds coverage {self.coverage}: "
                "a second layer grows on the first"
            )

    @property
    def step_spacing_nm(self) -> float:
        """Mean width of a terrace: step height over the tangent of the miscut; infinite at miscut 0."""
        return self.step_height_nm / math.tan(math.radians(self.miscut_deg)) if self.miscut_deg else math.inf


_ANY = (-math.inf, math.inf)
_RANGES: Mapping[str, tuple[float, float]] = {
    "coverage": (0, 1),
    "second_layer_coverage": (0, 1),
    "edge_speed_ratio": (1, 2),
    "speed_spread": (0, 1),
    "orientation_deg": _ANY,
    "step_direction_deg": _ANY,
    "twin_fraction": (0, 1),
    "edge_roughness": (0, 0.2),
    "miscut_deg": (0, 5),
}
_POSITIVE = ("boundary_width_nm", "step_height_nm", "roughness_correlation_nm", "adsorbate_radius_nm")


class _Tendency(NamedTuple):
    """Medians of what differs by material; densities per um2, roughness in nm."""

    nucleation: float
    open_area: float
    bilayer: float
    bilayer_nuclei: float
    edge_speed_ratio: float
    orientation_spread_deg: float
    roughness_rms_nm: float
    adsorbates: float


_TENDENCIES: Mapping[Material, _Tendency] = {
    Material.MOS2: _Tendency(40, 0.07, 0.140, 20, 1.75, 7, 0.070, 8),
    Material.WS2: _Tendency(64, 0.18, 0.070, 26, 1.95, 4, 0.060, 4),
    Material.WSE2: _Tendency(17, 0.36, 0.060, 8, 1.30, 6, 0.075, 12),
    Material.MOSE2: _Tendency(130, 0.22, 0.080, 45, 1.55, 10, 0.125, 9),
    Material.MO_WSE2: _Tendency(190, 0.04, 0.110, 60, 1.50, 12, 0.095, 30),
}


def draw_growth(material: str, rng: np.random.Generator) -> Growth:
    """Draw the growth parameters of one sample of a material, a ValueError if that is not known.

    They are the material's tendency (a plausible choice of this simulator, not a measurement) times a
    lognormal spread from sample to sample.
    """
    tendency = _TENDENCIES[Material(material)]

    around = partial(_lognormal, rng)
    coverage = 1.0 - min(around(tendency.open_area, 0.40), 0.65)
    return Growth(
        nucleation_density_per_um2=around(tendency.nucleation, 0.25),
        coverage=coverage,
        second_layer_density_per_um2=around(tendency.bilayer_nuclei, 0.35),
        second_layer_coverage=min(around(tendency.bilayer, 0.40), 0.5 * coverage),
        edge_speed_ratio=float(np.clip(rng.normal(tendency.edge_speed_ratio, 0.12), 1.0, 2.0)),
        speed_spread=float(rng.uniform(0.08, 0.20)),
        orientation_deg=float(rng.uniform(0.0, 120.0)),
        orientation_spread_deg=around(tendency.orientation_spread_deg, 0.30),
        twin_fraction=float(rng.uniform(0.1, 0.5)),
        edge_roughness=float(rng.uniform(0.02, 0.06)),
        boundary_depth_nm=around(0.17, 0.25),
        boundary_width_nm=float(rng.uniform(3.0, 6.0)),
        step_height_nm=float(rng.normal(SAPPHIRE_STEP_NM, 0.004)),
        miscut_deg=around(0.14, 0.30),
        step_direction_deg=float(rng.uniform(0.0, 360.0)),
        step_waviness_nm=around(12.0, 0.40),
        roughness_rms_nm=around(tendency.roughness_rms_nm, 0.25),
        roughness_correlation_nm=float(rng.uniform(9.0, 18.0)),
        adsorbate_density_per_um2=around(tendency.adsorbates, 0.50),
        adsorbate_height_nm=around(2.2, 0.25),
        adsorbate_radius_nm=float(rng.uniform(6.0, 12.0)),
    )


def _lognormal(rng: np.random.Generator, median: float, spread: float) -> float:
    return float(median * rng.lognormal(0.0, spread))
