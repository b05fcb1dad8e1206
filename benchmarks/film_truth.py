"""How near a film's flaws in heights come to what the simulator made, over all materials."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.catalogue import FILM
from tmdscope.analysis.descriptors.films import describe_films
from tmdscope.materials import MATERIALS
from tmdscope.scan.flaws import draw_flaws
from tmdscope.scan.growth import draw_growth
from tmdscope.scan.instrument import draw_instrument
from tmdscope.scan.simulate import flaw_truth, simulate_scan

NAME = "film-truth"
SIZE_PX = 224
FRAME_NM = 1000.0
SAMPLES = 8
"""Of each material, one scan each."""
SEED = 900
"""Thresholds were chosen on another."""


def report() -> dict[str, Any]:
    """Compare scans with all flaws at once.

    Returns
    -------
    dict
        ``films``: by descriptor Pearson's r with the truth, bias (measured less true), spread of the error,
        and mean of the truth.
    """
    return {"benchmark": NAME, "films": compare()}


def compare(size_px: int = SIZE_PX, samples: int = SAMPLES) -> dict[str, dict[str, float]]:
    """Measure simulated scans and compare with their truth.

    Parameters
    ----------
    size_px : int, optional
        Rows and columns.
    samples : int, optional
        Scans of each material.

    Returns
    -------
    dict
        By descriptor, as `report` has it.
    """
    rows: list[dict[str, float]] = []
    for place, material in enumerate(MATERIALS):
        for number in range(samples):
            rng = np.random.default_rng([SEED, place, number])
            growth, instrument = draw_growth(material, rng), draw_instrument(rng)
            scan = simulate_scan(replace(growth, flaws=draw_flaws(rng)), instrument, size_px, FRAME_NM, rng)
            measured = describe_films(scan.scan.height_nm, scan.scan.pixel_size_nm)
            rows.append({**measured, **flaw_truth(scan)})
    table = pd.DataFrame(rows)
    found = {}
    for item in FILM:
        seen, true = table[item.name], table[item.truth]
        error = seen - true
        found[item.name] = {
            "r": float(seen.corr(true)),
            "bias": float(error.mean()),
            "spread": float(error.std()),
            "truth": float(true.mean()),
        }
    return found
