"""What every descriptor is: meaning, formula, unit, source; the values lie in ``catalogue.yaml``."""

from importlib.resources import files
from typing import Literal

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

FILM = _read("film")
"""A film's flaws: of heights in nm with a pixel size, see `films`."""


def data_dictionary() -> str:
    """Write what every descriptor is, as a Markdown table."""
    rows = ["| column | family | Table 5 | formula | unit | source |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{item.name}` | {item.family} | {item.property} | {item.formula} | {item.unit} | {item.source} |"
        for item in (*PAPER, *PHYSICAL, *FILM)
    ]
    return "\n".join(rows) + "\n"
