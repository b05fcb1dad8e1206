"""The seed's order of scaling and noise, and its split, beside honest ones."""

from dataclasses import dataclass
from typing import Any

from tmdscope.report.page import Claim, Gauge, Paragraph, Reading, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import percent
from tmdscope.studies.stem_defects.records import Leak


@dataclass(frozen=True)
class Leaky(Part):
    """The seed's order and split beside honest ones."""

    leak: Leak

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        return {"leak": {"scores": self.leak.scores, "border": self.leak.border}}

    def claim(self) -> Claim:
        """Say what the seed's way makes of a score."""
        first, *_ = self.leak.scores.values()
        told = (
            f"Split and scaled as the seed did, a network seems right on {percent(first['random'], 0)} of 100"
        )
        readings = [
            Reading(words, first[split], f"{percent(first[split])} %")
            for split, words in (("random", "random split"), ("by_condition", "other conditions"))
        ]
        return Claim(f"{told} pictures.", Gauge(0.0, 1.0, readings))

    def section(self) -> Section:
        """Write it, with the reason in words."""
        words = {
            "scaled_first": "each picture scaled, then noise (the seed)",
            "noise_first": "noise, then scaled",
        }
        rows = [
            {
                "Order": words[order],
                "random split": percent(own["random"]),
                "by original": percent(own["by_original"]),
                "by condition": percent(own["by_condition"]),
                "SW against VW from the border alone": percent(self.leak.border[order]),
            }
            for order, own in self.leak.scores.items()
        ]
        return Section(
            "What a leak does",
            [
                Paragraph(
                    "The poster names 95.68 % of test pictures right. Its pictures are copies of 45 "
                    "originals, split at random, so that nearly every test picture has siblings in "
                    "training; all originals of a class are rotations of one structure; and each was "
                    "scaled from its darkest to its brightest pixel before noise came, so that how dark "
                    f"the defect is stands in every pixel. The same network, on {self.leak.pictures} copies "
                    "made that way and on honest ones:"
                ),
                Table.of(f"Per cent named right ({self.leak.metric})", rows),
            ],
        )
