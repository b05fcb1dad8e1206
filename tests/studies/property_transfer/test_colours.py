"""Colours of compounds: told by the gap where the gap decides them."""

import numpy as np
import pandas as pd
import pytest

from tests.studies.property_transfer.small import CURVES, SCORING, WAYS
from tmdscope.composition import reduced, same_compounds
from tmdscope.studies.property_transfer.colours import by_compound, compare
from tmdscope.studies.property_transfer.sections.colours import ColoursPart

COMPOUNDS = [
    reduced(f"{one}{count}{other}") for one in ("Na", "Ga", "Zn") for count in range(1, 7) for other in "OSF"
]


def table() -> pd.DataFrame:
    """Colours that follow from the gap, which no formula tells."""
    rng = np.random.default_rng(1)
    gap = rng.uniform(0.5, 4, len(COMPOUNDS))
    colour = np.select([gap > 3, gap > 1.8], ["White", "Dark Red"], "Black")
    groups = same_compounds(COMPOUNDS)
    return pd.DataFrame({"compound": COMPOUNDS, "gap": gap.astype(str), "colour": colour, "group": groups})


def test_rows_of_a_compound_are_one_and_rare_colours_are_counted() -> None:
    rows = table()
    more = rows.iloc[[0, 0, 1, 2]].assign(colour=["Gray", "Gray", "Blue", "White"], gap=["1", "2", "1", ""])
    found, left_out = by_compound(pd.concat([rows.iloc[3:], more]))
    first = found.set_index("compound").loc[COMPOUNDS[0]]
    assert (first["family"], first["gap"]) == ("gray or black", 1.5)
    assert left_out == 2
    assert found["compound"].is_unique
    beside = found[found["family"].isna()]
    assert beside["compound"].tolist() == [COMPOUNDS[1]]  # it has a gap, and a colour that is too rare


def test_a_gap_tells_colours_that_follow_from_it() -> None:
    pytest.importorskip("elementembeddings")
    found = compare(table(), CURVES, WAYS, SCORING)
    score = {way: one["accuracy"] for way, one in found.ways.items()}
    assert score["gap"] > 0.8 > score["composition"]
    assert score["latent_known"] > score["composition"] + 0.1
    assert found.compounds == len(COMPOUNDS)
    part = ColoursPart(found)
    assert part.metrics()["colours"]["gap_less_composition"]["ci95"][0] > 0
    assert any("gap alone less composition alone" in said and "holds" in said for said in part.sentences())
