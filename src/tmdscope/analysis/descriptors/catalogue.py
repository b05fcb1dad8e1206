"""What every descriptor is: meaning, formula, unit, source; the values lie in ``catalogue.yaml``."""

from importlib.resources import files
from typing import Literal

import pandas as pd
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML

Family = Literal["paper", "physical", "film"]


@dataclass(frozen=True)
class Descriptor:
    """One quantity, for a property of the paper's Table 5 (none: -); unit ``1`` is for pure numbers.

    Family ``paper`` is of the 8-bit image, as the paper's code has it, ``physical`` of the heights in nm,
    ``film`` of a film's flaws, from heights too.
    `truth` is the simulator's column that it measures; empty where there is none.
    """

    name: str
    family: Family
    property: str
    formula: str
    unit: str
    source: str
    truth: str = ""


def _read(family: Family) -> tuple[Descriptor, ...]:
    text = files("tmdscope.analysis.descriptors").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    content = YAML(typ="safe").load(text)
    rows = [{**row, "family": family, "source": content["sources"][row["source"]]} for row in content[family]]
    return TypeAdapter(tuple[Descriptor, ...]).validate_python(rows)


PAPER = _read("paper")
"""The fourteen descriptors of Table 5, in its order: of 8-bit images."""

PHYSICAL = _read("physical")
"""Their counterparts as quantities of the surface: of heights in nm with a pixel size."""


def bounds_of(name: str) -> tuple[str, str]:
    """Name the columns of the interval that holds a descriptor's true value: lower and upper bound."""
    return f"{name}_low", f"{name}_high"


BOUNDS = tuple(bound for item in PHYSICAL for bound in bounds_of(item.name))
"""Columns of the physical descriptors' intervals, lower and upper bound in turn, see `intervals`."""

FILM = _read("film")
"""A film's flaws: of heights in nm with a pixel size, see `films`."""


def without_bounds(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out `BOUNDS`."""
    return table.drop(columns=list(BOUNDS), errors="ignore")


def data_dictionary() -> str:
    """Write what every descriptor is, as a Markdown table."""
    rows = ["| column | family | Table 5 | formula | unit | source |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{item.name}` | {item.family} | {item.property} | {item.formula} | {item.unit} | {item.source} |"
        for item in (*PAPER, *PHYSICAL, *FILM)
    ]
    rows += [
        f"| `{low}`, `{high}` | interval | - | 90 % interval of the true `{item.name}` | {item.unit} | ours |"
        for item in PHYSICAL
        for low, high in (bounds_of(item.name),)
    ]
    return "\n".join(rows) + "\n"
