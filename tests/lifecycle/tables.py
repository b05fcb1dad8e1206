"""Tables of predictions made by hand: four images each in the test and in two folds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_array

CLASSES = ("MoS2", "WS2")
IMAGES = 12
FOLDS = 2


def sha(text: str) -> str:
    """A hash for an image's content."""
    return text.encode().hex().rjust(64, "0")


def pixels_of(text: str) -> NDArray[np.uint8]:
    """An image of that content."""
    return np.random.default_rng(list(text.encode())).integers(0, 256, (8, 8), dtype=np.uint8)


def part_of(image: int, fold: int) -> str:
    """Images 0..3 are the held-out test; fold 0 validates on 4..7, fold 1 on 8..11."""
    if image < 4:
        return "test"
    return "val" if (image - 4) // 4 == fold else "train"


def table(
    said: Sequence[int], classes: Sequence[str] = CLASSES, sure: float = 0.8, images: int = IMAGES
) -> pd.DataFrame:
    """Every fold takes image k for class said[k]; materials alternate, two images make a sample."""
    rows: list[dict[str, Any]] = []
    for fold in range(FOLDS):
        for k in range(images):
            shares = np.full(len(classes), (1 - sure) / max(1, len(classes) - 1))
            shares[said[k]] = sure
            rows.append(
                {
                    "fold": fold,
                    "image_id": f"i{k:02}",
                    "sample_id": f"s{k // 2}",
                    "label": CLASSES[k // 2 % 2],
                    "image_sha256": sha256_array(pixels_of(f"i{k}")),
                    "part": part_of(k, fold),
                    "decoded": classes[said[k]],
                    **{f"p_{name}": np.float32(share) for name, share in zip(classes, shares, strict=True)},
                }
            )
    return pd.DataFrame(rows)


def truth(images: int = IMAGES) -> list[int]:
    """What a model that is always right says."""
    return [k // 2 % 2 for k in range(images)]


def wrong_on(*images: int) -> list[int]:
    """What a model says that is wrong on some images."""
    return [1 - label if k in images else label for k, label in enumerate(truth())]


def change(predictions: pd.DataFrame, image: int, fold: int | None = None, **values: Any) -> pd.DataFrame:
    """The table with other values for an image, in one fold or in all."""
    changed = predictions.copy()
    rows = changed["image_id"] == f"i{image:02}"
    if fold is not None:
        rows &= changed["fold"] == fold
    changed.loc[rows, list(values)] = list(values.values())
    return changed


def dataset(changes: Mapping[int, str] | None = None, source: str = "simulated") -> Dataset:
    """The images of `table`; some have another content."""
    ids = range(IMAGES)
    pixels = np.stack([pixels_of((changes or {}).get(k, f"i{k}")) for k in ids])
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{k:02}" for k in ids],
            "sample_id": [f"s{k // 2}" for k in ids],
            "label": [CLASSES[k // 2 % 2] for k in ids],
            "pixel_size_nm": 1.0,
            "source": source,
            "source_sha256": [sha(f"source {k}") for k in ids],
            "image_sha256": list(map(sha256_array, pixels)),
            "duplicate_of": None,
        }
    ).astype({"duplicate_of": "object"})
    return Dataset(pixels, manifest)
