"""The images on which two models disagree: which are drawn, and what is said where none is."""

import io

import pytest
from PIL import Image

from tests.lifecycle.tables import IMAGES, dataset, table, truth, wrong_on
from tmdscope.lifecycle import contact_sheet
from tmdscope.lifecycle.comparison import compare_predictions
from tmdscope.lifecycle.contact_sheet import find_images, make_sheet
from tmdscope.report.text import percent
from tmdscope.scores.task import CLASSES


def disagreements(*images: int):
    return compare_predictions(table(truth()), table(wrong_on(*images)), CLASSES, 20, 1).disagreements


def test_the_images_are_drawn_with_words() -> None:
    sheet = make_sheet(disagreements(0, 5, 6), dataset(), "")
    assert sheet.png is not None
    assert min(Image.open(io.BytesIO(sheet.png)).size) > 200
    assert sheet.caption.startswith("3 of the 3 images on which A and B disagree.")
    assert "3 grey images" in sheet.alt
    assert "A is right on 3, B on 0" in sheet.alt


def test_a_sheet_grows_with_its_images() -> None:
    heights = [
        Image.open(io.BytesIO(make_sheet(disagreements(*range(count)), dataset(), "").png or b"")).size[1]
        for count in (4, 5)
    ]
    assert heights[1] > 1.5 * heights[0]


def test_more_images_than_fit_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "LARGEST", 2)
    sheet = make_sheet(disagreements(*range(IMAGES)), dataset(), "")
    assert sheet.caption.startswith(
        "2 of the 12 images on which A and B disagree; those of which both are surest"
    )


def test_images_of_other_content_are_not_drawn() -> None:
    changed = dataset({0: "another"})
    found = disagreements(0, 5)
    assert find_images(found, changed).tolist() == [-1, 5]
    assert "1 are not in the data set at hand" in make_sheet(found, changed, "").caption
    none = make_sheet(disagreements(0), changed, "")
    assert (none.png, none.alt) == (None, "")
    assert "holds none of the 1 images" in none.caption


def test_without_disagreement_there_is_no_sheet() -> None:
    sheet = make_sheet(disagreements(), dataset(), "")
    assert sheet.png is None
    assert "agree on every image" in sheet.caption


def test_without_a_data_set_it_says_why() -> None:
    sheet = make_sheet(disagreements(1), None, "data/prepared holds no prepared data set")
    assert sheet.png is None
    assert sheet.caption == "No contact sheet of the 1 images: data/prepared holds no prepared data set."


@pytest.mark.parametrize(("share", "told"), [(0.976, "98 %"), (1.0, "100 %"), (0.0, "0 %")])
def test_probabilities_are_written_in_percent(share: float, told: str) -> None:
    assert f"{percent(share, 0)} %" == told
