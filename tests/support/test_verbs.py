"""What a verb leads to is seen through its study's declaration."""

import pytest

from tests.support.verbs import reach_of
from tmdscope.studies import find_study


@pytest.mark.parametrize(
    ("study", "verb", "sections", "far"),
    [
        ("tmd_materials", "prepare", {"compute", "prepare"}, "tmdscope.dataset.tiff"),
        (
            "tmd_materials",
            "crossval",
            {"data", "experiments.*", "prepare", "scoring", "tracking"},
            "tmdscope.learn.fit",
        ),
        ("published_features", "split", {"split"}, "tmdscope.dataset.safe_pickle"),
        (
            "published_features",
            "audit",
            {"audit", "classifiers", "scoring", "tracking"},
            "tmdscope.models.mlp",
        ),
    ],
)
def test_sections_and_modules_of_a_verb(study: str, verb: str, sections: set[str], far: str) -> None:
    found = reach_of(find_study(study), verb)
    assert found.sections == sections
    assert far in found.modules
    assert "tmdscope.report.page" not in found.modules


def test_hidden_rooms_are_not_entered() -> None:
    found = reach_of(find_study("tmd_materials"), "crossval", frozenset({"learn"}))
    assert not [name for name in found.modules if name.startswith("tmdscope.learn")]
