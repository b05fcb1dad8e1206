"""Names of the published pictures, read as the authors' code reads them."""

import math
from typing import get_args

import pytest

from tmdscope.dataset.records import (
    PAPER_TEST,
    RECORDS,
    TEMPERATURE,
    LeftOut,
    parse_growth_temperature,
    parse_tmd_afm,
)
from tmdscope.params.images import ArchiveParams

TEMPERATURES = {"14729": 1000.0, "10190": 950.0, "11615": 900.0, "12000": math.nan, "12001": 912.5}


def test_params_know_every_record() -> None:
    assert get_args(ArchiveParams.model_fields["record"].annotation) == tuple(RECORDS)
    assert {record.doi for record in RECORDS.values()} == {
        "10.5281/zenodo.13961220",
        "10.5281/zenodo.8432222",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("image0_MoS2_center_13164_test.tif", ("MoS2", "13164", True)),
        ("image0_Mo-WSe2_x_0171_train.tif", ("Mo-WSe2", "0171", False)),
        ("image0_WS2_x_7408_more_fields_test.ome.tif", ("WS2", "7408", True)),
        ("test_WS2_x_7408_latest.tif", ("WS2", "7408", False)),
    ],
)
def test_names_of_the_tmd_archive(name: str, expected: tuple[str, str, bool]) -> None:
    shown = parse_tmd_afm(name, {})
    assert (shown.label, shown.sample_id, shown.columns) == (*expected[:2], {PAPER_TEST: expected[2]})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MoS2.tif", "1 fields between underscores, expected at least 5"),
        ("image0_MoS2_x_13164.tif", "4 fields"),
        ("MoS2_image0_x_13164_test.tif", "'image0' is not a chemical formula"),
        ("image0_MoS2_13164_x_test.tif", "field 3 .* is 'x', expected a sample's number"),
    ],
)
def test_other_names_are_no_names_of_the_tmd_archive(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_tmd_afm(name, {})


@pytest.mark.parametrize(
    ("name", "label", "sample", "held_out", "temperature"),
    [
        ("MCV1-a_14729_AFM-center_1um.tif", "1000C", "14729", False, 1000.0),
        ("MCV1-a_10190_AFM - C - 1 UM.tif", "950C", "10190", True, 950.0),
        ("MCV1-a_12001_centre_1um_2.tif", "912.5C", "12001", False, 912.5),
    ],
)
def test_names_of_the_growth_temperature_archive(
    name: str, label: str, sample: str, held_out: bool, temperature: float
) -> None:
    shown = parse_growth_temperature(name, TEMPERATURES)
    assert shown == (label, sample, {PAPER_TEST: held_out, TEMPERATURE: temperature})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a_14729_edge_1um.tif", "1 um scan at the centre"),
        ("a_14729_center_5um.tif", "1 um scan at the centre"),
        ("a_11615_center_1um.tif", "authors dropped"),
        ("a_12000_center_1um.tif", "temperature is not known"),
    ],
)
def test_pictures_that_the_authors_did_not_use_are_left_out(name: str, message: str) -> None:
    with pytest.raises(LeftOut, match=message):
        parse_growth_temperature(name, TEMPERATURES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a_14729.tif", "expected LABEL_SAMPLE"),
        ("a_x_center_1um.tif", "expected LABEL_SAMPLE"),
        ("a_99_center_1um.tif", "no table of the record knows sample 99"),
    ],
)
def test_other_names_are_no_names_of_the_growth_temperature_archive(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_growth_temperature(name, TEMPERATURES)
