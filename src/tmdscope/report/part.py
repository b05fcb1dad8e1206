"""A report is made of parts: each knows its section, its numbers and what is said of it in short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tmdscope.report.page import Note, Page, Points, Section


class Part:
    """What one section is written from; a part that a study has left out gives no section."""

    def section(self) -> Section | None:
        """Write the section."""
        return None

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers that DVC compares, by their keys in ``metrics.json``."""
        return {}

    def sentences(self) -> list[str]:
        """Say it in short: numbers with their intervals, and no more than the intervals say."""
        return []


@dataclass(frozen=True)
class Report:
    """A study's report: parts in the order of the page, and of those that are summed up first, `said`."""

    title: str
    lead: str
    parts: Sequence[Part]
    said: Sequence[Part]
    note: str = ""

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers of all parts."""
        return {key: numbers for part in self.parts for key, numbers in part.metrics().items()}

    def page(self) -> Page:
        """Write the page."""
        said = Points([sentence for part in self.said for sentence in part.sentences()])
        short = Section("In short", [*([Note(self.note)] if self.note else []), said])
        found = [part.section() for part in self.parts]
        return Page(self.title, self.lead, [short, *(section for section in found if section)])
