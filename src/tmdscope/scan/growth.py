"""What grew: the physical parameters of one sample, drawn for its material.

The medians and spreads are plausible choices of this simulator, made so that the five materials
differ on average and overlap (MoS2 and WS2 most). They are **not** measurements. The constants that
are measured carry their source.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from tmdscope.materials import parse_material
from tmdscope.scan.flaws import Flaws

SAPPHIRE_STEP_NM = 1.2991 / 6
"""Height of a single step on c-plane sapphire: c/6 with c = 1.2991 nm (Lucht et al. 2003, J. Appl.
Cryst. 36, 1075)."""

LAYER_NM = 0.65
"""Height of one MX2 layer: 0.65 nm (Radisavljevic et al. 2011, Nat. Nanotechnol. 6, 147, for MoS2)."""


NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(allow_inf_nan=False))
class Growth:
    """How one sample grew; every image of the sample shares it. What cannot grow is a ValueError.

    Densities are means of Poisson processes, coverages fractions of the frame when growth stops. The edge
    speed ratio is that of fast to slow edges (1 hexagons, 2 triangles); the spread of speed is the sigma of a
    lognormal. Orientation is that of a slow edge's normal, with its standard deviation; twins are turned by
    60 degrees. The width of grooves at grain boundaries is the standard deviation of a Gaussian, as is the
    radius of adsorbates, whose values are medians. The miscut is the substrate's from its c plane (0: no
    steps); terraces rise in the step direction. Waviness and roughness are root mean squares, that of grains'
    edges is relative.
    """

    nucleation_density_per_um2: NotNegative
    coverage: Share
    second_layer_density_per_um2: NotNegative
    second_layer_coverage: Share
    edge_speed_ratio: Annotated[float, Field(ge=1, le=2)]
    speed_spread: Share
    orientation_deg: float
    orientation_spread_deg: NotNegative
    twin_fraction: Share
    edge_roughness: Annotated[float, Field(ge=0, le=0.2)]
    boundary_depth_nm: NotNegative
    boundary_width_nm: Positive
    step_height_nm: Positive
    miscut_deg: Annotated[float, Field(ge=0, le=5)]
    step_direction_deg: float
    step_waviness_nm: NotNegative
    roughness_rms_nm: NotNegative
    roughness_correlation_nm: Positive
    adsorbate_density_per_um2: NotNegative
    adsorbate_height_nm: NotNegative
    adsorbate_radius_nm: Positive
    flaws: Flaws = Flaws()

    def __post_init__(self) -> None:
        """Refuse a second layer without a first below it, with a ValueError."""
        if self.second_layer_coverage > self.coverage:
            raise ValueError(
                f"second_layer_coverage {self.second_layer_coverage} exceeds coverage {self.coverage}: "
                "a second layer grows on the first"
            )

    @property
    def grain_area(self) -> float:
        """Area of a grain whose slow edges are at distance 1: 2 sqrt(3) (hexagon) to 3 sqrt(3) (triangle)."""
        return math.sqrt(3) * (3 - (2 - self.edge_speed_ratio) ** 2)

    @property
    def grain_circumradius(self) -> float:
        """Distance of its corners from its nucleus: 2 / sqrt(3) (hexagon) to 2 (triangle)."""
        ratio = self.edge_speed_ratio
        return math.sqrt((1 + ratio * (ratio - 1)) * 4 / 3)

    @property
    def step_spacing_nm(self) -> float:
        """Mean width of a terrace: step height over the tangent of the miscut; infinite at miscut 0."""
        return self.step_height_nm / math.tan(math.radians(self.miscut_deg)) if self.miscut_deg else math.inf


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


_TENDENCIES: Mapping[str, _Tendency] = {
    "MoS2": _Tendency(40, 0.07, 0.140, 20, 1.75, 7, 0.070, 8),
    "WS2": _Tendency(64, 0.18, 0.070, 26, 1.95, 4, 0.060, 4),
    "WSe2": _Tendency(17, 0.36, 0.060, 8, 1.30, 6, 0.075, 12),
    "MoSe2": _Tendency(130, 0.22, 0.080, 45, 1.55, 10, 0.125, 9),
    "Mo-WSe2": _Tendency(190, 0.04, 0.110, 60, 1.50, 12, 0.095, 30),
}


def draw_growth(material: str, rng: np.random.Generator) -> Growth:
    """Draw the growth of one sample: its material's tendency times a lognormal spread between samples."""
    tendency = _TENDENCIES[parse_material(material)]
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


@dataclass(frozen=True, config=ConfigDict(allow_inf_nan=False))
class Conditions:
    """How a sample of MoS2 was grown: temperature, time, and the substrate's plane."""

    temperature_c: Annotated[float, Field(ge=600, le=1300)]
    time_min: Annotated[float, Field(gt=0, le=600)]
    plane: Literal["c", "a", "r"]


NUCLEATION_EV = 3.2
"""How fast nuclei get fewer with temperature, as an activation energy: a choice of this simulator."""

SECOND_LAYER_EV = 2.4
"""How fast second layers spread with temperature: a choice of this simulator."""

REFERENCE_C = 950.0
"""Temperature at which MoS2 grows by its tendency, in 18 minutes."""

REFERENCE_MIN = 18.0

_BOLTZMANN_EV = 8.617333262e-5  # per kelvin (CODATA 2018)

_PLANES: Mapping[str, tuple[float, float]] = {"c": (1.0, 1.0), "a": (2.0, 1.5), "r": (3.0, 0.7)}
"""Of each plane: spread of orientations, and miscut, relative to c-plane sapphire's."""


def draw_growth_at(conditions: Conditions, spread: float, rng: np.random.Generator) -> Growth:
    """Draw the growth of one sample of MoS2 under some conditions.

    Nuclei get fewer and domains larger with temperature, second layers spread, and grains turn into line;
    time lets the film close and second layers grow; the plane sets orientations and steps. `spread` >= 0 is
    the sigma of a lognormal between samples on what temperature sets, beside that of `draw_growth`.
    """
    usual = draw_growth("MoS2", rng)
    warm = (1 / (REFERENCE_C + 273.15) - 1 / (conditions.temperature_c + 273.15)) / _BOLTZMANN_EV
    turned, tilted = _PLANES[conditions.plane]
    longer = conditions.time_min / REFERENCE_MIN
    own = rng.lognormal(0.0, spread, 4)
    coverage = 1 - (1 - usual.coverage) ** longer
    second = usual.second_layer_coverage * math.exp(SECOND_LAYER_EV * warm) * longer * own[1]
    return replace(
        usual,
        nucleation_density_per_um2=usual.nucleation_density_per_um2
        * math.exp(-NUCLEATION_EV * warm)
        * own[0],
        coverage=coverage,
        second_layer_coverage=min(float(second), 0.5 * coverage),
        orientation_spread_deg=usual.orientation_spread_deg * turned * math.exp(-0.5 * warm) * own[2],
        miscut_deg=usual.miscut_deg * tilted * own[3],
    )


def _lognormal(rng: np.random.Generator, median: float, spread: float) -> float:
    return float(median * rng.lognormal(0.0, spread))
