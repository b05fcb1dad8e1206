"""Formulae, elements and atom vectors of the five materials, and of a user's own classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.materials import (
    ATOMS,
    MATERIALS,
    PUBLISHED_IMAGES,
    atom_vector,
    atoms_of,
    elements_of,
    nearest,
    parse_material,
)


def test_class_order_and_atom_vectors_are_the_papers() -> None:
    assert {material: atom_vector(material, ATOMS) for material in MATERIALS} == {
        "MoS2": (1, 0, 1, 0),
        "WS2": (0, 1, 1, 0),
        "WSe2": (0, 1, 0, 1),
        "MoSe2": (1, 0, 0, 1),
        "Mo-WSe2": (1, 1, 0, 1),
    }
    assert MATERIALS == ("MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2") == tuple(PUBLISHED_IMAGES)
    assert sum(PUBLISHED_IMAGES.values()) == 1026


def test_elements_come_metals_first() -> None:
    assert elements_of("Mo-WSe2") == ("Mo", "W", "Se")


@pytest.mark.parametrize(
    ("name", "material"),
    [
        ("MoS2", "MoS2"),
        ("MoS₂", "MoS2"),
        (" ws2 ", "WS2"),
        ("mo–wse₂", "Mo-WSe2"),
        ("Mo_WSe2", "Mo-WSe2"),
        ("MoWSe2", "Mo-WSe2"),
    ],
)
def test_a_material_is_recognised(name: str, material: str) -> None:
    assert parse_material(name) == material


@given(st.sampled_from(MATERIALS), st.randoms(use_true_random=False))
def test_case_does_not_matter(name: str, random: st.DataObject) -> None:
    spelled = "".join(letter.upper() if random.random() < 0.5 else letter.lower() for letter in name)
    assert parse_material(spelled) == name


@pytest.mark.parametrize(("name", "hint"), [("MoS", "'MoS2'"), ("graphene", "known: MoS2")])
def test_an_unknown_material_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"unknown material {name!r}.*{hint}"):
        parse_material(name)


def test_nearest_gives_two_at_most() -> None:
    assert nearest("mose", ["MoSe2", "MoS2", "x"]) == "did you mean 'MoSe2' or 'MoS2'?"
    assert nearest("zzz", ["a", "b"]) == "known: a, b"


@pytest.mark.parametrize(
    ("formula", "elements"),
    [
        ("NbSe2", ("Nb", "Se")),
        ("Mo0.5W0.5S2", ("Mo", "W", "S")),
        ("In₂Se₃", ("In", "Se")),
        ("SeWSe", ("Se", "W")),
    ],
)
def test_elements_of_any_formula(formula: str, elements: tuple[str, ...]) -> None:
    assert elements_of(formula) == elements


@pytest.mark.parametrize("text", ["", "steel", "Xx2", "mos2", "MoS2 on Si", "2", "-"])
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a chemical formula"):
        elements_of(text)


def test_an_atom_vector_follows_its_columns() -> None:
    assert atom_vector("NbSe2", ["Se", "Mo", "Nb"]) == (1, 0, 1)


def test_atoms_that_occur_come_in_the_papers_order_then_others() -> None:
    assert atoms_of(["WSe2", "MoS2"]) == ATOMS
    assert atoms_of(["TaSe2", "WSe2", "NbSe2"]) == ("W", "Se", "Ta", "Nb")


def test_classes_of_the_same_atoms_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="'MoS2' and 'MoS3' hold the same atoms"):
        atoms_of(["MoS2", "WS2", "MoS3"])
