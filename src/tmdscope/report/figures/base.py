"""What all figures share: colours, markers, and how they become bytes."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.text import Text

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#444444")
"""Okabe & Ito: told apart by colour-blind readers (https://jfly.uni-koeln.de/color/); yellow is darkened."""

MARKERS = "os^Dvph*"
"""One for each colour."""


def cycle(values: Sequence[str], count: int) -> list[str]:
    """Give as many colours or markers as are asked for, from the beginning again when they run out."""
    return [values[k % len(values)] for k in range(count)]


def png(figure: Figure) -> bytes:
    """Draw a figure as a PNG; the same figure gives the same bytes."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar in a class's name is a dollar
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, bbox_inches="tight", metadata={"Software": None})
    return stream.getvalue()
