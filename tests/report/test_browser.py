"""The report opens from disk, whole, with nothing fetched."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser

from tmdscope.report.figures.embeddings import Plane, component_planes
from tmdscope.report.figures.images import image_grid
from tmdscope.report.page import Figure, Note, Page, Paragraph, Section, Table, write_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.normal(size=(20, 2)), columns=["PC1", "PC2"])
    scores["material"] = ["MoS2", "WS2"] * 10
    grid = {name: list(rng.integers(0, 255, (3, 16, 16), dtype=np.uint8)) for name in ("MoS2", "WS2")}
    wide = Table(
        "A wide table", [f"column {k}" for k in range(12)], [[f"{k}.000 ± 0.000" for k in range(12)]]
    )
    blocks = [
        Note("Simulated <data> & more."),
        Paragraph(f"Data set SHA-256 {64 * 'a'}."),
        wide,
        Figure(
            "Scatter.", "Scatter of PC1 and PC2.", component_planes([Plane("Plane", scores)], ["MoS2", "WS2"])
        ),
        Figure("Grid.", "Grid of images.", image_grid(grid)),
    ]
    path = tmp_path_factory.mktemp("report") / "index.html"
    write_page(path, Page("A report", "Its lead.", [Section("Data", blocks), Section("More", [wide])]))
    return path


@pytest.mark.parametrize("width", [390, 1200])
def test_opens_from_disk_without_requests(browser: Browser, report: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(report.as_uri())
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert errors == []
    images = page.locator("img").evaluate_all("all => all.map(i => [i.alt.length > 0, i.naturalWidth > 0])")
    assert images == [[True, True]] * 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()


def test_sections_are_reached_from_the_top(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 800, "height": 300})
    page.goto(report.as_uri())
    page.get_by_role("link", name="More").click()
    assert page.evaluate("location.hash") == "#more"
    assert page.locator("#more h2").is_visible()
    assert page.get_by_role("note").inner_text() == "Simulated <data> & more."
    page.close()
