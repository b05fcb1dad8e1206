"""What following the defects of a movie gave, beside the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.params.common import ScoringParams
from tmdscope.report.figures.defects import (
    annotated,
    counts_over_time,
    gif,
    paths,
    trajectories,
    transition_diagram,
)
from tmdscope.report.page import Claim, Figure, Gauge, Paragraph, Reading, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import readable
from tmdscope.stem.histories import fit_histories
from tmdscope.studies.stem_defects.records import Rates


@dataclass(frozen=True)
class Following(Part):
    """What a movie gave, beside the truth."""

    rates: Rates
    tracks: pd.DataFrame
    frames: NDArray[np.uint8]
    names: Sequence[str]
    scoring: ScoringParams

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        own = asdict(self.rates)
        kept = {name: own[name] for name in ("diffusion", "hop", "change", "flicker", "drift_rms_px")}
        return {"track": {**self.rates.links, **kept}}

    def sentences(self) -> list[str]:
        """Say what diffusion was found."""
        told: Mapping[str, Any] = self.rates.diffusion
        return [
            (
                f"Diffusion over {told['tracks']} tracks: {_interval(told, 1e3)} of 1e-3 nm2/s, "
                f"{told['true'] * 1e3:.2f} is true; the published formula gives "
                f"{told['published_formula'] * 1e3:.2f}, about a sixth."
            )
        ]

    def claim(self) -> Claim:
        """Say how fast defects move, beside the truth."""
        told: Mapping[str, Any] = self.rates.diffusion
        bounds = None if told["ci95"] is None else (told["ci95"][0], told["ci95"][1])
        readings = [
            Reading("estimated", told["estimated"], _interval(told, 1e3), bounds),
            Reading("true", told["true"], f"{told['true'] * 1e3:.3g}"),
            Reading("published formula", told["published_formula"], f"{told['published_formula'] * 1e3:.3g}"),
        ]
        highest = 1.2 * max(told["true"], told["estimated"], *(bounds or ()))
        return Claim(
            f"Linked defects diffuse at {told['estimated'] * 1e3:.3g} of 1e-3 nm2/s, where "
            f"{told['true'] * 1e3:.3g} is true.",
            Gauge(0.0, highest, readings),
        )

    def section(self) -> Section:
        """Write rates, the marked movie and figures."""
        rates, own = self.rates, self.tracks
        rows = [
            {
                "Rate": name,
                "true": f"{told['true'] * scale:.3g}",
                "estimated, 95 % over tracks": _interval(told, scale),
            }
            for name, told, scale in (
                ("diffusion (1e-3 nm2/s)", rates.diffusion, 1e3),
                ("hop, chance a frame", rates.hop, 1.0),
                ("change of class, chance a frame", rates.change, 1.0),
            )
        ]
        pictures = [
            annotated(frame, own[own["frame"] == k].assign(label=own["smoothed"]), self.names)
            for k, frame in enumerate(self.frames)
        ]
        told = fit_histories(own, self.names)
        links = ", ".join(f"{readable(name)} {value:.4g}" for name, value in rates.links.items())
        return Section(
            "Following defects",
            [
                Paragraph(
                    f"A movie of {rates.frames} frames, {rates.seconds:g} s each. Links between consecutive "
                    f"frames: {links}. Drift, from defects that stay, is {rates.drift_rms_px:.3f} px rms "
                    "off. The published formula divides a track's variance by its length, which for a free "
                    "walk is a sixth of the diffusion coefficient."
                ),
                Table.of("Rates", rows),
                Figure(
                    f"The first {len(self.frames)} frames.", "frames with marks", gif(pictures), "image/gif"
                ),
                Figure(
                    "Defects of each class, and the mean of five frames.",
                    "counts",
                    counts_over_time(own, "smoothed", self.names, rates.frames),
                ),
                paths(own, "smoothed", self.names, rates.frames),
                Figure(
                    "Tracks on the first frame.",
                    "tracks",
                    trajectories(self.frames[0], own, "smoothed", self.names),
                ),
                Figure(
                    "How often classes become one another from frame to frame.",
                    "transitions",
                    transition_diagram(self.names, told.chance, told.expected.sum(axis=0).round()),
                ),
            ],
        )


def _interval(told: Mapping[str, Any], scale: float) -> str:
    if told["estimated"] is None:
        return "-"
    bounds = [bound for bound in told["ci95"] or [] if bound is not None]
    words = f" [{', '.join(f'{bound * scale:.3g}' for bound in bounds)}]" if bounds else ""
    return f"{told['estimated'] * scale:.3g}{words}"
