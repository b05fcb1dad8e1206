"""The report opens from disk, whole, with nothing fetched; its tables sort; dark, print and phone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import Page as Tab

from tmdscope.report.figures.embeddings import Plane, component_planes
from tmdscope.report.figures.images import image_grid
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
    write_page,
)

pytestmark = pytest.mark.browser

RUN = "http://127.0.0.1:5000/#/experiments/1/runs/" + 32 * "f"
SCORES = Table(
    "Scores",
    ["Experiment", "accuracy", "F1", "images", "times", "run", ""],
    [
        ["fold-10", "84.8 ± 2.1", "0.795 [0.764, 0.824]", "1 234", "2.0 ×", Link("b", RUN), "x"],
        ["fold-2", "9.5 ± 0.3", "not given", "999", "10.0 ×", "a", "x"],
        ["Fold-1", "-", "+0.100 [0.000, 0.200]", "12 of 3", "0.5 ×", "c", "x"],
        ["fold-3", "9.5 ± 0.1", "-0.200 [-0.300, 0.100]", "1,000,000", "", "d", "x"],
    ],
)
AS_WRITTEN = [str(row[0]) for row in SCORES.rows]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.normal(size=(20, 2)), columns=["PC1", "PC2"])
    scores["label"] = ["MoS2", "WS2"] * 10
    grid = {name: list(rng.integers(0, 255, (3, 16, 16), dtype=np.uint8)) for name in ("MoS2", "WS2")}
    cells = [f"{k}.000 ± 0.000" for k in range(12)]
    wide = Table("A wide table", [f"column {k}" for k in range(12)], [cells])
    words = Table("Words", ["", "found"], [["-".join(["finetune"] * 6), 30 * "word "]], words_last=True)
    blocks = [
        Note("Simulated <data> & more."),
        Points([f"Data set SHA-256 {64 * 'a'}."]),
        Paragraph(f"{200 * 'a'}"),
        wide,
        words,
        Commands([f"git checkout {120 * 'a'}"]),
        Figure(
            "Scatter.", "Scatter of PC1 and PC2.", component_planes([Plane("Plane", scores)], ["MoS2", "WS2"])
        ),
        Figure("Grid.", "Grid of images.", image_grid(grid)),
        Space(
            Figure("Paths.", "Paths in space.", image_grid(grid)),
            ("x", "y", "frame"),
            [("#0072b2", [[0.1, 0.2, 0.0], [0.9, 0.4, 1.0]])],
        ),
    ]
    path = tmp_path_factory.mktemp("report") / "index.html"
    sections = [Section("Data", blocks), Section("More", [SCORES])]
    write_page(path, Page("A report", "Its lead.", sections))
    return path


class Opened:
    """The page in one tab, and what it asked for."""

    def __init__(self, tab: Tab, report: Path) -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.errors: list[str] = []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.goto(report.as_uri())

    @property
    def table(self) -> Locator:
        return self.tab.locator("#more table")

    def head(self, name: str) -> Locator:
        return self.table.get_by_role("columnheader", name=name)

    def order(self) -> list[str]:
        return self.table.locator("tbody th").all_inner_texts()

    def shows_colour(self, part: str, of: str, colour: str) -> None:
        """Wait for a colour: the page hears of a changed medium a moment after the call returns."""
        expect(self.tab.locator(part).first).to_have_css(of, colour)


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    tab = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="light")
    tab.set_default_timeout(20_000)
    yield Opened(tab, report)
    tab.close()


def test_opens_from_disk_without_requests(opened: Opened, report: Path) -> None:
    assert [url for url in opened.requests if not url.startswith("data:")] == [report.as_uri()]
    assert opened.errors == []
    images = opened.tab.locator("img").evaluate_all(
        "all => all.map(i => [i.alt.length > 0, i.naturalWidth > 0])"
    )
    assert images == [[True, True]] * 3
    assert opened.tab.get_by_role("note").inner_text() == "Simulated <data> & more."


def test_paths_in_space_are_turned_by_hand_and_by_keys_and_lie_still_on_paper(opened: Opened) -> None:
    canvas = opened.tab.get_by_role("img", name="Paths in space.: drag it")
    drawn = "canvas => canvas.toDataURL()"
    first = canvas.evaluate(drawn)
    canvas.press("ArrowRight")
    second = canvas.evaluate(drawn)
    canvas.drag_to(canvas, source_position={"x": 50, "y": 50}, target_position={"x": 120, "y": 90})
    assert len({first, second, canvas.evaluate(drawn)}) == 3
    opened.tab.emulate_media(media="print")
    expect(canvas).to_be_hidden()
    expect(opened.tab.locator(".space img")).to_be_visible()
    opened.tab.emulate_media(media="screen")


def test_the_policy_of_the_page_stops_a_request(opened: Opened) -> None:
    with opened.tab.expect_console_message() as said:
        opened.tab.evaluate("new Image().src = 'http://127.0.0.1:9/x.png'")
    assert "violates the following Content Security Policy" in said.value.text


@pytest.mark.parametrize("width", [360, 390, 1200])
def test_the_page_never_scrolls_sideways(opened: Opened, width: int) -> None:
    opened.tab.set_viewport_size({"width": width, "height": 800})
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= width
    wide = opened.tab.get_by_role("region", name="A wide table")
    scrolls = wide.evaluate("e => [e.scrollWidth > e.clientWidth, e.scrollLeft = 200, e.scrollLeft]")
    if width < 400:
        assert scrolls == [True, 200, 200]
        first = wide.locator("tbody th").bounding_box()
        assert first is not None
        assert 0 <= first["x"] < 40  # the row's name stays in sight
    opened.tab.set_viewport_size({"width": 1200, "height": 800})


def test_sections_are_reached_from_the_top(opened: Opened) -> None:
    opened.tab.get_by_role("link", name="More").click()
    assert opened.tab.evaluate("location.hash") == "#more"
    assert opened.tab.locator("#more h2").is_visible()


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        ("Experiment", ["Fold-1", "fold-2", "fold-3", "fold-10"], ["fold-10", "fold-3", "fold-2", "Fold-1"]),
        ("accuracy", ["fold-10", "fold-2", "fold-3", "Fold-1"], ["fold-2", "fold-3", "fold-10", "Fold-1"]),
        ("F1", ["fold-10", "Fold-1", "fold-3", "fold-2"], ["fold-3", "Fold-1", "fold-10", "fold-2"]),
        ("images", ["fold-3", "fold-10", "fold-2", "Fold-1"], ["Fold-1", "fold-2", "fold-10", "fold-3"]),
        ("times", ["fold-2", "fold-10", "Fold-1", "fold-3"], ["Fold-1", "fold-10", "fold-2", "fold-3"]),
        ("run", ["fold-2", "fold-10", "Fold-1", "fold-3"], ["fold-3", "Fold-1", "fold-10", "fold-2"]),
    ],
)
def test_a_click_sorts_a_second_reverses_and_a_third_restores(
    opened: Opened, name: str, first: list[str], then: list[str]
) -> None:
    head = opened.head(name)
    words = name in ("Experiment", "run")
    for order, said in (
        (first, "ascending" if words else "descending"),
        (then, "descending" if words else "ascending"),
        (AS_WRITTEN, None),
    ):
        head.get_by_role("button").click()
        assert opened.order() == order
        assert head.get_attribute("aria-sort") == said


def test_the_keyboard_sorts_and_one_column_at_a_time(opened: Opened) -> None:
    opened.head("accuracy").get_by_role("button").focus()
    opened.tab.keyboard.press("Enter")
    assert opened.head("accuracy").get_attribute("aria-sort") == "descending"
    opened.tab.keyboard.press("Tab")
    opened.tab.keyboard.press("Space")
    assert opened.head("F1").get_attribute("aria-sort") == "descending"
    assert opened.table.locator("[aria-sort]").count() == 1
    for _ in range(2):
        opened.tab.keyboard.press("Space")
    assert opened.order() == AS_WRITTEN


def test_only_columns_with_a_name_and_rows_to_order_sort(opened: Opened) -> None:
    assert opened.table.get_by_role("button").count() == 6
    assert opened.tab.get_by_role("region", name="A wide table").get_by_role("button").count() == 0


def test_dark_by_system_by_choice_and_never_on_paper(opened: Opened) -> None:
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 27)"
    switch = opened.tab.get_by_role("button", name="colours")

    def shows(colour: str, offered: str) -> None:
        opened.shows_colour("body", "background-color", colour)
        expect(switch).to_have_text(offered)

    shows(light, "Dark colours")
    opened.tab.emulate_media(color_scheme="dark")
    shows(dark, "Light colours")
    opened.shows_colour("figure img", "background-color", light)  # figures are drawn in dark ink
    switch.click()
    shows(light, "Dark colours")
    switch.click()
    opened.tab.emulate_media(color_scheme="light")
    shows(dark, "Light colours")
    opened.tab.emulate_media(media="print", color_scheme="dark")
    opened.shows_colour("body", "background-color", light)
    opened.shows_colour("h1", "color", "rgb(27, 31, 36)")
    opened.tab.emulate_media(media="screen", color_scheme="light")
    switch.click()


def test_paper_has_whole_tables_and_the_addresses_of_runs(opened: Opened) -> None:
    opened.tab.set_viewport_size({"width": 718, "height": 1000})  # A4 less 10 mm margins, at 96 to the inch
    opened.tab.emulate_media(media="print")
    expect(opened.tab.locator("nav")).not_to_be_visible()
    expect(opened.tab.get_by_role("button", name="colours")).not_to_be_visible()
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= 718
    shown = opened.tab.locator("a[href^=http]").evaluate("e => getComputedStyle(e, '::after').content")
    assert RUN in shown
    opened.tab.emulate_media(media="screen")
    opened.tab.set_viewport_size({"width": 1200, "height": 800})


@pytest.fixture
def claims(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """A report of two folded sections."""
    gauge = Gauge(0, 1, [Reading("model", 0.71, "71 (50 to 86)", (0.5, 0.86))])
    said = Claim("The model is right on 71 of 100 unseen images.", gauge)
    path = tmp_path / "index.html"
    sections = [
        Section("In short", [said]),
        Section("Data", [Paragraph("Counted.")], said, folded=True),
        Section("Scores", [SCORES], folded=True),
    ]
    write_page(path, Page("A report", "Its lead.", sections))
    tab = browser.new_page(viewport={"width": 400, "height": 800})
    tab.set_default_timeout(20_000)
    yield Opened(tab, path)
    tab.close()


def test_a_claim_opens_by_mouse_keyboard_and_address(claims: Opened) -> None:
    tab = claims.tab
    data, scores = tab.get_by_text("Counted."), tab.get_by_role("table")
    expect(data).not_to_be_visible()
    tab.locator("summary").first.click()
    expect(data).to_be_visible()
    tab.locator("summary").first.focus()
    tab.keyboard.press("Enter")
    expect(data).not_to_be_visible()
    tab.evaluate("location.hash = '#scores'")
    expect(scores).to_be_visible()
    expect(data).not_to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    assert claims.errors == []


def test_all_open_at_once_and_shut_again(claims: Opened) -> None:
    tab = claims.tab
    tab.get_by_role("button", name="Open all").click()
    expect(tab.locator("details[open]")).to_have_count(2)
    tab.get_by_role("button", name="Close all").click()
    expect(tab.locator("details[open]")).to_have_count(0)


def test_paper_has_what_is_folded_and_the_screen_is_as_before(claims: Opened) -> None:
    tab = claims.tab
    tab.locator("summary").nth(1).click()
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(tab.get_by_text("Counted.")).to_be_visible()
    expect(tab.locator("details[open]")).to_have_count(2)
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(tab.locator("details[open]")).to_have_count(1)
    expect(tab.get_by_role("table")).to_be_visible()


def test_without_script_the_page_is_whole(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(report.as_uri())
    assert tab.locator("#more tbody th").all_inner_texts() == AS_WRITTEN
    assert tab.locator("button").count() == 0
    context.close()
