"""How wide in nm the scans behind a model's images were, and whether a new one is as wide."""

import json
import math
from dataclasses import dataclass
from typing import Self

import pandas as pd

SAME = 0.05
"""Share by which two widths may differ and still be called the same: instruments round and drift."""


@dataclass(frozen=True)
class Scale:
    """Widths of the training images, as far as they are `known`; NaN where none is."""

    narrowest_nm: float
    widest_nm: float
    known: int
    images: int

    @classmethod
    def of(cls, manifest: pd.DataFrame, size_px: int) -> Self:
        """Take the widths of prepared images; without column ``pixel_size_nm`` none is known."""
        widths = widths_nm(manifest, size_px).dropna()
        return cls(float(widths.min()), float(widths.max()), len(widths), len(manifest))

    @property
    def text(self) -> str:
        """Such as ``1000 nm`` or ``500 to 1000 nm``; ``of unknown width``."""
        if not self.known:
            return "of unknown width"
        low, high = f"{self.narrowest_nm:.4g}", f"{self.widest_nm:.4g}"
        return f"{low} nm" if low == high else f"{low} to {high} nm"

    def crop(self, scan_nm: float) -> float | None:
        """Give the side in nm of a scan's centre that shows as much as the widest; None: all of it."""
        return self.widest_nm if scan_nm > self.widest_nm * (1 + SAME) else None

    def differs(self, width_nm: float) -> bool:
        """Say whether an image is wider or narrower than all of them; False where either is not known."""
        return self.crop(width_nm) is not None or width_nm < self.narrowest_nm * (1 - SAME)

    def judge(self, width_nm: float, scan_nm: float) -> str:
        """Say how an image's width compares.

        Empty where it is as the model's own were, or the model does not know. `width_nm` is of what the image
        shows, NaN where it is not known; `scan_nm` of the largest square of the scan that it was cut from.
        """
        if not self.known:
            return ""
        if math.isnan(width_nm):
            return "unknown"
        if self.differs(width_nm):
            return f"differs: {width_nm:.4g} nm wide, trained on {self.text}"
        return f"cropped: {width_nm:.4g} of {scan_nm:.4g} nm" if self.crop(scan_nm) is not None else ""

    def to_json(self) -> str:
        """Give the form that is kept with a model, which `from_json` reads back."""
        frame = [self.narrowest_nm, self.widest_nm] if self.known else [None, None]
        return json.dumps({"frame_nm": frame, "known": self.known, "images": self.images})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the form that `to_json` gives."""
        content = json.loads(text)
        low, high = (math.nan if v is None else float(v) for v in content["frame_nm"])
        return cls(low, high, content["known"], content["images"])


def widths_nm(manifest: pd.DataFrame, size_px: int) -> "pd.Series[float]":
    """Give the width in nm of prepared images, one value per row; NaN where it is not known."""
    if "pixel_size_nm" not in manifest:
        return pd.Series(math.nan, index=manifest.index, dtype=float)
    return manifest["pixel_size_nm"].astype(float) * size_px
