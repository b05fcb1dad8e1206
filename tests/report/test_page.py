import re
from pathlib import Path

import pytest

from tmdscope.report.page import (
    Figure,
    Note,
    Page,
    Paragraph,
    Section,
    Table,
    plus_minus,
    with_interval,
    write_page,
)

PNG = b"\x89PNG"


@pytest.fixture
def html(tmp_path: Path) -> str:
    blocks = [
        Paragraph("a < b & c"),
        Note("Simulated."),
        Table("Caption", ["", "x"], [["row", "1.0"]]),
        Figure("Below.", 'A "quoted" alt', PNG),
    ]
    path = tmp_path / "index.html"
    write_page(path, Page("Title <1>", "Lead.", [Section("Data & split", blocks)]))
    return path.read_text(encoding="utf-8")


def test_text_is_escaped(html: str) -> None:
    assert "a &lt; b &amp; c" in html
    assert "<title>Title &lt;1&gt;</title>" in html


def test_no_block_lets_markup_through(tmp_path: Path) -> None:
    evil = """</p><script src='http://example.org'></script><img src="x" onerror="y">"""
    blocks = [Paragraph(evil), Note(evil), Table(evil, [evil], [[evil, evil]]), Figure(evil, evil, PNG)]
    write_page(tmp_path / "index.html", Page(evil, evil, [Section(evil, blocks)]))
    written = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in written
    assert len(re.findall("<img", written)) == 1
    assert "onerror=&#34;" in written


def test_nothing_is_fetched(html: str) -> None:
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)|url\(|@import|<script""", html) == []


def test_every_picture_has_words(html: str) -> None:
    images = re.findall(r"<img [^>]*>", html)
    assert len(images) == 1
    assert 'alt="A &#34;quoted&#34; alt"' in images[0]


def test_sections_can_be_linked_to(html: str) -> None:
    assert 'href="#data-split"' in html
    assert 'id="data-split"' in html


def test_numbers_are_written_with_their_uncertainty() -> None:
    assert plus_minus({"mean": 0.8481, "std": 0.0214}, percent=True) == "84.8 ± 2.1"
    assert plus_minus({"mean": 0.8481, "std": 0.0214}) == "0.848 ± 0.021"
    assert with_interval(0.813, [0.781, 0.844], percent=True) == "81.3 [78.1, 84.4]"
