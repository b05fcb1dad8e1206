"""How near levelled heights come to what the simulator made: steps and roughness by coverage."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tmdscope.materials import MATERIALS
from tmdscope.scan.growth import draw_growth
from tmdscope.scan.instrument import draw_instrument
from tmdscope.scan.level_error import CHAINS, IDEAL, level_errors

NAME = "levelling-truth"
COVERAGES = (0.1, 0.3, 0.5, 0.7, 0.9)
SURFACES = 4
"""Of each material and coverage, one scan each."""
SIZE_PX = 224
FRAME_NM = 1000.0
SEED = 31
STEP_WITHIN = 0.10
ROUGHNESS_WITHIN = 0.05
CONTROLS: dict[str, float | None] = {"as drawn": None, "line noise 0.3 nm": 0.3}
"""Line noise of the instrument; None: the simulator's own, 0.04 nm in the median."""


def report() -> dict[str, Any]:
    """Print a JSON line for each control, chain and coverage.

    Returns
    -------
    dict
        ``benchmark``, and ``within``: by control and chain, whether the median error of both quantities stays
        within tolerance at every coverage.
    """
    within: dict[str, dict[str, bool]] = {}
    for control, noise in CONTROLS.items():
        for line in compare(noise):
            print(json.dumps({"control": control, **line}), flush=True)
            kept = line["step_within"] >= 0.5 and line["roughness_within"] >= 0.5
            chains = within.setdefault(control, {})
            chains[line["chain"]] = chains.get(line["chain"], True) and kept
    return {"benchmark": NAME, "within": within}


def compare(
    line_noise_nm: float | None = None, surfaces: int = SURFACES, size_px: int = SIZE_PX
) -> Iterator[dict[str, Any]]:
    """Level simulated scans of one layer's islands.

    Parameters
    ----------
    line_noise_nm : float, optional
        Of all instruments, in nm.
    surfaces : int, optional
        Of each material.
    size_px : int, optional
        Rows and columns.

    Yields
    ------
    dict
        ``chain``, ``coverage``, ``scans``; of ``step`` and ``roughness`` the median and the largest absolute
        relative error and the share of scans within tolerance.
    """
    for coverage in COVERAGES:
        found = []
        for place, material in enumerate(MATERIALS):
            for number in range(surfaces):
                rng = np.random.default_rng([SEED, place, number])
                growth, instrument = draw_growth(material, rng), draw_instrument(rng)
                growth = replace(growth, coverage=coverage, second_layer_coverage=0.0)
                if line_noise_nm is not None:
                    instrument = replace(instrument, line_noise_nm=line_noise_nm)
                found.append(level_errors(growth, instrument, size_px, FRAME_NM, [SEED, place, number, 1]))
        for chain in (*CHAINS, IDEAL):
            errors = np.array([one[chain] for one in found])
            yield {"chain": chain, "coverage": coverage, "scans": len(found), **_summary(errors)}


def _summary(errors: Any) -> dict[str, float]:
    summary = {}
    for name, values, limit in zip(
        ("step", "roughness"), errors.T, (STEP_WITHIN, ROUGHNESS_WITHIN), strict=True
    ):
        known = values[np.isfinite(values)]
        summary |= {
            f"{name}_median": round(float(np.median(known)), 4),
            f"{name}_worst": round(float(np.abs(known).max()), 4),
            f"{name}_within": round(float((np.abs(known) <= limit).mean()), 4),
        }
    return summary
