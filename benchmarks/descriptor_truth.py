"""How near physical descriptors come to what the simulator made: bias and correlation over the materials."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.catalogue import PHYSICAL
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.materials import MATERIALS
from tmdscope.scan.growth import Growth, draw_growth
from tmdscope.scan.instrument import draw_instrument
from tmdscope.scan.simulate import simulate_scan, surface_truth

NAME = "descriptor-truth"
SIZES_PX = (96, 224)
SAMPLES = 20
"""Of each material, one scan each."""
FRAME_NM = 1000.0
SEED = 21
STEPS_NM = (0.1, 0.6)
"""Heights of steps in the control of that name; sapphire's are all 0.217 nm."""

Change = Callable[[Growth, float], Growth]
"""Makes another growth of one that was drawn; the number goes from 0 to 1 over the samples."""


def _smooth(growth: Growth, _share: float) -> Growth:
    return replace(growth, roughness_rms_nm=0.0)


def _high_steps(growth: Growth, share: float) -> Growth:
    """Give steps any height, as far apart as they were."""
    height = STEPS_NM[0] + share * (STEPS_NM[1] - STEPS_NM[0])
    miscut = float(np.degrees(np.arctan(height / growth.step_spacing_nm)))
    return replace(growth, step_height_nm=height, miscut_deg=miscut)


CONTROLS: dict[str, Change] = {"without roughness": _smooth, "steps of 0.1 to 0.6 nm": _high_steps}
"""What is changed in the growth to see what a descriptor suffers from; on scans of the largest size."""


def report() -> dict[str, Any]:
    """Compare on scans of both sizes, and on controls.

    Returns
    -------
    dict
        ``scans`` by size in px, and ``controls`` by name: by descriptor, number of scans on which it is
        defined, Pearson's r with the truth over scans and over the means of materials, bias (measured less
        true), spread of the error, and mean of the truth.
    """
    return {
        "benchmark": NAME,
        "scans": {size: compare(size) for size in SIZES_PX},
        "controls": {name: compare(SIZES_PX[-1], change) for name, change in CONTROLS.items()},
    }


def compare(
    size_px: int, change: Change | None = None, samples: int = SAMPLES
) -> dict[str, dict[str, float]]:
    """Measure simulated scans and compare with their truth.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    change : callable, optional
        What to change in the growth of every sample.
    samples : int, optional
        Scans of each material, of as many samples.

    Returns
    -------
    dict
        By descriptor, as `report` has it.
    """
    rows: list[dict[str, Any]] = []
    for place, material in enumerate(MATERIALS):
        for number in range(samples):
            rng = np.random.default_rng([SEED, place, number])
            growth, instrument = draw_growth(material, rng), draw_instrument(rng)
            if change is not None:
                growth = change(growth, number / max(1, samples - 1))
            scan = simulate_scan(growth, instrument, size_px, FRAME_NM, rng)
            measured = describe_physical(scan.scan.height_nm, scan.scan.pixel_size_nm)
            rows.append({"material": material, **measured, **scan.truth, **surface_truth(scan)})
    table = pd.DataFrame(rows)
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
        "| scans | descriptor | truth | mean of truth | n | r | r of means | bias | spread | unit |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for size, of in found.items():
        for item in PHYSICAL:
            value = of[item.name]
            figures = [f"{value[key]:.2f}" for key in ("r", "r_of_means")]
            figures += [f"{value[key]:.3g}" for key in ("bias", "spread")]
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
    return {
        "scans": len(known),
        "r": float(measured.corr(true)),
        "r_of_means": float(means[name].corr(means[truth])),
        "bias": float(error.mean()),
        "spread": float(error.std()),
        "truth": float(true.mean()),
    }
