"""Every kind of dimension parses; what a search cannot vary, or cannot mean, is named with its path."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tmdscope.errors import UserError
from tmdscope.params.experiments import read_experiments
from tmdscope.params.reading import ParamsError, read_params
from tmdscope.params.search import (
    BEST_PARAMS,
    SEARCHED,
    Categorical,
    LogUniform,
    Searched,
    Uniform,
    Whole,
    experiment_of,
    read_all_experiments,
    read_best_params,
    read_search,
    read_searches,
    tuned_name,
)

ROOT = Path(__file__).parents[2]
NAME = "features-multiclass"
HERE = f"searches.{NAME}"
Edit = Callable[[str, Any], Path]


def with_space(folder: Path, space: dict[str, Any]) -> Path:
    """Write the repository's params.yaml with another space; JSON, which is YAML, keeps the order."""
    content = read_params(ROOT / "params.yaml")
    content["searches"][NAME]["space"] = space
    path = folder / "params.yaml"
    path.write_text(json.dumps(content))
    return path


def test_searches_parse_in_their_order() -> None:
    searches = read_searches(ROOT / "params.yaml")
    assert list(searches) == list(read_params(ROOT / "params.yaml")["searches"])
    search, experiment = read_search(NAME, ROOT / "params.yaml")
    assert search == searches[NAME]
    assert experiment == read_experiments(ROOT / "params.yaml")[NAME]


def test_every_kind_parses(tmp_path: Path) -> None:
    space = {
        "optimiser": {"kind": "categorical", "choices": ["adam", "adamw"]},
        "dropout": {"kind": "uniform", "low": 0, "high": 0.5},
        "learning_rate": {"kind": "log-uniform", "low": 1e-4, "high": 0.1},
        "early_stopping": {"kind": "int", "low": 0, "high": 5},
        "weight_decay": {"kind": "uniform", "low": 0.0, "high": 0.1, "when": {"optimiser": ["adamw"]}},
        "flips": {"kind": "categorical", "choices": [True, False], "when": {"early_stopping": [1, 2]}},
        "label_smoothing": {"kind": "uniform", "low": 0.0, "high": 0.1, "when": {"schedule": ["constant"]}},
    }
    search, _ = read_search(NAME, with_space(tmp_path, space))
    assert list(search.space) == list(space)
    assert [type(dimension) for dimension in search.space.values()] == [
        Categorical, Uniform, LogUniform, Whole, Uniform, Categorical, Uniform,
    ]  # fmt: skip
    assert search.space["flips"].ends == [True, False]
    assert search.space["early_stopping"].ends == [0, 5]
    assert search.space["weight_decay"].when == {"optimiser": ["adamw"]}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dropout", {"kind": "uniform", "low": 0.5, "high": 0.5}, r"low 0\.5 must be below high 0\.5"),
        ("dropout", {"kind": "uniform", "low": 0.5, "high": 0.1}, r"low 0\.5 must be below high 0\.1"),
        ("epochs", {"kind": "int", "low": 9, "high": 3}, "low 9 must be below high 3"),
        ("epochs", {"kind": "int", "low": 1.5, "high": 3}, r"low: .*integer.*\(got 1\.5\)"),
        ("dropout", {"kind": "uniform", "low": float("nan"), "high": 0.5}, "finite number"),
        ("dropout", {"kind": "uniform", "low": 0.1, "high": float("inf")}, r"\(got inf\)"),
        ("learning_rate", {"kind": "log-uniform", "low": 0, "high": 0.1}, r"low: .*greater than 0 \(got 0\)"),
        ("learning_rate", {"kind": "log-uniform", "low": -1e-3, "high": 0.1}, "low: .*greater than 0"),
        ("dropout", {"kind": "normal", "low": 0, "high": 1}, "'uniform', 'log-uniform', 'int'"),
        ("dropout", {"low": 0, "high": 1}, "'kind'"),
        ("dropout", {"kind": "uniform", "low": 0}, r"uniform\.high"),
        ("dropout", {"kind": "uniform", "low": 0, "high": 0.5, "step": 0.1}, r"uniform\.step"),
        ("batch_size", {"kind": "categorical", "choices": [8, 16, 8]}, r"\[8, 16, 8\] hold one twice"),
        ("batch_size", {"kind": "categorical", "choices": []}, "choices: .*at least 1"),
        ("batch_size", {"kind": "categorical", "choices": [8, [9]]}, "choices"),
    ],
)  # fmt: skip
def test_a_wrong_dimension_is_named_with_its_path(edited: Edit, key: str, value: Any, message: str) -> None:
    path = edited(f"{HERE}.space.{key}", value)
    with pytest.raises(ParamsError, match=rf"params\.yaml: .*{HERE}\.space\.{key}\.?.*{message}"):
        read_search(NAME, path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_size", {"kind": "int", "low": 1, "high": 8}, r"greater than or equal to 2 \(got 1\)"),
        ("batch_size", {"kind": "categorical", "choices": [8, 1]}, r"greater than or equal to 2 \(got 1\)"),
        ("dropout", {"kind": "uniform", "low": 0.0, "high": 1.0}, r"less than 1 \(got 1\.0\)"),
        ("learning_rate", {"kind": "uniform", "low": 0.0, "high": 0.1}, r"greater than 0 \(got 0\.0\)"),
        ("learning_rate", {"kind": "log-uniform", "low": 0.1, "high": 2.0}, r"or equal to 1 \(got 2"),
        ("epochs", {"kind": "uniform", "low": 9.5, "high": 11.0}, r"integer.* \(got 9\.5\)"),
        ("flips", {"kind": "int", "low": 0, "high": 1}, r"boolean \(got 0\)"),
        ("optimiser", {"kind": "categorical", "choices": ["adam", "sgd"]}, r"'adamw' \(got 'sgd'\)"),
    ],
)  # fmt: skip
def test_a_value_that_the_experiment_cannot_have_is_named(
    edited: Edit, key: str, value: Any, message: str
) -> None:
    path = edited(f"{HERE}.space.{key}", value)
    with pytest.raises(ParamsError, match=rf"params\.yaml: {HERE}\.space\.{key}: .*{message}"):
        read_search(NAME, path)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("learning_rat", r"'learning_rat' cannot be varied; did you mean 'learning_rate'\?"),
        ("batchsize", r"'batchsize' cannot be varied; did you mean 'batch_size'"),
        ("seed", "'seed' cannot be varied"),
        ("target", "'target' cannot be varied"),
        ("precision", "'precision' cannot be varied"),
    ],
)
def test_a_setting_that_is_not_there_or_must_stay_is_named(edited: Edit, key: str, message: str) -> None:
    path = edited(f"{HERE}.space.{key}", {"kind": "int", "low": 1, "high": 2})
    with pytest.raises(ParamsError, match=rf"{HERE}\.space: {message}"):
        read_search(NAME, path)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"optimizer": ["adamw"]}, r"'optimizer' is neither .*; did you mean 'optimiser'\?"),
        ({"dropout": [0.5], "zeal": [1]}, "'zeal' is neither set nor varied before 'weight_decay'"),
        ({"weight_decay": [0.5]}, "'weight_decay' is neither set nor varied before 'weight_decay'"),
        ({"epochs": [4]}, "'epochs' is neither set nor varied before 'weight_decay'"),
        ({"batch_size": [16, 17]}, "'batch_size' is never 17"),
        ({"batch_size": ["16"]}, "'batch_size' is never '16'"),
    ],
)  # fmt: skip
def test_a_condition_on_what_has_no_value_by_then_is_named(
    tmp_path: Path, when: dict[str, Any], message: str
) -> None:
    space = {
        "batch_size": {"kind": "categorical", "choices": [16, 32]},
        "dropout": {"kind": "uniform", "low": 0.0, "high": 0.5},
        "weight_decay": {"kind": "uniform", "low": 0.0, "high": 0.5, "when": when},
        "epochs": {"kind": "int", "low": 1, "high": 9},
    }
    with pytest.raises(ParamsError, match=rf"{HERE}\.space\.weight_decay\.when: {message}"):
        read_search(NAME, with_space(tmp_path, space))


@pytest.mark.parametrize(
    ("strategy", "named"),
    [
        ({"kind": "categorical", "choices": ["finetune"]}, "'finetune'"),
        ({"kind": "categorical", "choices": ["features", "finetune"]}, "'features', 'finetune'"),
    ],
)
def test_only_heads_train_together(edited: Edit, strategy: dict[str, Any], named: str) -> None:
    path = edited(f"{HERE}.space.strategy", strategy)
    with pytest.raises(
        ParamsError, match=rf"{HERE}\.together: 10 trials at once .* not {named}: set it to 1"
    ):
        read_search(NAME, path)


def test_networks_train_one_after_another(edited: Edit) -> None:
    search = read_params(ROOT / "params.yaml")["searches"][NAME]
    path = edited("searches.finetune-multiclass", search)
    with pytest.raises(ParamsError, match=r"searches\.finetune-multiclass\.together: .* not 'finetune'"):
        read_searches(path)
    path = edited("searches.finetune-multiclass", {**search, "together": 1})
    assert list(read_searches(path)) == [NAME, "finetune-multiclass"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (f"{HERE}.trials", 0, rf"{HERE}\.trials: .*\(got 0\)"),
        (f"{HERE}.startup", 0, rf"{HERE}\.startup"),
        (f"{HERE}.sampler", "grid", rf"{HERE}\.sampler: .*\(got 'grid'\)"),
        (f"{HERE}.together", 0, rf"{HERE}\.together"),
        (f"{HERE}.prune_folds", 1.0, rf"{HERE}\.prune_folds: .*\(got 1\.0\)"),
        (f"{HERE}.prune_epochs", "often", rf"{HERE}\.prune_epochs"),
        (f"{HERE}.space", {}, rf"{HERE}\.space"),
        (f"{HERE}.trails", 3, rf"unknown key '{HERE}\.trails'; did you mean 'trials'\?"),
        (HERE, None, "no search of 'features-multiclass' in section 'searches'"),
        (HERE, 3, HERE),
        (f"experiments.{NAME}", 3, f"experiments.{NAME}"),
        (f"experiments.{NAME}.epochs", 0, rf"experiments\.{NAME}\.epochs"),
    ],
)
def test_a_wrong_search_is_named(edited: Edit, key: str, value: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read_search(NAME, edited(key, value))


def test_a_search_of_no_experiment_is_named(edited: Edit) -> None:
    search = read_params(ROOT / "params.yaml")["searches"][NAME]
    path = edited("searches.feature-multiclass", search)
    with pytest.raises(
        ParamsError, match=r"feature-multiclass names no experiment; did you mean 'features-mu"
    ):
        read_searches(path)


def test_there_may_be_no_search_but_the_section_must_say_so(edited: Edit) -> None:
    assert read_searches(edited("searches", {})) == {}
    with pytest.raises(ParamsError, match=r"no section 'searches'; `searches: {}` is none"):
        read_searches(edited("searches", None))


def write_best(folder: Path, **changes: Any) -> None:
    """Write what a search of the repository's own would have found."""
    best = {**read_params(ROOT / "params.yaml")["experiments"][NAME], **changes}
    (folder / NAME).mkdir()
    YAML(typ="safe").dump(best, folder / NAME / BEST_PARAMS)
    path = folder / NAME / BEST_PARAMS
    found = Searched(f"{NAME}-0a1b2c3d", "tpe", 1, 8, 0.7, [0.7], 0.6, 0, {}, {}, 4, {}, {})
    found.write(path.with_name(SEARCHED), {}, [path])


def test_a_tuned_experiment_takes_what_its_search_found(tmp_path: Path) -> None:
    write_best(tmp_path, learning_rate=0.005, dropout=0.3)
    plain = read_experiments(ROOT / "params.yaml")
    every = read_all_experiments(tmp_path, ROOT / "params.yaml")
    assert list(every) == [*plain, tuned_name(NAME)]
    assert {name: every[name] for name in plain} == plain
    wanted = plain[NAME].model_copy(update={"learning_rate": 0.005, "dropout": 0.3})
    assert every[f"{NAME}-tuned"] == wanted == read_best_params(tmp_path / NAME / BEST_PARAMS)


def test_a_wrong_or_missing_finding_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{NAME}/search\.json does not exist"):
        read_all_experiments(tmp_path, ROOT / "params.yaml")
    write_best(tmp_path, dropout=1.0)
    with pytest.raises(ParamsError, match=r"best_params\.yaml: best_params\.dropout: .*\(got 1\.0\)"):
        read_all_experiments(tmp_path, ROOT / "params.yaml")


@pytest.mark.parametrize("damage", ["edited", "of another search", "no record"])
def test_settings_that_no_search_found_are_refused(tmp_path: Path, damage: str) -> None:
    write_best(tmp_path)
    path = tmp_path / NAME / BEST_PARAMS
    if damage == "edited":
        path.write_text(path.read_text().replace("batch_size: ", "batch_size: 1"))
    elif damage == "no record":
        path.with_name(SEARCHED).unlink()
    else:
        path.parent.rename(tmp_path / "other")
        path = tmp_path / "other" / BEST_PARAMS
    with pytest.raises(
        UserError, match=r"best_params\.yaml is not the file|search\.json (does not exist|is of study)"
    ):
        read_best_params(path)


def test_without_searches_no_experiment_is_tuned(edited: Edit, tmp_path: Path) -> None:
    path = edited("searches", {})
    assert read_all_experiments(tmp_path, path) == read_experiments(path)


@pytest.mark.parametrize("study", [NAME, f"{NAME}-0a1b2c3d"])
def test_a_study_names_its_experiment(study: str) -> None:
    assert experiment_of(study, ROOT / "params.yaml") == NAME


@pytest.mark.parametrize("study", ["feature-multiclass", f"{NAME}-tuned-0a1b2c3d", "other"])
def test_a_study_of_no_search_is_named(study: str) -> None:
    with pytest.raises(ParamsError, match=rf"has none for study '{study}'; (did you mean|known)"):
        experiment_of(study, ROOT / "params.yaml")
