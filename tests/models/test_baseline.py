import numpy as np

from tmdscope.dataset.splits import FoldParts
from tmdscope.models.tabular import sample_id_baseline

SAMPLE = np.arange(80) // 2
"""Two images of each of forty samples."""

CAMPAIGNS = (SAMPLE >= 20).astype(np.int64)
"""The first twenty samples are of one class, those grown later of the other."""


def folds() -> list[FoldParts]:
    rows, group = np.arange(80), SAMPLE % 5
    return [
        FoldParts(rows[(group != k) & (group != 4)], rows[group == k], rows[group == 4]) for k in range(2)
    ]


def test_classes_grown_one_after_the_other_are_read_off_the_number() -> None:
    ids = np.array([f"S{100 + number:04d}" for number in SAMPLE])
    scores = sample_id_baseline(ids, CAMPAIGNS, folds())
    assert scores is not None
    assert scores["val_accuracy"]["mean"] > 0.9
    assert scores["test_accuracy"]["mean"] > 0.9


def test_it_is_at_chance_where_numbers_say_nothing() -> None:
    ids = np.array([f"S{number:04d}" for number in np.random.default_rng(3).permutation(40)])[SAMPLE]
    scores = sample_id_baseline(ids, CAMPAIGNS, folds())
    assert scores is not None
    assert 0.2 < scores["test_accuracy"]["mean"] < 0.8


def test_there_is_none_for_ids_without_digits() -> None:
    assert sample_id_baseline(np.array(["wafer"] * 80), CAMPAIGNS, folds()) is None


def test_there_is_none_when_one_id_lacks_a_number() -> None:
    ids = np.array([f"S{number:04d}" for number in SAMPLE], dtype=object)
    ids[0] = "reference"
    assert sample_id_baseline(ids, CAMPAIGNS, folds()) is None
