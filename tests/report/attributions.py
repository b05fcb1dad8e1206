"""What an attribution stage wrote, made up."""

from collections.abc import Sequence
from typing import Any

import numpy as np

_SHARE = {"mean": 0.25, "ci95": [0.1, 0.4], "images": 2, "samples": 2}
_UNKNOWN = {"mean": None, "ci95": None, "images": 0, "samples": 0}
ATTRIBUTION: dict[str, Any] = {
    "model": {"name": "m", "version": 3, "alias": "best", "fold": 1},
    "settings": {
        "layer": "layer4",
        "images_per_class": 2,
        "patch_px": 15,
        "stride_px": 5,
        "grey": 0,
        "tolerance_px": 1,
    },
    "images": 3,
    "correct": 2,
    "shown": 2,
    "map_px": 3,
    "agreement": {
        "cam-grad_cam": {**_SHARE, "other_image": 0.05},
        "cam-occlusion": {**_UNKNOWN, "other_image": None},
    },
    "sanity": {
        "cam": {"output": {**_SHARE, "mean": 1.0, "ci95": [1.0, 1.0]}, "conv1": _SHARE},
        "grad_cam": {"output": _SHARE, "conv1": _UNKNOWN},
        "occlusion": {"conv1": {**_SHARE, "mean": 0.1, "ci95": None}},
    },
    "truth": {
        "steps": {
            "cam": {"mass": 0.5, "area": 0.25, "gain": _SHARE, "hit": {**_SHARE, "mean": 0.5}},
            "occlusion": {"mass": None, "area": None, "gain": _UNKNOWN, "hit": _UNKNOWN},
        }
    },
}


def attribution_maps(image_ids: Sequence[str], size: int) -> dict[str, np.ndarray]:
    """Random maps; the paper's has no sign."""
    maps = np.random.default_rng(1).normal(size=(3, len(image_ids), size, size)).astype(np.float32)
    return {
        "image_ids": np.array(image_ids),
        "cam": np.abs(maps[0]),
        "grad_cam": maps[1],
        "occlusion": maps[2],
    }
