"""How well every detector finds what there is, by noise, on conditions that it never saw."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.params.common import ScoringParams
from tmdscope.report.answer import answer, scored
from tmdscope.report.figures.defects import by_noise
from tmdscope.report.page import Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import percent
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import DETECTIONS
from tmdscope.studies.stem_defects.outcomes import DIMMEST, counted, estimate_detector, usual_noise

SEED = "seed"

DETECTORS = {
    SEED: "seed: disc of a tenth of the frame",
    "seed_ring": "seed: disc tied to the Bragg ring",
    "bandpass": "band-pass below the ring",
    "bragg": "Bragg peaks subtracted",
    "sites": "site intensities",
    "unet": "network (U-Net)",
    "confirmed": "sites that the registered network confirms",
}

_KEYS = {"false_alarms": "false_alarms_per_frame"}


def level(noise: float) -> str:
    """Name a noise in a key: ``noise_0.1``."""
    return f"noise_{noise:g}"


def per_frame(table: pd.DataFrame) -> dict[str, float | None]:
    """Score the outcomes of one detector's frames by every metric of the task, and the error of places.

    None where it is not defined, as the error of places where nothing was found.
    """
    _, objects, counts = counted(table)
    found = {_KEYS.get(name, name): value for name, value in DETECTIONS.scores(objects, counts).items()}
    found["rms_px"] = float(np.sqrt((table["away_px"].dropna() ** 2).mean()))
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


@dataclass(frozen=True)
class Detection(Part):
    """Outcomes of every detector, a row per object and per false alarm."""

    outcomes: pd.DataFrame
    scoring: ScoringParams

    @cached_property
    def scores(self) -> dict[str, dict[float, dict[str, Any]]]:
        """Scores by detector and noise; ``recall_by_kind`` has the share of each kind that is found."""
        return {
            str(name): {float(noise): self._scored(own) for noise, own in of.groupby("noise")}
            for name, of in self.outcomes.groupby("detector", sort=False)
        }

    @staticmethod
    def _scored(own: pd.DataFrame) -> dict[str, Any]:
        there = own[own["label"] != ""]
        by_kind = there.groupby("label")["hit"].mean().to_dict()
        others = there[there["label"] != DIMMEST]["hit"].mean()
        return {**per_frame(own), "recall_by_kind": by_kind, f"recall_but_{DIMMEST}": float(others)}

    @property
    def usual(self) -> float:
        """The noise that sentences speak of."""
        return usual_noise(self.outcomes)

    @property
    def best(self) -> str:
        """The detector that does best at usual noise."""
        return max(self.scores, key=lambda name: self.scores[name][self.usual][DETECTIONS.primary.name] or 0)

    def estimate(self, detector: str) -> Estimate:
        """Score a detector at usual noise, without the dimmest kind, with intervals over conditions."""
        return estimate_detector(self.outcomes, detector, self.scoring)

    def answer(self) -> Claim:
        """Say what the best detector finds, beside the seed's method."""
        what, rows = f"defects (all kinds but {DIMMEST})", f"simulated frames of noise {self.usual:g}"
        beside = {DETECTIONS.unseen: 0.0}
        if SEED in self.scores:
            beside = {"the seed's method": self.estimate(SEED).values[DETECTIONS.told.name]}
        subject = f"the best detector ({DETECTORS.get(self.best, self.best)})"
        return answer(DETECTIONS, self.estimate(self.best), beside, subject, what, rows)

    def claim(self) -> Claim:
        """Say how many false alarms there are."""
        found = self.estimate(self.best)
        alarms = found.values["false_alarms"]
        told = f"The best of {len(self.scores)} detectors gives {alarms:.2f} false alarms a frame"
        dim = self.scores[self.best][self.usual]["recall_by_kind"].get(DIMMEST)
        rest = "" if dim is None else f" and finds {percent(dim, 0)} of 100 {DIMMEST}, a dip in a dim column"
        return Claim(f"{told}{rest}.", scored(DETECTIONS.told, DETECTORS.get(self.best, self.best), found))

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        told = {name: {level(k): own for k, own in of.items()} for name, of in self.scores.items()}
        return {"localise": {**told, "best": self.best}}

    def sentences(self) -> list[str]:
        """Say what the best one does at usual noise."""
        own = self.scores[self.best][self.usual]
        found, off = percent(own[f"recall_but_{DIMMEST}"]), own["rms_px"] or float("nan")
        return [
            (
                f"At noise {self.usual:g} it finds {found} % of all defects but {DIMMEST}; its places are "
                f"{off:.2f} px rms off."
            )
        ]

    def section(self) -> Section:
        """Write the table and curves."""
        kinds = sorted(set(self.outcomes["label"]) - {""})
        rows = []
        for name, of in self.scores.items():
            for noise, own in of.items():
                shares = {kind: percent(own["recall_by_kind"].get(kind, 0.0), 0) for kind in kinds}
                told = {metric.title: metric.tell(own[metric.name]) for metric in DETECTIONS.metrics[:2]}
                rows.append(
                    {
                        "Detector": DETECTORS.get(name, name),
                        "noise": f"{noise:g}",
                        **told,
                        "false alarms a frame": f"{own['false_alarms_per_frame']:.2f}",
                        "rms (px)": "-" if own["rms_px"] is None else f"{own['rms_px']:.2f}",
                        f"all but {DIMMEST}": percent(own[f"recall_but_{DIMMEST}"], 0),
                        **shares,
                    }
                )
        key = f"recall_but_{DIMMEST}"
        found = {name: {k: own[key] for k, own in of.items()} for name, of in self.scores.items()}
        caption = f"Share of all defects but {DIMMEST} that is found, by noise; dashed: 0.97."
        return Section(
            "Finding defects",
            [
                Paragraph(
                    "Frames are simulated under drawn conditions (pixel size, probe, exponent of the "
                    "atomic number, contamination, disorder, strain). What is trained never saw the "
                    "condition it is judged on. A detection within the distance of two neighbouring "
                    "columns is a hit, one to one; the border does not count. Kinds: per cent found."
                ),
                Table.of("Detectors on conditions never seen", rows),
                Figure(caption, "share found by noise", by_noise(found, "share found", 0.97)),
            ],
        )
