"""How near physical descriptors come to what the simulator made: bias and correlation over the materials."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.catalogue import PHYSICAL, bounds_of
from tmdscope.analysis.descriptors.intervals import Geometry, find_bounds, measure_simulated
from tmdscope.materials import MATERIALS
from tmdscope.scan.growth import Growth, draw_growth
from tmdscope.scan.instrument import Instrument, draw_instrument
from tmdscope.scan.level_error import EXACT

NAME = "descriptor-truth"
SIZES_PX = (96, 224)
SAMPLES = 20
"""Of each material, one scan each."""
FRAME_NM = 1000.0
SEED = 21
STEPS_NM = (0.1, 0.6)
"""Heights of steps in the control of that name; sapphire's are all 0.217 nm."""

CALIBRATED = 200
"""Other scans, on which intervals are found."""

Change = Callable[[Growth, Instrument, float], tuple[Growth, Instrument]]
"""Makes others of those that were drawn; the number goes from 0 to 1 over the samples."""


def _smooth(growth: Growth, instrument: Instrument, _share: float) -> tuple[Growth, Instrument]:
    return replace(growth, roughness_rms_nm=0.0), instrument


def _level(growth: Growth, instrument: Instrument, _share: float) -> tuple[Growth, Instrument]:
    return growth, replace(instrument, **EXACT)


def _high_steps(growth: Growth, instrument: Instrument, share: float) -> tuple[Growth, Instrument]:
    """Give steps any height, as far apart as they were."""
    height = STEPS_NM[0] + share * (STEPS_NM[1] - STEPS_NM[0])
    miscut = float(np.degrees(np.arctan(height / growth.step_spacing_nm)))
    return replace(growth, step_height_nm=height, miscut_deg=miscut), instrument


CONTROLS: dict[str, Change] = {
    "without roughness": _smooth,
    "steps of 0.1 to 0.6 nm": _high_steps,
    "nothing to level": _level,
}
"""What is changed to see what a descriptor suffers from; on scans of the largest size."""


def report() -> dict[str, Any]:
    """Compare on scans of both sizes, and on controls.

    Returns
    -------
    dict
        ``scans`` by size in px, and ``controls`` by name: by descriptor, number of scans on which it is
        defined, Pearson's r with the truth over scans and over the means of materials, bias (measured less
        true), spread of the error, mean of the truth, and of the intervals found on `CALIBRATED` other scans
        the mean width and the share that holds the truth.
    """
    return {
        "benchmark": NAME,
        "scans": {size: compare(size) for size in SIZES_PX},
        "controls": {name: compare(SIZES_PX[-1], change, calibrated=0) for name, change in CONTROLS.items()},
    }


def compare(
    size_px: int, change: Change | None = None, samples: int = SAMPLES, calibrated: int = CALIBRATED
) -> dict[str, dict[str, float]]:
    """Measure simulated scans and compare with their truth.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    change : callable, optional
        What to change in growth and instrument of every sample.
    samples : int, optional
        Scans of each material, of as many samples.
    calibrated : int, optional
        Other scans, on which intervals are found; none of 0.

    Returns
    -------
    dict
        By descriptor, as `report` has it.
    """
    rows: list[dict[str, Any]] = []
    geometry = Geometry(size_px, FRAME_NM)
    for place, material in enumerate(MATERIALS):
        for number in range(samples):
            rng = np.random.default_rng([SEED, place, number])
            growth, instrument = draw_growth(material, rng), draw_instrument(rng)
            if change is not None:
                growth, instrument = change(growth, instrument, number / max(1, samples - 1))
            measured, truth = measure_simulated(growth, instrument, geometry, rng)
            rows.append({"material": material, **measured, **truth})
    table = pd.DataFrame(rows)
    table = table.join(find_bounds(table, [geometry] * len(table), calibrated))
    return {item.name: _agreement(table, item.name, item.truth) for item in PHYSICAL}


def as_markdown(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Write the table of docs/descriptors.md.

    Parameters
    ----------
    found : dict
        ``scans`` or ``controls`` of `report`.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "| scans | descriptor | truth | mean | n | r | r of means | bias | spread | width | holds | unit |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for size, of in found.items():
        for item in PHYSICAL:
            value = of[item.name]
            figures = [f"{value[key]:.2f}" for key in ("r", "r_of_means")]
            figures += [f"{value[key]:.3g}" for key in ("bias", "spread", "width")]
            figures.append(f"{value['held']:.2f}")
            lines.append(
                f"| {size} | `{item.name}` | `{item.truth}` | {value['truth']:.3g} | {value['scans']} | "
                f"{' | '.join(figures)} | {item.unit} |"
            )
    return "\n".join(lines) + "\n"


def _agreement(table: pd.DataFrame, name: str, truth: str) -> dict[str, float]:
    known = table[table[name].notna() & table[truth].notna()]
    measured, true = known[name], known[truth]
    means = known.groupby("material")[[name, truth]].mean()
    error = measured - true
    low, high = (known[bound] for bound in bounds_of(name))
    return {
        "scans": len(known),
        "r": float(measured.corr(true)),
        "r_of_means": float(means[name].corr(means[truth])),
        "bias": float(error.mean()),
        "spread": float(error.std()),
        "truth": float(true.mean()),
        "width": float((high - low).mean()),
        "held": float(((low <= true) & (true <= high)).mean()),
    }
