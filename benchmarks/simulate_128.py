"""Simulating scans of 128 x 128 px, against the same physics in plain NumPy and SciPy.

The plain way loops over nuclei and particles as ours does, but on the whole frame, without windows; it
smooths white noise by `gaussian_filter` and touches the surface by `grey_dilation`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.materials import PUBLISHED_IMAGES
from tmdscope.scan.growth import LAYER_NM, Growth, draw_growth
from tmdscope.scan.instrument import Instrument, draw_instrument, drifted_positions
from tmdscope.scan.simulate import plan_samples, simulate_sample
from tmdscope.scan.surface import Nuclei, boundaries_of, place_nuclei

NAME = "simulate-128"
UNIT = "images/min"
ITEMS = 40

SIZE_PX = 128
FRAME_NM = 1000.0
SEED = 1
MEANDER_NM = 120.0

Array = NDArray[np.float64]


def ours() -> None:
    """Simulate scans, their truth and their masks."""
    for plan in plan_samples(PUBLISHED_IMAGES, ITEMS, ITEMS // 2, SEED):
        simulate_sample(plan, SIZE_PX, FRAME_NM, SEED)


def baseline() -> None:
    """Simulate as many scans, alone."""
    rng = np.random.default_rng(SEED)
    for plan in plan_samples(PUBLISHED_IMAGES, ITEMS, ITEMS // 2, SEED):
        growth, instrument = draw_growth(plan.material, rng), draw_instrument(rng)
        for _ in range(plan.images):
            plain_scan(growth, instrument, rng)


def plain_scan(growth: Growth, instrument: Instrument, rng: np.random.Generator) -> Array:
    """Simulate one scan.

    Parameters
    ----------
    growth : Growth
        How the sample grew.
    instrument : Instrument
        What it is scanned with.
    rng : numpy.random.Generator
        Random stream.

    Returns
    -------
    numpy.ndarray
        Measured height in nm, float64, shape (SIZE_PX, SIZE_PX).
    """
    pixel_nm = FRAME_NM / SIZE_PX
    height = _terraces(growth, pixel_nm, rng)
    height += growth.roughness_rms_nm * _smooth_noise(growth.roughness_correlation_nm / pixel_nm, rng)
    height += _film(growth, pixel_nm, rng)
    height += _particles(growth, pixel_nm, rng)
    return _measure(height, pixel_nm, instrument, rng)


def plain_layer(
    nuclei: Nuclei, ratio: float, coverage: float, waviness: Array, allowed: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Let nuclei grow over the whole frame until a fraction of it is covered.

    Parameters
    ----------
    nuclei : Nuclei
        What grows.
    ratio : float
        Speed of fast edges over slow ones.
    coverage : float
        Fraction of the frame, 0 to 1.
    waviness : numpy.ndarray
        Relative delay of growth, shape (rows, columns).
    allowed : numpy.ndarray
        Where the layer can grow, bool, same shape.

    Returns
    -------
    numpy.ndarray
        Nucleus of each pixel, int32, same shape; -1 where open.
    """
    y, x = np.mgrid[: allowed.shape[0], : allowed.shape[1]] + 0.5
    arrival = np.full(allowed.shape, np.inf)
    grain = np.full(allowed.shape, -1, np.int32)
    for i, (x0, y0, angle, speed) in enumerate(
        zip(nuclei.x, nuclei.y, nuclei.angle_rad, nuclei.speed, strict=True)
    ):
        time = np.full(allowed.shape, -np.inf)
        for edge in range(6):
            turned = angle + np.pi / 3 * edge
            distance = np.cos(turned) * (x - x0) + np.sin(turned) * (y - y0)
            time = np.maximum(time, distance / (speed * (ratio if edge % 2 else 1.0)))
        grain[time < arrival] = i
        arrival = np.minimum(arrival, time)
    wanted = min(round(coverage * allowed.size), int(allowed.sum()))
    if wanted == 0 or len(nuclei.x) == 0:
        return np.full(allowed.shape, -1, np.int32)
    arrival *= 1 + waviness
    stop = np.sort(arrival[allowed])[wanted - 1]
    return np.where(allowed & (arrival <= stop), grain, np.int32(-1))


def _smooth_noise(sigma_px: float, rng: np.random.Generator) -> Array:
    field = ndimage.gaussian_filter(rng.standard_normal((SIZE_PX, SIZE_PX)), sigma_px, mode="wrap")
    scaled: Array = (field - field.mean()) / field.std()
    return scaled


def _terraces(growth: Growth, pixel_nm: float, rng: np.random.Generator) -> Array:
    y, x = (np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5) * pixel_nm
    direction = np.radians(growth.step_direction_deg)
    uphill = np.cos(direction) * x + np.sin(direction) * y
    uphill += growth.step_waviness_nm * _smooth_noise(MEANDER_NM / pixel_nm, rng)
    steps: Array = np.floor(uphill / growth.step_spacing_nm + rng.random()) * growth.step_height_nm
    return steps


def _film(growth: Growth, pixel_nm: float, rng: np.random.Generator) -> Array:
    noise = np.clip(_smooth_noise(MEANDER_NM / 4 / pixel_nm, rng), -2.5, 2.5)
    allowed = np.ones((SIZE_PX, SIZE_PX), bool)
    film = np.zeros((SIZE_PX, SIZE_PX))
    for density_per_um2, coverage in (
        (growth.nucleation_density_per_um2, growth.coverage),
        (growth.second_layer_density_per_um2, growth.second_layer_coverage),
    ):
        nuclei = place_nuclei(density_per_um2 * (pixel_nm / 1000) ** 2, SIZE_PX, growth, rng)
        grain = plain_layer(nuclei, growth.edge_speed_ratio, coverage, growth.edge_roughness * noise, allowed)
        if allowed.all():
            boundaries, _ = boundaries_of(grain)
            away_nm = ndimage.distance_transform_edt(~boundaries) * pixel_nm
            film -= growth.boundary_depth_nm * np.exp(-0.5 * (away_nm / growth.boundary_width_nm) ** 2)
        allowed = grain >= 0
        film += LAYER_NM * allowed
    return film


def _particles(growth: Growth, pixel_nm: float, rng: np.random.Generator) -> Array:
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    bumps = np.zeros((SIZE_PX, SIZE_PX))
    for _ in range(rng.poisson(growth.adsorbate_density_per_um2 * (FRAME_NM / 1000) ** 2)):
        y0, x0 = rng.uniform(0, SIZE_PX, 2)
        radius = growth.adsorbate_radius_nm / pixel_nm * rng.lognormal(0, 0.2)
        bump = np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / radius**2)
        bumps += growth.adsorbate_height_nm * rng.lognormal(0, 0.4) * bump
    return bumps


def _measure(height: Array, pixel_nm: float, instrument: Instrument, rng: np.random.Generator) -> Array:
    reach = int(np.sqrt(2 * instrument.tip_radius_nm * np.ptp(height)) / pixel_nm)
    offset_nm = np.arange(-reach, reach + 1) * pixel_nm
    tip = -np.add.outer(offset_nm**2, offset_nm**2) / (2 * instrument.tip_radius_nm)
    touched = ndimage.grey_dilation(height, structure=tip, mode="nearest")
    positions = drifted_positions(height.shape, pixel_nm, instrument)
    scan: Array = ndimage.map_coordinates(touched, positions, order=1, mode="mirror")
    y, x = np.mgrid[-1 : 1 : SIZE_PX * 1j, -1 : 1 : SIZE_PX * 1j]
    scan += (instrument.tilt_x_nm_per_um * x + instrument.tilt_y_nm_per_um * y) * FRAME_NM / 2000
    scan += instrument.bow_x_nm * x**2 + instrument.bow_y_nm * y**2
    scan += instrument.line_noise_nm * rng.standard_normal((SIZE_PX, 1))
    scan += instrument.pixel_noise_nm * rng.standard_normal(scan.shape)
    for _ in range(rng.poisson(instrument.scars_per_frame)):
        row, start = rng.integers(SIZE_PX, size=2)
        length = max(1, round(SIZE_PX * rng.uniform(0.08, 0.5)))
        jump = instrument.scar_height_nm * rng.lognormal(0, 0.4) * rng.choice((-1.0, 1.0))
        scan[row, start : start + length] += jump
    return scan
