"""A report is made of parts: each knows its section, its numbers and what is said of it in short."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tmdscope.report.page import Block, Claim, Note, Page, Points, Section


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

    def claim(self) -> Claim | None:
        """Say it in one line that a hurried reader understands, with a small figure; None: nothing to say."""
        return None


@dataclass(frozen=True)
class Report:
    """A study's report: its answer, and what is `shown` beside; parts in the order of the page."""

    title: str
    lead: str
    answer: Claim
    parts: Sequence[Part]
    note: str = ""
    shown: Sequence[Block] = ()

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers of all parts."""
        return {key: numbers for part in self.parts for key, numbers in part.metrics().items()}

    def page(self) -> Page:
        """Write the page: the answer, and a line for every part, which opens."""
        note = [Note(self.note)] if self.note else []
        short = Section("In short", [*note, self.answer, *self.shown])
        return Page(self.title, self.lead, [short, *filter(None, map(_folded, self.parts))])


def _folded(part: Part) -> Section | None:
    """Fold a part's section under its claim; it opens with what it says in short."""
    section, said = part.section(), part.sentences()
    if section is None:
        return None
    blocks = [*([Points(said)] if said else []), *section.blocks]
    return replace(section, blocks=blocks, claim=part.claim(), folded=True)
