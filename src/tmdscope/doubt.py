"""Warnings about heights: their names, and how they are written and joined."""

import re
from collections.abc import Sequence
from enum import StrEnum

_NAMED = re.compile(r"\[([a-z-]+)\](?=; |$)")


class Doubt(StrEnum):
    """Names of warnings: they stand in brackets at a warning's end, and do not change."""

    RECORDS = "records"
    """Records of a file disagree about the size of its pixels."""
    OBLONG = "oblong"
    """Pixels are far from square."""
    UNFINISHED = "unfinished"
    """The frame has lines that were not scanned, or fewer lines than it was set to."""
    LOST_LINES = "lost-lines"
    """A line between scanned ones has no heights and is closed."""
    DEAD_LINES = "dead-lines"
    """Lines inside the frame hold one value, or those of the line before."""
    MOVIE = "movie"
    """The file holds several frames, of which one is taken."""
    FLATTENED = "flattened"
    """The software that wrote the file had levelled the heights."""
    SATURATED = "saturated"
    """Many pixels have exactly the highest or the lowest height: the digitiser or a program cut them off."""
    RANGE = "range"
    """Heights range further than a tip follows."""
    UNIT = "unit"
    """Heights range less than any microscope resolves: they may be in another unit."""
    NOISE = "noise"
    """Neighbouring lines have nothing in common."""


def named(doubt: Doubt, sentence: str) -> str:
    """Write a warning: what is doubtful, and the warning's name in brackets."""
    return f"{sentence} [{doubt}]"


def joined(warnings: Sequence[str]) -> str | None:
    """Join warnings by semicolons, as a manifest holds them; None: there are none."""
    return "; ".join(warnings) or None


def names_of(warnings: str) -> frozenset[str]:
    """Read the names of warnings that were `joined`."""
    return frozenset(_NAMED.findall(warnings))
