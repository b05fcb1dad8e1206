"""How far from a defect the network of windows has its reasons."""

from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.report.page import Claim, Gauge, Paragraph, Reading, Section, Table
from tmdscope.report.part import Part
from tmdscope.studies.stem_defects.records import Attention


@dataclass(frozen=True)
class Reasons(Part):
    """Class activation maps, and how far from the defect they point."""

    attention: Attention

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        return {"attention": asdict(self.attention)}

    def claim(self) -> Claim:
        """Say how far maps point from defects, beside the middle of the window."""
        away, middle = self.attention.rms_px["all"], self.attention.middle_px
        readings = [
            Reading(words, px, f"{px:.2f} px")
            for words, px in (("the map", away), ("the middle of the window", middle))
        ]
        told = (
            f"Class activation maps point {away:.1f} px rms from the defect, where a lattice constant is 10.6"
        )
        return Claim(f"{told}.", Gauge(0.0, 10.6, readings))

    def section(self) -> Section:
        """Write the table."""
        found = self.attention
        rows = [{"Kind": name, "px rms from the defect": f"{px:.2f}"} for name, px in found.rms_px.items()]
        return Section(
            "Where the network looks",
            [
                Paragraph(
                    f"Class activation maps of {found.windows} windows of conditions never seen whose defect "
                    "is named right and lies at random off their middle. The map, of a point in 8 px before "
                    "the last pooling, is enlarged; its place is the mean of what reaches 0.9 of its highest "
                    f"value. The middle of the window, which needs no map, is {found.middle_px:.2f} px rms "
                    "off; a lattice constant is 10.6 px."
                ),
                Table.of("Maps against true places", rows),
            ],
        )
