"""The published values, and what an experiment must be to stand beside one of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.report.study import data_params, dataset, experiment
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams, read_experiments
from tmdscope.params.images import SplitParams
from tmdscope.profiles import merge_profile
from tmdscope.report.text import printed
from tmdscope.studies.tmd_materials.paper import (
    PublishedRow,
    data_that_differ,
    read_published,
    settings_that_differ,
)

ROOT = Path(__file__).parents[2]
PUBLISHED = read_published()
ROWS = {f"{table.name} {row.label}": row for table in PUBLISHED.tables for row in table.rows}


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExperimentParams]:
    path = tmp_path_factory.mktemp("profile") / "params.yaml"
    default, paper = (ROOT / name for name in ("params.yaml", "profiles/paper.yaml"))
    path.write_text(merge_profile(default.read_text(), paper.read_text(), "paper"))
    return read_experiments(path)


def test_all_rows_of_the_three_tables_are_there() -> None:
    assert {table.name: len(table.rows) for table in PUBLISHED.tables} == {
        "Table 2": 3,
        "Table 3": 8,
        "Table 4": 2,
    }


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_profile_paper_has_exactly_one_experiment_of_a_row(
    row: PublishedRow, profile: dict[str, ExperimentParams]
) -> None:
    (name,) = row.experiments(profile)
    differences = settings_that_differ(PUBLISHED, row, profile[name])
    own = [words for words in (row.note,) if words]
    assert [words for words in differences if words not in own] == (
        [] if row.settings else ["precision auto, not fp32"]
    )


def test_every_experiment_of_profile_paper_is_a_row(profile: dict[str, ExperimentParams]) -> None:
    assert {name for row in ROWS.values() for name in row.experiments(profile)} == set(profile)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_values_are_means_with_deviations(row: PublishedRow) -> None:
    for scores, top in ((row.scores["accuracy"], 100), (row.scores["macro_f1"], 1)):
        assert set(scores) >= {"train", "val"}
        assert all(0 < mean <= top and 0 < std < mean for mean, std in scores.values())
        assert all(len(pair) == 2 for pair in scores.values())


def test_the_same_network_has_the_same_values_in_every_table() -> None:
    for one, other in (
        ("Table 2 ImageNet (all layers)", "Table 3 R18_V1"),
        ("Table 4 MtC (multiclass)", "Table 3 R152_V2"),
    ):
        for part in ("train", "val"):
            for metric in ("accuracy", "macro_f1"):
                assert ROWS[one].score(metric, part) == ROWS[other].score(metric, part) is not None


def test_confusion_matrices_agree_with_table_4() -> None:
    for matrix in PUBLISHED.confusion:
        counts = np.array(matrix.counts)
        assert counts.shape == (len(MATERIALS), len(MATERIALS))
        mean = ROWS[f"Table 4 {matrix.label}"].scores["accuracy"]["test"][0]
        assert np.trace(counts) / 104 * 100 == pytest.approx(mean, abs=0.06)
    multiclass, multilabel = (np.array(matrix.counts).sum() for matrix in PUBLISHED.confusion)
    assert multiclass == pytest.approx(104)
    assert multilabel == pytest.approx(104 - 1.6)


def test_no_setting_of_an_experiment_goes_unlooked_at() -> None:
    row = ROWS["Table 3 R18_V1"]
    free = {"seed", "train_from"}  # train_from goes with strategy `partial`, which no row has
    assert set(PUBLISHED.settings) | set(row.experiment) | free == set(ExperimentParams.model_fields)


def test_weights_target_and_network_make_the_row() -> None:
    experiments = {
        "own": experiment(),
        "v1": experiment(weights="imagenet-v1"),
        "again": experiment(weights="imagenet-v1", seed=2),
        "frozen": experiment("features", weights="imagenet-v1"),
        "atoms": experiment(weights="imagenet-v1", target="multilabel"),
        "deeper": experiment(weights="imagenet-v1", architecture="resnet34"),
        "zero": experiment("scratch"),
    }
    found = {label: row.experiments(experiments) for label, row in ROWS.items()}
    assert {label: names for label, names in found.items() if names} == {
        "Table 2 ImageNet (all layers)": ["v1", "again"],
        "Table 2 ImageNet* (features)": ["frozen"],
        "Table 2 Scratch": ["zero"],
        "Table 3 R18_V1": ["v1", "again"],
        "Table 3 R34_V1": ["deeper"],
    }


def test_every_other_setting_is_named() -> None:
    row = ROWS["Table 2 Scratch"]
    assert settings_that_differ(PUBLISHED, row, experiment("scratch", rotations=True)) == [
        "epochs 4, not 60",
        "batch size 16, not 32",
        "learning rate 0.0001, not 7.5e-05",
        "rotations yes, not no",
        "checkpoint improves-both, not paper",
        "precision auto, not fp32",
    ]


def test_what_a_row_does_not_publish_is_no_difference() -> None:
    row = ROWS["Table 2 ImageNet* (features)"]
    entry = experiment(
        "features", weights="imagenet-v1", dropout=0.3, flips=False, epochs=60, checkpoint="paper"
    )
    assert settings_that_differ(PUBLISHED, row, entry) == [row.note]
    assert settings_that_differ(PUBLISHED, row, entry.model_copy(update={"flips": True})) == [
        "flips yes, not no",
        row.note,
    ]


def test_other_images_are_named() -> None:
    split = SplitParams(test_folds=4, folds=2)
    assert list(data_that_differ(PUBLISHED.data, data_params(), split, dataset())) == [
        "simulated images",
        "classes MoS2, WS2",
        "8 images of 4 samples, not 1026 of 626",
        "16 px, not 224",
        "test is fold 0 of 4, not the authors' own",
        "2 folds, not 5",
    ]
    folder = data_that_differ(PUBLISHED.data, data_params("folder"), split, dataset())
    assert next(folder) == "images of a folder"
    other = data_params("archive", archive={"record": "growth-temperature", "files": "*"})
    assert next(data_that_differ(PUBLISHED.data, other, split, dataset())) == (
        "images of the archive growth-temperature"
    )


def test_the_papers_own_images_do_not_differ() -> None:
    manifest = dataset().manifest
    whole = manifest.loc[np.arange(1026) % 8].reset_index(drop=True)
    whole = whole.assign(sample_id=[f"s{k % 626}" for k in range(1026)], duplicate_of=None)
    images = replace(
        dataset(),
        images=np.zeros((1026, 224, 224), np.uint8),
        manifest=whole.assign(image_id=[f"i{k}" for k in range(1026)]),
    )
    data = data_params("archive", archive={"record": "tmd-afm", "files": "*"}, classes=list(MATERIALS))
    split = SplitParams(test="paper", test_folds=10, folds=5)
    assert list(data_that_differ(PUBLISHED.data, data, split, images)) == []


def test_values_are_printed_as_published() -> None:
    assert printed([91.0, 5.2], 1) == "91.0 ± 5.2"
    assert printed([0.9, 0.02], 2) == "0.90 ± 0.02"
    assert printed(None, 1) == "not given"
