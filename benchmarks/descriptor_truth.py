"""How near physical descriptors come to what the simulator made: bias and correlation over the materials."""

from typing import Any

import pandas as pd

from tmdscope.analysis.descriptors.catalogue import PHYSICAL
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.materials import MATERIALS
from tmdscope.scan.simulate import SamplePlan, simulate_sample, surface_truth

NAME = "descriptor-truth"
SIZES_PX = (96, 224)
SAMPLES = 20
"""Of each material, one scan each."""
FRAME_NM = 1000.0
SEED = 20


def report() -> dict[str, Any]:
    """Compare on scans of both sizes.

    Returns
    -------
    dict
        By size in px and descriptor: number of scans, Pearson's r with the truth, bias (measured less
        true), spread of the error, and mean of the truth.
    """
    return {"benchmark": NAME, "scans": {size: compare(size) for size in SIZES_PX}}


def compare(size_px: int, samples: int = SAMPLES) -> dict[str, dict[str, float]]:
    """Measure simulated scans and compare with their truth.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    samples : int, optional
        Scans of each material, of as many samples.

    Returns
    -------
    dict
        By descriptor, as `report` has it.
    """
    rows = []
    for material in MATERIALS:
        for number in range(samples):
            plan = SamplePlan(f"truth-{material}-{number}", material, 1)
            (scan,) = simulate_sample(plan, size_px, FRAME_NM, SEED)
            measured = describe_physical(scan.scan.height_nm, scan.scan.pixel_size_nm)
            rows.append(measured | scan.truth | surface_truth(scan))
    table = pd.DataFrame(rows)
    return {item.name: _agreement(table[item.name], table[item.truth]) for item in PHYSICAL}


def as_markdown(found: dict[int, dict[str, dict[str, float]]]) -> str:
    """Write the table of the docs.

    Parameters
    ----------
    found : dict
        ``scans`` of `report`.

    Returns
    -------
    str
        Markdown.
    """
    heads = [f"{what}, {size} px" for size in found for what in ("r", "bias", "spread")]
    lines = [f"| descriptor | truth, mean | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for item in PHYSICAL:
        of = [values[item.name] for values in found.values()]
        cells = [
            f"{value[key]:.{digits}f}"
            for value in of
            for key, digits in (("r", 2), ("bias", 3), ("spread", 3))
        ]
        lines.append(f"| `{item.name}` | {of[0]['truth']:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _agreement(measured: pd.Series, true: pd.Series) -> dict[str, float]:
    known = measured.notna() & true.notna()
    error = (measured - true)[known]
    return {
        "scans": int(known.sum()),
        "r": float(measured[known].corr(true[known])),
        "bias": float(error.mean()),
        "spread": float(error.std()),
        "truth": float(true[known].mean()),
    }
