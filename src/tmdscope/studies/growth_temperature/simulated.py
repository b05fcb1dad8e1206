"""Simulated scans of MoS2 whose growth temperature is known."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import joined
from tmdscope.scan.growth import REFERENCE_C, Conditions, Growth, draw_growth_at
from tmdscope.scan.plausible import doubts
from tmdscope.scan.simulate import SamplePlan, plan_samples, simulate_sample
from tmdscope.studies.growth_temperature.params import SimulatedGrowthParams


@dataclass(frozen=True)
class Sample:
    """A sample to grow and to measure, in a process of its own."""

    plan: SamplePlan
    conditions: Conditions
    settings: SimulatedGrowthParams


def plan_growth(settings: SimulatedGrowthParams) -> list[Sample]:
    """Say which samples are grown, and how; ids say nothing of the temperature."""
    shares = {f"{level:.15g}": 1.0 for level in settings.temperatures}
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
        )
        for plan in plan_samples(shares, settings.images, settings.samples, settings.seed)
    ]


def grow_sample(sample: Sample) -> tuple[list[dict[str, Any]], list[NDArray[np.float32]]]:
    """Simulate the scans of a sample: a row of the manifest for each, its truth in it, and heights in nm."""
    settings, conditions = sample.settings, sample.conditions
    warm = conditions.temperature_c if settings.depends else REFERENCE_C
    grown = Conditions(temperature_c=warm, time_min=conditions.time_min, plane=conditions.plane)
    draw = partial(_draw, grown, settings.spread)
    scans = simulate_sample(sample.plan, settings.size_px, settings.frame_nm, settings.seed, draw)
    rows = [
        {
            "image_id": f"{sample.plan.sample_id}-{number}",
            "sample_id": sample.plan.sample_id,
            "pixel_size_nm": simulated.scan.pixel_size_nm[0],
            "source": "simulated",
            "source_sha256": simulated.scan.sha256,
            "warnings": joined(doubts(simulated.scan.height_nm, settings.frame_nm)),
            "temperature": conditions.temperature_c,
            "time_min": conditions.time_min,
            "plane": conditions.plane,
            **simulated.truth,
        }
        for number, simulated in enumerate(scans)
    ]
    return rows, [simulated.scan.height_nm for simulated in scans]


def _draw(conditions: Conditions, spread: float, _: str, rng: np.random.Generator) -> Growth:
    return draw_growth_at(conditions, spread, rng)
