"""A written page, read back as a browser does."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Shown:
    """A table as the page shows it."""

    caption: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def cell(self, row: str, column: str) -> str:
        """The one cell of a row and a column."""
        (cells,) = (cells for cells in self.rows if cells[0] == row)
        return cells[self.header.index(column)]


class Written(HTMLParser):
    """What a test asks a page for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tables: list[Shown] = []
        self.ids: list[str] = []
        self.levels: list[int] = []
        self.alts: list[str | None] = []
        self.addresses: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self._text: list[str] = []
        self._caption = ""
        self._tag = ""
        self.feed(html)

    @classmethod
    def read(cls, path: Path) -> "Written":
        return cls(path.read_text(encoding="utf-8"))

    def table(self, start: str) -> Shown:
        """The one table whose caption begins so."""
        (found,) = (table for table in self.tables if table.caption.startswith(start))
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self._tag = tag
        self.ids += [known["id"]] if known.get("id") else []
        self.levels += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.alts += [known.get("alt")] if tag == "img" else []
        self.addresses += [(tag, known[name] or "") for name in ("src", "href") if name in known]
        if known.get("role") == "region":
            self._caption = known["aria-label"] or ""
        if tag == "table":
            self.tables.append(Shown(self._caption))
        if tag == "tr" and self.tables[-1].header:
            self.tables[-1].rows.append([])
        if tag in ("td", "th", "script"):
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        text = "".join(self._text)
        if tag in ("td", "th"):
            rows = self.tables[-1].rows
            (rows[-1] if rows else self.tables[-1].header).append(text)
        if tag == "script":
            self.scripts.append(text)

    def handle_data(self, data: str) -> None:
        self._text.append(data)


def assert_sound(page: Written) -> None:
    """The page fetches nothing, runs its own script only, and is in order for who cannot see it."""
    fetched = [(tag, address) for tag, address in page.addresses if tag != "a"]
    assert [address for _, address in fetched if not address.startswith("data:")] == []
    links = [address for tag, address in page.addresses if tag == "a"]
    assert [address for address in links if not re.match("#|https?://", address)] == []
    assert {address[1:] for address in links if address.startswith("#")} <= set(page.ids)
    assert re.findall(r"url\(|@import|<script [^>]|<iframe|<object|<embed| on[a-z]+=", page.html) == []
    assert len(page.scripts) == 1
    assert all(alt and alt.strip() for alt in page.alts)
    assert len(page.ids) == len(set(page.ids))
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    assert all(len(cells) == len(table.header) for table in page.tables for cells in table.rows)
