import base64
import hashlib
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from tests.report.reading import Written, assert_sound
from tmdscope.report.page import (
    Claim,
    Commands,
    Figure,
    Gauge,
    Link,
    Note,
    Page,
    Paragraph,
    Points,
    Reading,
    Section,
    Space,
    Table,
    Tile,
    Tiles,
    write_page,
)
from tmdscope.report.text import averaged, plus_minus, with_interval
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.task import ACCURACY

PNG = b"\x89PNG"
STYLE = files("tmdscope.report").joinpath("page.css").read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path: Path) -> Written:
    blocks = [
        Paragraph("a < b & c"),
        Note("Simulated."),
        Points(["One.", "1 < 2."]),
        Commands(["git checkout abc", "make repro > log"]),
        Table("Caption", ["", "x"], [["row", "1.0"], ["run", Link("abc", "http://127.0.0.1:5000/#/a?b&c")]]),
        Figure("Below.", 'A "quoted" alt', PNG),
    ]
    path = tmp_path / "index.html"
    write_page(path, Page("Title <1>", "Lead.", [Section("Data & split", blocks)]))
    return Written.read(path)


def folded() -> Section:
    reading = Reading("model", 0.71, "71 (50 to 86)", (0.5, 0.86))
    said = Claim("The model is right on 71 of 100.", Gauge(0, 1, [reading], 0.46, ["0 %", "100 %"]))
    return Section("Scores", [Points(["In full."])], said, folded=True)


def test_a_folded_section_shows_its_claim_and_figure_and_holds_the_rest(tmp_path: Path) -> None:
    tiles = Tiles("Not picked.", [Tile(Figure("WS2", "Grey image of WS2", PNG), "says MoS2, 54 %", False)])
    first = Section("In short", [Claim("One sentence."), tiles])
    write_page(tmp_path / "index.html", Page("Title", "Lead.", [first, folded()]))
    page = Written.read(tmp_path / "index.html")
    assert_sound(page)
    summary, _, rest = page.html.partition("<summary")[2].partition("</summary>")
    assert "The model is right on 71 of 100." in summary
    assert 'aria-label="model: 71 (50 to 86)"' in summary
    assert "left: 50.0%; right: 14.0%" in summary
    assert "In full." in rest
    assert "<nav" not in page.html
    assert page.alts == ["Grey image of WS2"]
    assert "✗ says MoS2, 54 %" in page.html


def test_a_value_beyond_a_scale_lies_at_its_end() -> None:
    gauge = Gauge(-1.0, 1.0, [Reading("r", 0.5, "0.5")])
    assert [gauge.place(value) for value in (-2, -1, 0, 0.5, 7)] == [0, 0, 50, 75, 100]


def test_text_is_escaped(page: Written) -> None:
    assert "a &lt; b &amp; c" in page.html
    assert "<title>Title &lt;1&gt;</title>" in page.html
    assert "<li>1 &lt; 2.</li>" in page.html
    assert "<code>git checkout abc\nmake repro &gt; log</code>" in page.html


def test_no_block_lets_markup_through(tmp_path: Path) -> None:
    evil = """</p><script src='http://example.org'></script><img src="x" onerror="y">"""
    link = Link(evil, f"https://x/{evil}")
    blocks = [
        *(Paragraph(evil), Note(evil), Points([evil]), Commands([evil])),
        *(Table(evil, [evil], [[evil, evil], [link]]), Figure(evil, evil, PNG)),
        *(Claim(evil, Gauge(0, 1, [Reading(evil, 0.5, evil)], ends=[evil])), Tiles(evil, [])),
        Space(Figure(evil, evil, PNG), (evil, evil, evil), [(evil, [[0.0, 0.0, 0.0]])]),
    ]
    shut = Section(evil, [], Claim(evil, Gauge(0, 1, [Reading(evil, 0.5, evil)])), folded=True)
    write_page(tmp_path / "index.html", Page(evil, evil, [Section(evil, blocks), replace(shut, title="x")]))
    written = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(re.findall("<script", written)) == 1
    assert len(re.findall("<img", written)) == 2
    assert "onerror=&#34;" in written


def test_the_page_is_sound(page: Written) -> None:
    assert_sound(page)
    assert page.alts == ['A "quoted" alt']
    assert page.tables[0].rows == [["row", "1.0"], ["run", "abc"]]
    assert ("a", "http://127.0.0.1:5000/#/a?b&c") in page.addresses


@pytest.mark.parametrize("address", ["javascript:alert(1)", "file:///etc", "//x", "HTTP", "data:,"])
def test_a_link_leads_to_the_web_or_nowhere(address: str) -> None:
    with pytest.raises(ValueError, match="not an address on the web"):
        Link("run", address)


def test_the_policy_names_the_one_script(page: Written) -> None:
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in (
        page.html
    )


def test_sections_can_be_linked_to(page: Written) -> None:
    assert ("a", "#data-split") in page.addresses
    assert page.ids == ["data-split"]


def schemes() -> dict[str, dict[str, str]]:
    """Colours by scheme: light, dark by choice and dark by the system."""
    found = [
        dict(re.findall(r"--(\w+): (#\w{6})", rule)) for rule in re.findall(r":root[^{]*\{([^}]*)", STYLE)
    ]
    return dict(zip(("light", "chosen dark", "dark"), found, strict=True))


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent"])
@pytest.mark.parametrize("ground", ["paper", "soft", "note"])
def test_text_stands_out(scheme: str, text: str, ground: str) -> None:
    colours = schemes()[scheme]
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_dark_is_the_same_by_choice_and_by_system() -> None:
    found = schemes()
    assert found["dark"] == found["chosen dark"]
    assert set(found["dark"]) == set(found["light"])


def test_numbers_are_written_with_their_uncertainty() -> None:
    assert averaged(ACCURACY, MeanStd(0.8481, 0.0214)) == "84.8 ± 2.1"
    assert plus_minus(0.8481, 0.0214) == "0.848 ± 0.021"
    assert with_interval(0.813, [0.781, 0.844], percent=True) == "81.3 [78.1, 84.4]"
