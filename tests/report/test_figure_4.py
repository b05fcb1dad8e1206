"""The published values of Figure 4, and which of them stand beside a measured one."""

import numpy as np
import pytest
from pydantic import ValidationError

from tests.report.test_sequential import METRIC, sequence
from tmdscope.materials import MATERIALS
from tmdscope.report.page import Figure, Paragraph, Table
from tmdscope.report.sections.arms import Arms
from tmdscope.studies.tmd_materials.paper import PublishedStage, Series, read_figure_4

PUBLISHED = read_figure_4()
THREE, FOUR, FIVE = (MATERIALS[:count] for count in (3, 4, 5))


def differences(one: Series, other: Series) -> np.ndarray:
    pairs = [(stage.scores[one]["test"], stage.scores[other]["test"]) for stage in PUBLISHED.stages]
    return np.array([a[0] - b[0] for left, right in pairs for a, b in zip(left, right, strict=True)])


def test_every_stage_has_all_series_parts_and_volumes() -> None:
    assert [tuple(stage.classes) for stage in PUBLISHED.stages] == [THREE, FOUR, FIVE]
    assert [stage.volumes for stage in PUBLISHED.stages] == [[full, 64, 32, 16, 8] for full in (124, 117, 88)]
    for stage in PUBLISHED.stages:
        assert set(stage.scores) == {"imagenet", "MtC", "MtL"}
        for parts in stage.scores.values():
            assert set(parts) == {"train", "val", "test"}
            for mean, std in (pair for pairs in parts.values() for pair in pairs):
                assert 0 <= std < mean <= 1


def test_the_values_amount_to_what_is_known_of_them() -> None:
    """Means over the 15 points as the protocol's notes have them, worked out apart from this file."""
    gain = differences("MtC", "imagenet")
    assert (gain >= 0).all()
    assert gain.mean() == pytest.approx(0.034, abs=5e-4)
    assert differences("MtL", "MtC").mean() == pytest.approx(-0.011, abs=5e-4)
    gap = [
        value[0] - test[0]
        for stage in PUBLISHED.stages
        for value, test in zip(stage.scores["imagenet"]["val"], stage.scores["imagenet"]["test"], strict=True)
    ]
    assert np.mean(gap) == pytest.approx(0.087, abs=5e-4)


def test_a_value_is_found_by_arm_encoding_materials_and_volume() -> None:
    assert PUBLISHED.find("direct", "multiclass", FIVE, 16) == [0.81, 0.05]
    assert PUBLISHED.find("sequential", "multiclass", FIVE, 64) == [0.94, 0.02]
    assert PUBLISHED.find("sequential", "multilabel", FIVE, 16) == [0.92, 0.03]
    assert PUBLISHED.find("sequential", "multilabel", THREE, 8) == [0.73, 0.07]
    assert PUBLISHED.find("direct", "multiclass", FOUR, 16, "train") == [0.96, 0.01]


@pytest.mark.parametrize(("classes", "largest"), [(THREE, 124), (FOUR, 117), (FIVE, 88)])
def test_full_is_the_largest_volume(classes: tuple[str, ...], largest: int) -> None:
    full = PUBLISHED.find("sequential", "multiclass", classes, "full")
    assert full is not None
    assert full == PUBLISHED.find("sequential", "multiclass", classes, largest)


def test_what_the_paper_did_not_train_has_no_value() -> None:
    assert PUBLISHED.find("direct", "multilabel", FIVE, 16) is None
    assert PUBLISHED.find("direct-equal-budget", "multiclass", FIVE, 16) is None
    assert PUBLISHED.find("other-start", "multiclass", FIVE, "full") is None
    assert PUBLISHED.find("sequential", "multiclass", FIVE, 24) is None
    assert PUBLISHED.find("sequential", "multiclass", MATERIALS[:2], "full") is None


def test_other_materials_have_no_value() -> None:
    added_last = ["MoS2", "WSe2", "WS2"]
    assert PUBLISHED.find("sequential", "multiclass", added_last, "full") is None
    assert PUBLISHED.find("sequential", "multiclass", ["MoS2", "WS2", "MoTe2"], "full") is None
    assert PUBLISHED.find("sequential", "multiclass", ["WS2", "MoS2", "WSe2"], "full") == [0.89, 0.02]


def test_a_stage_needs_a_value_for_every_volume() -> None:
    stage = PUBLISHED.stages[0].model_dump()
    stage["scores"]["MtC"]["val"].pop()
    with pytest.raises(ValidationError, match="MtC val: 4 values, 5 volumes"):
        PublishedStage.model_validate(stage)


def test_published_values_stand_beside_the_measured_ones() -> None:
    figure, conditions, table = Arms(sequence(), METRIC, PUBLISHED).compared()
    assert isinstance(figure, Figure)
    assert isinstance(conditions, Paragraph)
    assert isinstance(table, Table)
    assert table.header[3:] == [
        "sequential",
        "direct",
        "direct, equal budget",
        "paper, sequential",
        "paper, direct",
    ]
    rows = {tuple(row[:3]): row[3:] for row in table.rows}
    assert rows["+ WSe2 (3)", "multiclass", "full"] == [
        "0.800 [0.700, 0.900]",
        "0.700 [0.600, 0.800]",
        "0.600 [0.500, 0.700]",
        "0.89 ± 0.02",
        "0.82 ± 0.06",
    ]
    assert rows["+ MoSe2 (4)", "multilabel", "16"][3:] == ["0.85 ± 0.03", "not given"]
    assert "Diamonds" in figure.caption
    for said in ("ResNet152", "fold 2", "at 6 of 6 points", "no control at equal budget"):
        assert said in conditions.text


def test_volumes_that_the_paper_lacks_are_not_given() -> None:
    table = Arms(sequence(["multiclass"], volumes=(24, "full")), METRIC, PUBLISHED).compared()[-1]
    assert isinstance(table, Table)
    assert [row[2] for row in table.rows] == ["full", "24"] * 2
    assert [row[-2:] for row in table.rows if row[2] == "24"] == [["not given"] * 2] * 2


def test_other_materials_are_shown_without_the_paper() -> None:
    figure, conditions, table = Arms(sequence(classes=("a", "b", "c")), METRIC, PUBLISHED).compared()
    assert isinstance(figure, Figure)
    assert isinstance(conditions, Paragraph)
    assert isinstance(table, Table)
    assert "Diamonds" not in figure.caption
    assert "has no value for these materials" in conditions.text
    assert table.header[-1] == "direct, equal budget"
