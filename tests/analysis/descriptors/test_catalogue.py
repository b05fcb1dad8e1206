from pathlib import Path

import pytest

from tmdscope.analysis.descriptors.catalogue import FILM, PAPER, PHYSICAL, data_dictionary
from tmdscope.scan.simulate import FLAW_TRUTH, SURFACE_TRUTH, TRUTH

PAGE = Path(__file__).parents[3] / "docs" / "descriptors.md"


def test_names_are_unique_and_the_paper_has_fourteen() -> None:
    names = [item.name for item in (*PAPER, *PHYSICAL, *FILM)]
    assert len(PAPER) == 14
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("item", [*PHYSICAL, *FILM], ids=lambda item: item.name)
def test_every_quantity_has_a_truth_in_the_simulator_and_its_unit_in_the_name(item) -> None:
    assert item.truth in TRUTH | SURFACE_TRUTH | FLAW_TRUTH
    assert {"nm": "_nm", "1/um^2": "_per_um2", "1/um": "_per_um", "1": ""}[item.unit] in item.name


def test_the_data_dictionary_of_the_docs_is_the_codes() -> None:
    assert data_dictionary() in PAGE.read_text(encoding="utf-8"), (
        "write tmdscope.analysis.descriptors.catalogue.data_dictionary() into docs/descriptors.md"
    )
