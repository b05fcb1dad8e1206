"""Names that a person reads as one compare as one; others do not."""

import pytest

from tmdscope.alike import find_alike, plain_name, tell_alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("S 1", "s 1"),
        ("S 1", "S  1"),
        ("S 1", "S\u00a01"),
        ("S 1", "S\u2003 1 "),
        ("gr\u00e9", "gre\u0301"),
        ("MoS2", "MoS\u2082"),
        ("w-12", "w\u201112"),
        ("w-12", "w\u201312"),
        ("w-12", "w\u221212"),
        ("12\u00b5m", "12\u03bcm"),
        ("S1", "S\u200b1"),
        ("S1", "\ufeffS1"),
        ("S1", "\uff331"),
        ("Stra\u00dfe", "STRASSE"),
        ("Ann's", "Ann\u2019s"),
    ],
    ids=ascii,
)
def test_what_reads_alike_is_alike(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)
    assert find_alike([one, other, one, "else"]) == [(one, other)]


@pytest.mark.parametrize(("one", "other"), [("007", "7"), ("S1", "S 1"), ("a", "\u00e4"), ("w-12", "w_12")])
def test_what_reads_otherwise_is_not(one: str, other: str) -> None:
    assert find_alike([one, other]) == []


def test_what_cannot_be_seen_is_spelt_out() -> None:
    assert r"'S 1' and 'S\xa01' look alike" in tell_alike("samples", ["S 1", "S\u00a01"])
