"""Images of many kinds, small: scans, noise, and what has many equal values."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tmdscope.materials import MATERIALS
from tmdscope.scan.level import level, to_uint8
from tmdscope.scan.simulate import SamplePlan, SimulatedScan, simulate_sample

Image = NDArray[np.uint8]


@cache
def scan(material: str, size_px: int = 64, sample: str = "S1") -> SimulatedScan:
    return simulate_sample(SamplePlan(sample, material, 1), size_px, 500.0, 3)[0]


def discs(centres: list[tuple[int, int]], radius: float = 6.0) -> Image:
    y, x = np.mgrid[:64, :64]
    image = np.zeros((64, 64), np.uint8)
    for row, column in centres:
        image[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = 200
    return image


def pictures() -> dict[str, Image]:
    rng = np.random.default_rng(7)
    found = {name: level(scan(name).scan.height_nm, (0.5, 99.5)) for name in MATERIALS}
    smooth = gaussian_filter(rng.standard_normal((70, 50)), 2.5)
    squares = np.indices((48, 60)).sum(axis=0) // 4 % 2
    return found | {
        "noise": rng.integers(0, 256, (40, 31), dtype=np.uint8),
        "two greys": rng.integers(0, 2, (40, 40), dtype=np.uint8),
        "five greys": rng.integers(100, 105, (33, 52), dtype=np.uint8),
        "hills": to_uint8(smooth),
        "clipped hills": np.clip(128 + 400 * smooth, 0, 255).astype(np.uint8),
        "blocks": np.kron(rng.integers(0, 256, (9, 12)), np.ones((6, 5), int)).astype(np.uint8),
        "squares": (squares * 130).astype(np.uint8),
        "stripes": np.repeat(np.arange(16, dtype=np.uint8) * 16, 40 * 4).reshape(64, 40),
        "discs": discs([(12, 12), (12, 50), (40, 30)]),
        "a dot": np.pad(np.full((1, 1), 255, np.uint8), 20),
    }
