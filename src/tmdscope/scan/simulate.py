"""Simulated AFM scans of MOCVD-grown TMDs on sapphire, with the truth that each was made from.

Images of a sample share its `Growth` and `Instrument`, so that leakage between them is as real as in measured
data. Random streams are keyed by seed, sample and image: the same arguments give the same bytes in any order
and process. Results on these scans are results on simulated data and must be labelled so.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.scan.areal import (
    remove_quadratic,
    root_mean_square_height,
    structure_anisotropy,
    texture_aspect_ratio,
)
from tmdscope.scan.flaws import draw_flaws
from tmdscope.scan.growth import Growth, draw_growth
from tmdscope.scan.instrument import Instrument, draw_instrument, drift_mask, measure
from tmdscope.scan.scan import Scan
from tmdscope.scan.surface import Layer, Mask, Surface, grow_surface

SIMULATOR = "tmdscope simulator 1"
"""Name and version that every simulated scan carries; raised when the same seed gives other bytes."""

TRUTH = {
    "true_grain_count": "first-layer nuclei in the frame, before merging",
    "true_grain_density_per_um2": "the same per um2",
    "true_equivalent_diameter_nm": (
        "mean area-equivalent diameter of the grains that nucleated in the frame (NaN without any); "
        "their area in the frame counts"
    ),
    "true_coverage": "fraction of the frame under the first layer",
    "true_second_layer_coverage": "fraction of the frame under the second layer",
    "true_boundary_length_per_um": "grain boundary length per area, um per um2",
    "true_step_height_nm": "height of a substrate step",
    "true_step_spacing_nm": "mean distance of substrate steps",
    "true_roughness_rms_nm": "root mean square of the substrate's roughness",
    "true_adsorbate_density_per_um2": "adsorbed particles per um2 of the frame",
}
"""What is known about every simulated scan: name with unit, and meaning."""

SURFACE_TRUTH = {
    "true_height_rms_nm": "root mean square height of the surface itself, without tilt and bow",
    "true_slope_anisotropy": "coherence of the surface's mean structure tensor",
    "true_texture_aspect_ratio": "texture aspect ratio Str of the surface",
}
"""What a surface is like as a whole, before any instrument: name with unit, and meaning."""

FLAW_TRUTH = {
    "true_multilayer_coverage": "fraction of the frame under the third layer",
    "true_mean_layers": "mean number of layers over the frame",
    "true_wrinkle_length_per_um": "length of wrinkles on the film per area, um per um2",
    "true_crack_length_per_um": "length of cracks through the film per area, um per um2",
    "true_pinhole_density_per_um2": "pinholes in the film per um2 of the frame",
    "true_pinhole_share": "fraction of the frame that pinholes took",
}
"""What is known about a film's flaws: name with unit, and meaning."""


@dataclass(frozen=True)
class SimulatedScan:
    """A simulated scan and what it was made from: `truth` as in `TRUTH`, `surface` before the instrument.

    `masks` say where the scan shows ``boundaries``, ``steps``, ``second_layer``: bool, shape (rows, columns).
    """

    scan: Scan
    truth: dict[str, float]
    masks: dict[str, Mask]
    surface: Surface
    growth: Growth
    instrument: Instrument


@dataclass(frozen=True)
class SamplePlan:
    """A sample to simulate, with its number of scans (>= 1); its id says nothing about the material."""

    sample_id: str
    material: str
    images: int


def simulate_scan(
    growth: Growth, instrument: Instrument, size_px: int, frame_nm: float, rng: np.random.Generator
) -> SimulatedScan:
    """Simulate one scan of `size_px` >= 2 rows and columns, on a square frame."""
    pixel_nm = frame_nm / size_px
    surface = grow_surface(growth, size_px, pixel_nm, rng)
    height = measure(surface.height_nm, pixel_nm, instrument, rng)
    scan = Scan(height, (pixel_nm, pixel_nm), "simulated", SIMULATOR, sha256_array(height))
    masks = {name: drift_mask(mask, pixel_nm, instrument) for name, mask in surface.masks.items()}
    return SimulatedScan(scan, _truth(surface, growth, pixel_nm), masks, surface, growth, instrument)


def simulate_sample(
    plan: SamplePlan,
    size_px: int,
    frame_nm: float,
    seed: int,
    draw: Callable[[str, np.random.Generator], Growth] = draw_growth,
) -> list[SimulatedScan]:
    """Simulate every scan of a sample; the first ones do not change when more are asked for.

    `draw` gives the growth of a sample of some material.
    """
    of_sample = _stream(seed, plan.sample_id, 0)
    growth, instrument = draw(plan.material, of_sample), draw_instrument(of_sample)
    return [
        simulate_scan(growth, instrument, size_px, frame_nm, _stream(seed, plan.sample_id, image + 1))
        for image in range(plan.images)
    ]


def drawing(flaws: bool) -> Callable[[str, np.random.Generator], Growth]:
    """Give what draws the growth of a sample, whose film has flaws or has none."""
    return _draw_flawed if flaws else draw_growth


def surface_truth(simulated: SimulatedScan) -> dict[str, float]:
    """Measure the surface itself, as the instrument cannot: `SURFACE_TRUTH`, see `tmdscope.scan.areal`."""
    surface, pixel_nm = remove_quadratic(simulated.surface.height_nm), simulated.scan.pixel_size_nm
    values = (
        root_mean_square_height(surface),
        structure_anisotropy(surface, pixel_nm),
        texture_aspect_ratio(surface, pixel_nm),
    )
    return dict(zip(SURFACE_TRUTH, values, strict=True))


def flaw_truth(simulated: SimulatedScan) -> dict[str, float]:
    """Give what is true of the film's flaws: `FLAW_TRUTH`."""
    flawed, (width_nm, height_nm) = simulated.surface.flawed, simulated.scan.pixel_size_nm
    area_um2 = flawed.layers.size * width_nm * height_nm / 1e6
    values = (
        (flawed.layers > 2).mean(),
        flawed.layers.mean(),
        flawed.wrinkle_length_nm / 1000 / area_um2,
        flawed.crack_length_nm / 1000 / area_um2,
        flawed.pinhole_count / area_um2,
        flawed.pinholes.mean(),
    )
    return {name: float(value) for name, value in zip(FLAW_TRUTH, values, strict=True)}


def plan_samples(shares: Mapping[str, float], images: int, samples: int, seed: int) -> list[SamplePlan]:
    """Share images and samples out among materials by relative shares, > 0, in order of the samples' ids.

    Images and samples per material follow the shares by largest remainder; images per sample are random. Each
    gets one at least; ids are given out in random order.
    """
    if not shares or min(shares.values()) <= 0:
        raise UserError(f"shares {dict(shares)} must name materials with a share above 0")
    if samples < len(shares):
        raise UserError(f"{samples} samples for {len(shares)} materials; ask for one each at least")
    if images < samples:
        raise UserError(f"{images} images cannot come from {samples} samples; ask for fewer samples")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    weights = list(shares.values())
    per_class = _apportion(weights, images, [0] * len(weights), [images] * len(weights))
    if none := [material for material, count in zip(shares, per_class, strict=True) if count == 0]:
        raise UserError(f"{images} images leave none for {none[0]}; ask for more images")
    groups = _apportion(weights, samples, [1] * len(weights), per_class)
    drawn: list[tuple[str, int]] = []
    for material, count, group in zip(shares, per_class, groups, strict=True):
        extra = rng.multinomial(count - group, rng.dirichlet(np.ones(group)))
        drawn += [(material, 1 + int(more)) for more in extra]
    digits = max(4, len(str(samples)))
    return [
        SamplePlan(f"S{number + 1:0{digits}d}", *drawn[place])
        for number, place in enumerate(rng.permutation(samples))
    ]


def _draw_flawed(material: str, rng: np.random.Generator) -> Growth:
    return replace(draw_growth(material, rng), flaws=draw_flaws(rng))


def _stream(seed: int, sample_id: str, number: int) -> np.random.Generator:
    """Random stream 0 of a sample is its own, stream n that of its n-th image."""
    digest = hashlib.sha256(sample_id.encode()).digest()
    key = (int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*key, number)))


def _apportion(weights: Sequence[float], total: int, low: Sequence[int], high: Sequence[int]) -> list[int]:
    """Split a total by largest remainder, within bounds that leave room for it."""
    quota = np.asarray(weights, float) / sum(weights) * total
    counts = np.clip(np.floor(quota).astype(int), low, high)
    while counts.sum() < total:
        counts[np.argmax(np.where(counts < high, quota - counts, -np.inf))] += 1
    while counts.sum() > total:
        counts[np.argmin(np.where(counts > low, quota - counts, np.inf))] -= 1
    return [int(count) for count in counts]


def _truth(surface: Surface, growth: Growth, pixel_nm: float) -> dict[str, float]:
    shape = surface.height_nm.shape
    area_um2 = shape[0] * shape[1] * (pixel_nm / 1000) ** 2
    grains = int(surface.first.nuclei.inside.sum())
    values = (
        grains,
        grains / area_um2,
        _equivalent_diameter_nm(surface.first, pixel_nm),
        surface.first.covered.mean(),
        (surface.flawed.layers > 1).mean(),
        surface.boundary_length_nm / 1000 / area_um2,
        growth.step_height_nm,
        growth.step_spacing_nm,
        growth.roughness_rms_nm,
        surface.adsorbates / area_um2,
    )
    return {name: float(value) for name, value in zip(TRUTH, values, strict=True)}


def _equivalent_diameter_nm(layer: Layer, pixel_nm: float) -> float:
    pixels = np.bincount(layer.grain[layer.covered], minlength=len(layer.nuclei.x))[layer.nuclei.inside]
    diameters = 2 * np.sqrt(pixels[pixels > 0] / np.pi) * pixel_nm
    return float(diameters.mean()) if diameters.size else float("nan")
