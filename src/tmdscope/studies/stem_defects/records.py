"""What stages of this study leave: names of files, and what is in them."""

from dataclasses import dataclass
from typing import Any

from tmdscope.record import JsonRecord

INTENSITY_ONLY, BORDER_ONLY = "intensity", "border"
"""Names of the methods that see the site's intensity alone, and the border of the window alone."""

NETWORK = "network"
"""Name of the experiment that is registered."""

CONFIRMED = "confirmed.parquet"
"""What became of every object of every frame by the registered network."""

DETECTOR = "confirmed"
"""Name of that network among the detectors."""

MOVIE, TRACKS, TRUTH = "movie.npy", "tracks.parquet", "truth.parquet"
RATES, RUN = "rates.json", "rates_run.json"
ATTENTION, ATTENTION_RUN = "attention.json", "attention_run.json"


@dataclass(frozen=True)
class Rates(JsonRecord):
    """What a movie gave: links, drift, motion and changes, beside the truth.

    `diffusion` (nm2/s), `hop` and `change` (chances from frame to frame) hold ``true, estimated, ci95``; of
    diffusion also ``walked``, from the true paths, and ``published_formula``.
    """

    seconds: float
    pixel_nm: float
    frames: int
    links: dict[str, float]
    drift_rms_px: float
    diffusion: dict[str, Any]
    hop: dict[str, Any]
    change: dict[str, Any]
    flicker: dict[str, float]


@dataclass(frozen=True)
class Leak(JsonRecord):
    """Scores by order of scaling and noise, and by split; and of the border, where no defect is seen.

    `border` tells the two kinds whose columns are nearly empty from one another; half right is chance.
    """

    metric: str
    scores: dict[str, dict[str, float]]
    border: dict[str, float]
    pictures: int


@dataclass(frozen=True)
class Strangers(JsonRecord):
    """What the network calls held-out windows as they are, and moved off their sites: shares by name."""

    windows: int
    known: dict[str, float]
    moved: dict[str, float]


@dataclass(frozen=True)
class Attention(JsonRecord):
    """How far class activation maps point from the defect, px rms, by kind and of all, and the middle is."""

    windows: int
    rms_px: dict[str, float]
    middle_px: float
