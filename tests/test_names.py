"""Names of people: refused with a better one, or turned into keys, cells and Markdown that hold together."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from tmdscope.names import DOTTED, PLAIN, cell, key_of, markdown, name_problem, text_problem


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("my experiment", "my-experiment"),
        ("resnet18/lr 1e-3", "resnet18-lr-1e-3"),
        ("x;touch${IFS}PWNED;", "x-touch-IFS-PWNED"),
        ("../up", "up"),
        ("a.b", "a-b"),
        ("石墨烯", "a-name"),
    ],
)
def test_a_refused_name_comes_with_one_that_is_not(name: str, better: str) -> None:
    assert f"call it {better!r}" in str(name_problem(name))
    assert name_problem(better) is None


@given(st.text())
def test_every_proposed_name_can_be_used(name: str) -> None:
    for pattern in (PLAIN, DOTTED):
        if problem := name_problem(name, pattern):
            better = re.search(r"call it '([^']*)'$", problem)
            assert better is not None
            assert name_problem(better.group(1), pattern) is None


@pytest.mark.parametrize("name", [1, None, True])
def test_what_yaml_takes_for_no_text_is_refused(name: object) -> None:
    assert "in quotes" in str(name_problem(name))


@pytest.mark.parametrize("name", ["Fe(II) 100%", "a-MoO3; thick/rough", "Größe μ", "<b>", "../x", "石墨烯"])
def test_a_class_may_have_any_name_that_can_be_seen(name: str) -> None:
    assert text_problem(name) is None
    key = key_of(name)
    _validate_metric_name(f"train_recall.{key}")
    assert "/" not in key
    assert not key.startswith(".")


@pytest.mark.parametrize("name", ["", " a", "a\nb", "=SUM(A1)", "+1", "-1", "@x", "a" * 101])
def test_a_class_that_breaks_a_table_is_refused(name: str) -> None:
    assert text_problem(name) is not None


@pytest.mark.parametrize("name", ["MoS2", "Mo-WSe2", "test_macro_f1", "Mo0.5W0.5S2", "a_b"])
def test_a_name_of_letters_and_digits_is_its_own_key(name: str) -> None:
    assert key_of(name) == name


@given(st.sets(st.text(min_size=1), min_size=2))
def test_no_two_names_share_a_key(names: set[str]) -> None:
    keys = {key_of(name) for name in names}
    assert len(keys | {key_of(key) for key in keys}) >= len(names)
    assert len(keys) == len(names)


def test_a_name_that_looks_like_the_key_of_another_has_its_own() -> None:
    assert key_of(key_of("Fe(II) 100%")) != key_of("Fe(II) 100%")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+a", "-a.png", "@x", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_a_cell_is_one_line() -> None:
    assert cell("a\r=1\nb") == r"a\r=1\nb"


@pytest.mark.parametrize("text", ["-0.5", "+1e3", "a=b", "", "scan-1.png"])
def test_numbers_and_other_text_stay(text: str) -> None:
    assert cell(text) == text
    assert next(csv.reader(io.StringIO(cell(text) + ",x")))[0] == text


def test_markdown_shows_what_was_written() -> None:
    assert markdown("<b>a</b> | *b* [c](d) `e`") == r"\<b\>a\</b\> \| \*b\* \[c\](d) \`e\`"
    assert markdown("Fe(II) 100%") == "Fe(II) 100%"
