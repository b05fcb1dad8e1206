"""The published image archives of the two papers: their DOIs, and what the names of their pictures say."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tmdscope.materials import elements_of

PAPER_TEST = "paper_test"
"""Manifest column: true for the images that the authors held out as their test."""

TEMPERATURE = "growth_temperature_C"
"""Manifest column of the growth-temperature record: what the sample was grown at, in degrees Celsius."""

CENTRE = ("-c-", "-C-", "- c -", "- C -", "enter", "entre")
"""What the authors of the growth-temperature study looked for in the name of a scan at the centre."""

MICRON = ("1um", "1UM", "1 um", "1 UM")
"""And in the name of a scan one micrometre wide."""

DROPPED = frozenset({"11615"})
"""Samples that they left out without a word."""

TEMPERATURE_TEST = frozenset(
    "10190 10308 10361 10782 10906 11048 11280 11733 12883 13070 13377 16937 13424 13506 13933 13944 16157 "
    "14596 14615 14672 14702 14736 14746 14777 14954 16168 16181".split()
)
"""Samples that they held out, as their notebook on crops prints them."""


class LeftOut(Exception):  # noqa: N818 - not an error: the authors did the same
    """A picture that is no part of the study; the message says why, in words that many pictures share."""


class Shown(NamedTuple):
    """What is known of a picture: its class as the record has it, its sample, and further columns."""

    label: str
    sample_id: str
    columns: Mapping[str, Any]


def parse_tmd_afm(name: str, _: Mapping[str, float]) -> Shown:
    """Read the name of a picture of the TMD-AFM archive; a name made otherwise is a ValueError.

    Fields between underscores, counted from 0 as the authors' code does: field 1 is the material, field 3 the
    sample; the last one, up to its first dot, is ``test`` for held-out pictures
    (``extract_data_from_image_files`` in codes/utils.py of their repository).
    """
    fields = name.split("_")
    if len(fields) < 5:
        raise ValueError(f"{len(fields)} fields between underscores, expected at least 5")
    elements_of(fields[1])
    if not fields[3].isdecimal():
        raise ValueError(f"field 3 (counted from 0) is {fields[3]!r}, expected a sample's number")
    return Shown(fields[1], fields[3], {PAPER_TEST: fields[-1].partition(".")[0] == "test"})


def parse_growth_temperature(name: str, temperatures: Mapping[str, float]) -> Shown:
    """Read a picture's name of the growth-temperature archive; what the authors did not use is `LeftOut`.

    Fields between underscores, counted from 0 as the authors' notebooks do: field 0 is the sample's label,
    field 1 its number, which the table of activities knows (Moses & Reinhart, Mater. Charact. 209, 113701;
    repository reinhart-group/mos2-analysis). All are MoS2: the class is the temperature. `temperatures` maps
    samples to degrees Celsius, NaN where the table has none.
    """
    fields = name.split("_")
    if len(fields) < 3 or not fields[1].isdecimal():
        raise ValueError("expected LABEL_SAMPLE_..., with a sample's number in field 1 (counted from 0)")
    sample = fields[1]
    if not any(token in name for token in CENTRE) or not any(token in name for token in MICRON):
        raise LeftOut("not named as a 1 um scan at the centre")
    if sample in DROPPED:
        raise LeftOut("of a sample that the authors dropped")
    if sample not in temperatures:
        raise ValueError(f"no table of the record knows sample {sample}")
    temperature = temperatures[sample]
    if math.isnan(temperature):
        raise LeftOut("of a sample whose growth temperature is not known")
    columns = {PAPER_TEST: sample in TEMPERATURE_TEST, TEMPERATURE: temperature}
    return Shown(f"{temperature:g}C", sample, columns)


@dataclass(frozen=True)
class Record:
    """A published archive; `has_table`: classes come from a table (columns ``sampleId`` and ``T``) in it."""

    doi: str
    publication: str
    parse: Callable[[str, Mapping[str, float]], Shown]
    has_table: bool


RECORDS: Mapping[str, Record] = {
    "tmd-afm": Record(
        "10.5281/zenodo.13961220",
        "Moses & Reinhart, Transfer Learning for Multi-material Classification of Transition Metal "
        "Dichalcogenides with Atomic Force Microscopy (doi:10.1088/2632-2153/ada2da)",
        parse_tmd_afm,
        has_table=False,
    ),
    "growth-temperature": Record(
        "10.5281/zenodo.8432222",
        "Moses & Reinhart, Quantitative Analysis of MoS2 Thin Film Micrographs with Machine Learning "
        "(Mater. Charact. 209, 113701; arXiv:2310.07816)",
        parse_growth_temperature,
        has_table=True,
    ),
}
"""The published archives, by the names of `data.archive.record` in params.yaml."""
