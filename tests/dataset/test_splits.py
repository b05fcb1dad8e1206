"""Groups never cross, every image has its place, and the published split comes out exactly."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tmdscope.dataset import splits
from tmdscope.dataset.label import take_label
from tmdscope.dataset.splits import Fold, FoldParts, Split, group_samples, make_split, outer_folds, split_rest
from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.materials import MATERIALS
from tmdscope.record import write_record


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """Materials, sample ids and image ids: every class has at least eight samples of one to three images."""
    labels, samples = [], []
    for material in ("MoS2", "WS2", "WSe2")[: draw(st.integers(1, 3))]:
        for number in range(draw(st.integers(8, 15))):
            images = draw(st.integers(1, 3))
            labels += [material] * images
            samples += [f"{material}-{number}"] * images
    order = draw(st.permutations(range(len(labels))))
    return (
        [labels[n] for n in order],
        [samples[n] for n in order],
        [f"image {n}" for n in range(len(labels))],
    )


@settings(max_examples=50)
@given(tables(), st.integers(2, 4), st.integers(2, 4))
def test_every_image_has_one_place_and_no_sample_two(
    table: tuple[list[str], list[str], list[str]], test_folds: int, folds: int
) -> None:
    labels, samples, images = table
    rest, _ = outer_folds(labels, samples, test_folds)[0]
    assume(len({samples[row] for row in rest}) >= folds)  # fewer are refused, as another test has it
    split = make_split(labels, samples, images, test_folds, folds)
    sample_of = dict(zip(images, samples, strict=True))
    assert sorted([*split.test, *[i for fold in split.folds for i in fold.val]]) == sorted(images)
    for fold in split.folds:
        assert sorted([*split.test, *fold.train, *fold.val]) == sorted(images)
        parts = [{sample_of[i] for i in part} for part in (split.test, fold.train, fold.val)]
        assert sum(map(len, parts)) == len(set(samples))


@settings(max_examples=50)
@given(tables(), st.integers(2, 4))
def test_outer_folds_test_every_image_once(table: tuple[list[str], list[str], list[str]], folds: int) -> None:
    labels, samples, _ = table
    pairs = outer_folds(labels, samples, folds)
    assert sorted(row for _, test in pairs for row in test) == list(range(len(labels)))
    for train, test in pairs:
        assert not {samples[row] for row in train} & {samples[row] for row in test}
        assert sorted([*train, *test]) == list(range(len(labels)))


@settings(max_examples=20)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(
    table: tuple[list[str], list[str], list[str]], random: Any
) -> None:
    rows = list(zip(*table, strict=True))
    shuffled = random.sample(rows, len(rows))
    split, other = (make_split(*zip(*each, strict=True), 3, 2) for each in (rows, shuffled))
    assert set(split.test) == set(other.test)
    assert {frozenset(fold.val) for fold in split.folds} == {frozenset(fold.val) for fold in other.folds}


@settings(max_examples=30)
@given(tables(), st.integers(2, 4), st.data())
def test_a_given_test_is_kept_and_the_rest_is_folded(
    table: tuple[list[str], list[str], list[str]], folds: int, data: st.DataObject
) -> None:
    labels, samples, images = table
    chosen = data.draw(st.sets(st.sampled_from(sorted(set(samples))), max_size=4))
    held_out = np.isin(samples, list(chosen))
    split = split_rest(labels, samples, images, held_out, folds)
    assert split.test == tuple(image for image, out in zip(images, held_out, strict=True) if out)
    rest = set(images) - set(split.test)
    assert {image for fold in split.folds for image in fold.val} == rest
    assert all({*fold.train, *fold.val} == rest for fold in split.folds)


def test_the_rest_of_the_first_outer_fold_is_folded_as_ever() -> None:
    labels, samples = ["MoS2", "WS2"] * 20, [f"s{n // 2}" for n in range(40)]
    images = [f"i{n}" for n in range(40)]
    split = make_split(labels, samples, images, 4, 3)
    assert split_rest(labels, samples, images, np.isin(images, split.test), 3) == split


def test_text_and_number_ids_give_different_groups_so_numbers_are_refused() -> None:
    labels = ["MoS2", "WS2"] * 10
    with pytest.raises(UserError, match="sample_id 0 is a int; sample ids are text"):
        make_split(labels, list(range(20)), [str(n) for n in range(20)], 4, 2)  # type: ignore[arg-type]


def test_equal_numbers_in_different_spelling_are_different_samples() -> None:
    assert len(outer_folds(["MoS2"] * 3, ["7", "07", "007"], 3)) == 3


@pytest.mark.parametrize(
    ("samples", "message"),
    [(3, "3 samples cannot fill 4 folds"), (4, "3 samples cannot fill 5 folds")],
    ids=["test", "folds"],
)
def test_too_few_samples_are_counted(samples: int, message: str) -> None:
    ids = [f"s{n}" for n in range(samples)]
    with pytest.raises(UserError, match=message):
        make_split(["MoS2"] * samples, ids, ids, 4, 5)


@given(st.lists(st.integers(0, 3), min_size=1), st.data())
def test_a_fold_among_some_rows_holds_the_same_images(parts: list[int], data: st.DataObject) -> None:
    """Part 3 is none of the fold's."""
    drawn = data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)))
    part, rows = np.array(parts), np.flatnonzero(drawn)
    found = FoldParts(*(np.flatnonzero(part == number) for number in range(3))).among(rows)
    for number, own in enumerate((found.train, found.val, found.test)):
        assert rows[own].tolist() == [row for row in rows if part[row] == number]


def test_split_round_trip(tmp_path: Path) -> None:
    split = Split(test=("a",), folds=(Fold(train=("b", "c"), val=("d",)), Fold(train=("d",), val=("b", "c"))))
    split.write(tmp_path / "split.json", "a" * 64)
    assert Split.read(tmp_path / "split.json") == split
    with pytest.raises(UserError, match=r"split\.json is of other data"):
        Split.read(tmp_path / "split.json", "b" * 64)
    assert list(split.parts) == ["test", "fold0_train", "fold0_val", "fold1_train", "fold1_val"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"test": []}, "must hold 'test' and a list 'folds'"),
        ({"test": [], "folds": []}, "every entry of 'folds'"),
        ({"test": [], "folds": [{"train": []}]}, "every entry of 'folds'"),
        ({"test": [1], "folds": [{"train": [], "val": []}]}, "a list of image ids .* as test"),
        ({"test": [], "folds": [{"train": [], "val": "ab"}]}, r"a list of .* as folds\[0\].val"),
    ],
)
def test_a_broken_split_file_is_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    write_record(tmp_path / "split.json", content, {})
    with pytest.raises(UserError, match=message):
        Split.read(tmp_path / "split.json")


def test_an_image_that_the_data_set_does_not_hold_is_named() -> None:
    split = Split(("a",), (Fold(("b",), ("c",)),))
    (parts,) = split.rows(["c", "b", "a"])
    assert [part.tolist() for part in (parts.train, parts.val, parts.test)] == [[1], [0], [2]]
    with pytest.raises(UserError, match="no image 'c'"):
        split.rows(["b", "a"])


def test_a_missing_split_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"split\.json does not exist; .*dvc repro --force split"):
        Split.read(tmp_path / "data" / "split.json")


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz123456")), min_size=1))
def test_groups_hold_samples_that_share_images_and_no_others(rows: list[tuple[str, str]]) -> None:
    samples, hashes = zip(*rows, strict=True)
    groups = group_samples(samples, hashes)
    for left, a in zip(rows, groups, strict=True):
        for right, b in zip(rows, groups, strict=True):
            assert a == b or (left[0] != right[0] and left[1] != right[1])
    reachable = {sample: {sample} for sample in samples}
    for _ in rows:
        for sample, known in reachable.items():
            seen = {image for other, image in rows if other in known}
            reachable[sample] = known | {other for other, image in rows if image in seen}
    assert groups == [min(reachable[sample]) for sample in samples]


def test_duplicates_within_a_sample_merge_nothing() -> None:
    assert group_samples(["7", "7", "07", "10"], ["x", "x", "y", "z"]) == ["7", "7", "07", "10"]


@pytest.mark.realdata
def test_the_published_split(published_dir: Path) -> None:
    path = published_dir / "features_resnet18_imagenet.parquet"
    table = take_label(path, pd.read_parquet(path))
    hashes = [sha256_array(features) for features in table.filter(like="f").to_numpy()]
    assert group_samples(table["sample_id"].tolist(), hashes) == table["sample_id"].tolist()
    assert 1026 - len(set(hashes)) == 121
    images = [str(n) for n in range(len(table))]
    split = make_split(table["label"].tolist(), table["sample_id"].tolist(), images, 10, 5)
    counts = Counter(table["label"].iloc[[int(image) for image in split.test]])
    assert [counts[material] for material in MATERIALS] == [47, 18, 13, 12, 14]
    first = Counter(table["label"].iloc[[int(image) for image in split.folds[0].train]])
    assert [first[material] for material in MATERIALS] == [343, 131, 99, 93, 71]


@given(
    samples=st.lists(st.integers(0, 12), min_size=12, max_size=80),
    classes=st.integers(1, 4),
    folds=st.integers(2, 5),
)
def test_many_samples_are_cut_as_few_are(samples: list[int], classes: int, folds: int) -> None:
    assume(len(set(samples)) >= folds)
    labels = [sample * sample % 7 % classes for sample in samples]
    names = [f"S{sample}" for sample in samples]
    few = outer_folds(labels, names, folds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "_MANY_SAMPLES", 1)
        many = outer_folds(labels, names, folds)
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
