"""The audit passes what `make_split` makes and names every way to break it."""

from dataclasses import replace

import pandas as pd
import pytest

from tmdscope.dataset.audit import audit_split, count_parts
from tmdscope.dataset.splits import Fold, Split, make_split


def table() -> pd.DataFrame:
    """24 images of 12 samples, two classes."""
    return pd.DataFrame(
        {
            "image_id": [f"i{n}" for n in range(24)],
            "sample_id": [f"s{n // 2}" for n in range(24)],
            "label": ["MoS2" if n < 16 else "WS2" for n in range(24)],
            "image_sha256": [f"{n:064x}" for n in range(24)],
        }
    )


def split_of(manifest: pd.DataFrame) -> Split:
    columns = (manifest[name].tolist() for name in ("label", "sample_id", "image_id"))
    return make_split(*columns, test_folds=4, folds=3)


def test_a_sound_split_is_counted_and_passed() -> None:
    audit, counts = audit_split(table(), split_of(table())), count_parts(table(), split_of(table()))
    assert audit.problems == audit.warnings == []
    assert list(counts.columns[:3]) == ["test", "fold0_train", "fold0_val"]
    assert list(counts.index) == ["MoS2", "WS2"]
    assert counts.loc["MoS2", ["test", "fold0_train", "fold0_val"]].sum() == 16
    assert counts[["test", "fold2_train", "fold2_val"]].to_numpy().sum() == 24


def test_a_sample_on_both_sides_is_named() -> None:
    manifest, split = table(), split_of(table())
    manifest.loc[manifest["image_id"].isin([split.test[0], split.folds[1].val[0]]), "sample_id"] = "torn"
    problems = audit_split(manifest, split).problems
    assert "sample 'torn' is in both test and fold1_val" in problems
    assert "sample 'torn' is in both test and fold0_train" in problems


def test_a_duplicate_on_both_sides_is_named() -> None:
    manifest, split = table(), split_of(table())
    pair = [split.folds[0].train[0], split.folds[0].val[0]]
    manifest.loc[manifest["image_id"].isin(pair), "image_sha256"] = "d" * 64
    problems = audit_split(manifest, split).problems
    assert f"duplicated image {'d' * 64!r} is in both fold0_train and fold0_val" in problems


def test_a_duplicate_within_a_part_is_no_problem() -> None:
    manifest, split = table(), split_of(table())
    manifest.loc[manifest["image_id"].isin(split.test[:2]), "image_sha256"] = "d" * 64
    assert audit_split(manifest, split).problems == []


@pytest.mark.parametrize("change", ["lost", "twice", "stray", "val twice"])
def test_a_misplaced_image_is_found(change: str) -> None:
    split = split_of(table())
    first, _, *rest = split.folds
    broken = {
        "lost": replace(split, test=split.test[1:]),
        "twice": replace(split, test=(*split.test, split.test[0])),
        "stray": replace(split, test=(*split.test, "gone")),
        "val twice": replace(split, folds=(first, Fold(first.train, first.val), *rest)),
    }[change]
    problems = audit_split(table(), broken).problems
    assert any("exactly once" in problem for problem in problems)
    assert ("'gone' is in the split but not in the data set" in problems) == (change == "stray")


def test_a_class_that_only_the_test_lacks_is_a_warning() -> None:
    manifest = table()
    manifest.loc[0, "label"] = "WSe2"
    manifest.loc[:1, "sample_id"] = ["lone", "s0"]
    split = split_of(manifest)
    audit = audit_split(manifest, split)
    lone = next(name for name, ids in split.parts.items() if "i0" in ids)
    assert lone == "test" or lone.endswith(("train", "val"))
    assert max(len(audit.warnings), len(audit.problems)) <= 1
    assert all("no image of WSe2 in " in line for line in audit.warnings + audit.problems)
    assert all("_train" in problem for problem in audit.problems)


def test_a_training_part_without_a_class_is_a_problem() -> None:
    manifest, split = table(), split_of(table())
    manifest.loc[manifest["image_id"].isin(split.test), "label"] = "MoSe2"
    problems = audit_split(manifest, split).problems
    assert problems == [
        "no image of MoSe2 in fold0_train, fold1_train, fold2_train; add samples of it, or drop the class"
    ]


def test_an_empty_part_is_a_problem() -> None:
    split = split_of(table())
    merged = Split(test=split.test, folds=(Fold(split.folds[0].train + split.folds[0].val, ()),))
    assert "no image at all in fold0_val; lower the number of folds" in audit_split(table(), merged).problems


def test_one_image_under_two_materials_is_a_warning() -> None:
    manifest, split = table(), split_of(table())
    pair = [next(i for i in split.test if int(i[1:]) < 16), next(i for i in split.test if int(i[1:]) >= 16)]
    manifest.loc[manifest["image_id"].isin(pair), "image_sha256"] = "d" * 64
    audit = audit_split(manifest, split)
    assert audit.problems == []
    assert audit.warnings == [f"image {pair[0]!r} occurs as MoS2 and WS2"]
