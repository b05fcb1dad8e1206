"""The repository's params.yaml is valid; every wrong key or value is named with its path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from tmdscope.params import (
    DataParams,
    DescribeParams,
    ExperimentParams,
    FeaturesParams,
    LatentParams,
    Params,
    ParamsError,
    PrepareParams,
    PretrainParams,
    ReportParams,
    ScoringParams,
    SplitParams,
    Strategy,
    TrackingParams,
    parse_section,
    read_experiments,
    read_params,
    read_section,
    require_formulae,
)

ROOT = Path(__file__).parents[1]
SECTIONS: dict[str, type[Params]] = {
    "data": DataParams,
    "prepare": PrepareParams,
    "pretrain": PretrainParams,
    "split": SplitParams,
    "features": FeaturesParams,
    "tracking": TrackingParams,
    "describe": DescribeParams,
    "latent": LatentParams,
    "scoring": ScoringParams,
    "report": ReportParams,
}


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Write the repository's params.yaml with one dotted key set, or removed by None."""

    def edit(key: str, value: Any) -> Path:
        content = read_params(ROOT / "params.yaml")
        *parents, last = key.split(".")
        section = content
        for parent in parents:
            section = section[parent]
        if value is None:
            del section[last]
        else:
            section[last] = value
        path = tmp_path / "params.yaml"
        YAML(typ="safe").dump(content, path)
        return path

    return edit


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_of_the_repository_is_valid(name: str) -> None:
    assert isinstance(read_section(name, SECTIONS[name], ROOT / "params.yaml"), SECTIONS[name])


def test_no_section_of_the_repository_is_unread() -> None:
    assert set(read_params(ROOT / "params.yaml")) == {*SECTIONS, "experiments"}


def test_experiments_keep_their_order_and_parse() -> None:
    experiments = read_experiments(ROOT / "params.yaml")
    assert list(experiments) == list(read_params(ROOT / "params.yaml")["experiments"])
    assert experiments["finetune-multiclass"].strategy is Strategy.FINETUNE


def test_a_dotted_name_goes_deeper() -> None:
    name = "experiments.scratch-multiclass"
    assert read_section(name, ExperimentParams, ROOT / "params.yaml").weights == "none"


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("split", "split.fold", 5, r"unknown key 'split\.fold'; did you mean 'folds'"),
        ("data", "data.simulated.image", 5, r"unknown key 'data\.simulated\.image'; did you mean 'images'"),
        ("split", "split.folds", None, r"missing key 'split\.folds'"),
        ("split", "split.folds", 1, r"split\.folds: .*greater than or equal to 2 \(got 1\)"),
        ("split", "split.folds", "5", r"split\.folds: .*valid integer \(got '5'\)"),
        ("split", "split.folds", 5.0, r"split\.folds: .*valid integer"),
        ("split", "split", None, r"no section 'split'"),
        ("data", "data.source", "archives", r"data\.source: .*'simulated', 'folder' or 'archive'"),
        ("data", "data.archive.record", "afm", r"data\.archive\.record: .*'tmd-afm' or 'growth-temperature'"),
        ("split", "split.test", "papers", r"split\.test: .*'folds' or 'paper'"),
        ("data", "data.classes", ["MoS2", "WS2", "MoS2"], r"classes named twice: MoS2"),
        ("data", "data.classes", ["MoS2"], r"data\.classes: .*at least 2"),
        ("data", "data.classes", ["MoS2", "graphene"], r"simulator does not know 'graphene'; known: MoS2"),
        ("data", "data.simulated.samples", 301, r"300 images cannot come from 301 samples"),
        ("prepare", "prepare.percentiles", [99.5, 0.5], r"percentiles 99\.5, 0\.5 must rise"),
        ("prepare", "prepare.percentiles", [1.0], r"prepare\.percentiles: .*at least 2"),
        ("prepare", "prepare.size_px", 8, r"prepare\.size_px: .*16 \(got 8\)"),
        ("tracking", "tracking.model", "O'Neil", r"tracking\.model: .*match pattern"),
        ("pretrain", "pretrain.seed", -1, r"pretrain\.seed: .*0 \(got -1\)"),
    ],
)
def test_a_wrong_setting_is_named(
    edited: Callable[[str, Any], Path], section: str, key: str, value: Any, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        read_section(section, SECTIONS[section], edited(key, value))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("experiments", {}, "no section 'experiments' with at least one"),
        ("experiments.scratch-multiclass.weights", "simulated", "'scratch' goes with weights 'none'"),
        ("experiments.finetune-multiclass.weights", "none", "'scratch' goes with weights 'none'"),
        ("experiments.finetune-multiclass.weights", "imagenet", r"finetune-multiclass\.weights"),
        ("experiments.finetune-multiclass.strategy", "partial", "'partial' names the first layer"),
        ("experiments.finetune-multiclass.train_from", "layer4", "only 'partial' does"),
        ("experiments.finetune-multiclass.learning_rat", 1.0, "did you mean 'learning_rate'"),
    ],
)
def test_a_wrong_experiment_is_named(
    edited: Callable[[str, Any], Path], key: str, value: Any, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        read_experiments(edited(key, value))


def test_every_problem_is_listed() -> None:
    with pytest.raises(ParamsError, match=r"here: .*split\.test_folds.*; .*split\.fold.*"):
        parse_section("split", {"test_folds": 1, "folds": 5, "fold": 5}, SplitParams, "here")


def test_settings_are_frozen() -> None:
    settings = read_section("split", SplitParams, ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        settings.folds = 3  # type: ignore[misc]


def test_a_users_classes_may_have_any_name() -> None:
    content = read_params(ROOT / "params.yaml")["data"] | {"source": "folder", "classes": ["brass", "steel"]}
    assert parse_section("data", content, DataParams, "here").classes == ["brass", "steel"]


def test_source_archive_needs_its_section() -> None:
    content = read_params(ROOT / "params.yaml")["data"] | {"source": "archive"}
    assert parse_section("data", content, DataParams, "here").archive is not None
    del content["archive"]
    with pytest.raises(ParamsError, match=r"source 'archive' needs data\.archive"):
        parse_section("data", content, DataParams, "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "does not exist"), ("a: [", "is not YAML"), ("- 1\n", "must hold sections, it holds a list")],
    ids=["missing", "not YAML", "a list"],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ParamsError, match=rf"params\.yaml.*{message}"):
        read_params(path)


def test_multilabel_needs_formulae_that_differ() -> None:
    assert require_formulae(["MoS2", "WSe2"]) == ("Mo", "W", "S", "Se")
    with pytest.raises(ParamsError, match="set the experiment's target to 'multiclass'"):
        require_formulae(["steel", "brass"])
