"""What all figures share: colours, markers, and how they become bytes."""

import io
from collections.abc import Iterable, Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#444444")
"""Okabe & Ito: told apart by colour-blind readers (https://jfly.uni-koeln.de/color/); yellow is darkened."""

MARKERS = "os^Dvph*"
"""One for each colour."""


def styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give every name a colour and a marker, from the beginning again when they run out."""
    return {name: (COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]) for k, name in enumerate(names)}


def colours(names: Iterable[str]) -> dict[str, str]:
    """Give every name a colour."""
    return {name: colour for name, (colour, _) in styles(names).items()}


def legend(figure: Figure, keys: Sequence[Artist]) -> None:
    """Say above a figure what its colours and marks are."""
    figure.legend(handles=keys, loc="outside upper center", ncols=min(len(keys), 8), fontsize=9)


def png(figure: Figure) -> bytes:
    """Draw a figure as a PNG; the same figure gives the same bytes."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar in a class's name is a dollar
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, bbox_inches="tight", metadata={"Software": None})
    return stream.getvalue()
