"""One self-contained HTML page: text, tables that sort, and pictures, with no request to anywhere."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Self

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tmdscope.files import write_text


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str
    kind = "paragraph"


@dataclass(frozen=True)
class Note:
    """A remark that a reader must not miss, such as that the data are simulated."""

    text: str
    kind = "note"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    sentences: Sequence[str]
    kind = "points"


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    lines: Sequence[str]
    kind = "commands"


@dataclass(frozen=True)
class Link:
    """A cell that leads elsewhere; nothing is fetched before a reader follows it.

    ValueError unless the address begins with ``http://`` or ``https://``.
    """

    text: str
    address: str

    def __post_init__(self) -> None:
        """Refuse what a browser would run or read from the reader's disk."""
        if not self.address.startswith(("http://", "https://")):
            raise ValueError(f"not an address on the web: {self.address!r}")


Cell = str | Link


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row, and after `words_last` the last has sentences, which may wrap.

    A reader sorts it by its headers: by number where most cells of a column begin with one.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words_last: bool = False
    kind = "table"

    @classmethod
    def of(cls, caption: str, rows: Sequence[Mapping[str, Cell]], words_last: bool = False) -> Self:
        """Lay out rows, whose keys are the headers and the same in all."""
        header = list(rows[0]) if rows else []
        return cls(caption, header, [list(row.values()) for row in rows], words_last)


@dataclass(frozen=True)
class Figure:
    """A picture, its caption below, and what it shows for who cannot see it."""

    caption: str
    alt: str
    png: bytes
    media: str = "image/png"
    kind = "figure"

    @property
    def source(self) -> str:
        """The picture as a data address."""
        return f"data:{self.media};base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Space:
    """Lines in space that a reader turns; who runs no script, or prints, sees the `still` one.

    `lines` are a colour each, ``#rrggbb``, and points from 0 to 1 along three `axes`.
    """

    still: Figure
    axes: tuple[str, str, str]
    lines: Sequence[tuple[str, Sequence[Sequence[float]]]]
    kind = "space"

    @property
    def data(self) -> str:
        """What the page's script draws."""
        return json.dumps({"axes": self.axes, "lines": self.lines}, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class Reading:
    """A value on a `Gauge`, what it is of, and how it is written; its interval where it has one."""

    label: str
    value: float
    text: str
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Gauge:
    """A small figure: values from `lowest` to `highest`, each on a line of its own; a stroke at `mark`.

    `ends` are written below where there are any.
    """

    lowest: float
    highest: float
    readings: Sequence[Reading]
    mark: float | None = None
    ends: Sequence[str] = ()

    @property
    def alt(self) -> str:
        """What it shows for who cannot see it."""
        return "; ".join(f"{one.label}: {one.text}" for one in self.readings)

    def place(self, value: float) -> float:
        """Say where a value lies, in hundredths of the width; what lies beyond is at the end."""
        share = (value - self.lowest) / (self.highest - self.lowest)
        return round(100 * min(max(share, 0.0), 1.0), 2)


@dataclass(frozen=True)
class Claim:
    """One sentence that a reader takes along, and its figure."""

    sentence: str
    gauge: Gauge | None = None
    kind = "claim"


@dataclass(frozen=True)
class Tile:
    """A picture of some, what it is and what is said of it, and whether that is right."""

    picture: Figure
    says: str
    right: bool


@dataclass(frozen=True)
class Tiles:
    """Pictures beside one another, and a caption below."""

    caption: str
    tiles: Sequence[Tile]
    kind = "tiles"


Block = Paragraph | Note | Points | Commands | Table | Figure | Space | Claim | Tiles


@dataclass(frozen=True)
class Section:
    """A titled part of a page; a `folded` one shows its title and claim until a reader opens it."""

    title: str
    blocks: Sequence[Block]
    claim: Claim | None = None
    folded: bool = False

    @property
    def anchor(self) -> str:
        """The section's name in the page's address."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    lead: str
    sections: Sequence[Section]


def write_page(path: Path, page: Page) -> None:
    """Render a page, whose text is escaped, and write it atomically.

    The page's own policy (CSP) lets a browser fetch nothing and run no script but ``page.js``.
    """
    template, style, script = (
        files("tmdscope.report").joinpath(f"page.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    html = environment.from_string(template).render(
        page=page,
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{digest}",
    )
    write_text(path, html)
