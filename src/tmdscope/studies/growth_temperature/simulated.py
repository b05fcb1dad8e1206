"""Simulated scans of MoS2 whose growth temperature is known."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.analysis.descriptors.paper import describe_paper
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.dataset.prepare import prepare_scan
from tmdscope.files import sha256_array
from tmdscope.params.images import DescribeParams, LevellingParams, PrepareParams
from tmdscope.scan.growth import REFERENCE_C, Conditions, Growth, draw_growth_at
from tmdscope.scan.simulate import SamplePlan, plan_samples, simulate_sample
from tmdscope.studies.growth_temperature.described import DESCRIPTORS
from tmdscope.studies.growth_temperature.params import SimulatedGrowthParams

_LEVELLING = LevellingParams(crop_nm="whole", steps=["plane", "row_medians"])
_PERCENTILES = [0.5, 99.5]


@dataclass(frozen=True)
class Sample:
    """A sample to grow, measure and describe, in a process of its own."""

    plan: SamplePlan
    conditions: Conditions
    settings: SimulatedGrowthParams
    describe: DescribeParams


def plan_growth(settings: SimulatedGrowthParams, describe: DescribeParams) -> list[Sample]:
    """Say which samples are grown, and how; ids say nothing of the temperature."""
    shares = {f"{level:g}": 1.0 for level in settings.temperatures}
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(1,)))
    return [
        Sample(
            plan,
            Conditions(
                temperature_c=float(plan.material),
                time_min=float(rng.uniform(settings.times_min[0], settings.times_min[1])),
                plane=str(rng.choice(np.array(settings.planes))),  # type: ignore[arg-type]
            ),
            settings,
            describe,
        )
        for plan in plan_samples(shares, settings.images, settings.samples, settings.seed)
    ]


def grow_sample(sample: Sample) -> tuple[list[dict[str, Any]], NDArray[np.uint8]]:
    """Simulate the images of a sample: a row for each, its truth and descriptors in it, and the images."""
    settings, conditions = sample.settings, sample.conditions
    warm = conditions.temperature_c if settings.depends else REFERENCE_C
    grown = Conditions(temperature_c=warm, time_min=conditions.time_min, plane=conditions.plane)
    draw = partial(_draw, grown, settings.spread)
    prepare = PrepareParams(
        size_px=settings.size_px,
        percentiles=_PERCENTILES,
        levelling=_LEVELLING,
    )
    rows, images = [], []
    scans = simulate_sample(sample.plan, settings.size_px, settings.frame_nm, settings.seed, draw)
    for number, simulated in enumerate(scans):
        height, pixel_nm = simulated.scan.height_nm, simulated.scan.pixel_size_nm
        image = prepare_scan(height, pixel_nm, prepare).image
        described = {**describe_paper(image, sample.describe), **describe_physical(height, pixel_nm)}
        rows.append(
            {
                "image_id": f"{sample.plan.sample_id}-{number}",
                "sample_id": sample.plan.sample_id,
                "image_sha256": sha256_array(image),
                "temperature": conditions.temperature_c,
                "time_min": conditions.time_min,
                "plane": conditions.plane,
                **simulated.truth,
                **{name: described[name] for name in DESCRIPTORS},
            }
        )
        images.append(image)
    return rows, np.stack(images)


def _draw(conditions: Conditions, spread: float, _: str, rng: np.random.Generator) -> Growth:
    return draw_growth_at(conditions, spread, rng)
