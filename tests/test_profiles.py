"""Profiles merge into params.yaml, keep its comments and are checked before anything is written."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tmdscope.errors import UserError
from tmdscope.params.experiments import read_experiments
from tmdscope.params.reading import ParamsError
from tmdscope.params.settings import check_settings
from tmdscope.profiles import diff_params, list_profiles, merge_profile, read_profile

ROOT = Path(__file__).parents[1]
PROFILES = ROOT / "profiles"
PARAMS = (ROOT / "params.yaml").read_text()


def values(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(text))


def merged(profile: str, params: str = PARAMS) -> str:
    return merge_profile(params, profile, "merged")


def test_default_holds_the_shipped_values() -> None:
    assert values(read_profile("default", PROFILES)) == values(PARAMS)


def test_the_way_to_paper_and_back_restores_the_very_text() -> None:
    paper = merged(read_profile("paper", PROFILES))
    assert paper != PARAMS
    assert merged(read_profile("default", PROFILES), paper) == PARAMS


@pytest.mark.parametrize("name", ["default", "paper", "pretraining"])
def test_a_profile_applied_twice_changes_nothing_more(name: str) -> None:
    profile = read_profile(name, PROFILES)
    once = merged(profile)
    assert merged(profile, once) == once


def test_pretraining_is_one_network_from_three_kinds_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(merged(read_profile("pretraining", PROFILES)))
    experiments = read_experiments(path).values()
    cells = {(entry.strategy.value, entry.weights): entry for entry in experiments}
    assert set(cells) == {
        *(("features", weights) for weights in ("imagenet", "simulated", "none")),
        *(("finetune", weights) for weights in ("imagenet", "simulated")),
        ("scratch", "none"),
    }
    for frozen in (True, False):
        alike = [e for e in experiments if (e.strategy == "features") == frozen]
        assert len({(e.architecture, e.target, e.epochs, e.learning_rate, e.batch_size) for e in alike}) == 1


def test_paper_is_the_published_protocol(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(merged(read_profile("paper", PROFILES)))
    experiments = read_experiments(path)
    networks = {
        (entry.architecture, entry.weights)
        for entry in experiments.values()
        if (entry.strategy, entry.target) == ("finetune", "multiclass")
    }
    assert networks == {
        *((f"resnet{depth}", "imagenet-v1") for depth in (18, 34, 50, 101, 152)),
        *((f"resnet{depth}", "imagenet-v2") for depth in (50, 101, 152)),
    }
    assert {(e.epochs, e.batch_size, e.dropout, e.checkpoint) for e in experiments.values()} == {
        (60, 32, 0.0, "paper")
    }
    trained = [e for e in experiments.values() if e.strategy != "features"]
    assert {(e.learning_rate, e.flips) for e in trained} == {(7.5e-5, True)}
    assert values(path.read_text())["prepare"]["size_px"] == 224


def test_comments_and_key_order_stay() -> None:
    text = merged("split: {folds: 3}\n")
    assert text == PARAMS.replace("  folds: 5\n", "  folds: 3\n")


def test_a_list_written_in_lines_takes_the_values() -> None:
    yaml, stream = YAML(), StringIO()
    content = yaml.load(PARAMS)
    content["sequential"]["volumes"] = ["full", 4]
    yaml.dump(content, stream)
    assert "  - full\n" in stream.getvalue()
    paper = read_profile("paper", PROFILES)
    assert values(merged(paper, stream.getvalue())) == values(merged(paper))


def test_experiments_are_replaced_as_a_whole() -> None:
    entry = next(iter(values(PARAMS)["experiments"].values()))
    text = merged(f"experiments: {{only: {entry!r}}}\nsearches: {{}}\n".replace("True", "true"))
    assert list(values(text)["experiments"]) == ["only"]


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), folds=st.integers(3, 50))
def test_only_what_the_profile_names_changes(seed: int, folds: int) -> None:
    text = merged(f"split: {{folds: {folds}}}\nscoring: {{seed: {seed}}}\n")
    expected = values(PARAMS)
    expected["split"]["folds"] = folds
    expected["scoring"]["seed"] = seed
    assert values(text) == expected


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("prepare: {size_px: 3}", r"prepare\.size_px.*got 3"),
        ("prepare: {sizepx: 96}", r"unknown key 'prepare\.sizepx'.*'size_px'"),
        ("prepair: {size_px: 96}", r"unknown section 'prepair'.*'prepare'"),
        ("split: 5", r"split: .*got 5"),
        ("experiments: {}", "at least one experiment"),
        ("experiments: {a: {}}", r"missing key 'experiments\.a\.strategy'"),
        ("data: {source: folder, classes: [sheep, goats]}", "chemical formula"),
        ("- data", "must hold sections"),
        ("data: [", "is not YAML"),
    ],
)
def test_a_wrong_profile_is_refused(profile: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        merged(profile)


def test_every_problem_is_told_at_once() -> None:
    content = values(PARAMS) | {"split": {"folds": 1, "test_folds": 1}, "report": {}}
    with pytest.raises(ParamsError) as caught:
        check_settings(content, "params.yaml")
    assert all(
        key in str(caught.value) for key in ("split.folds", "split.test_folds", "report.images_per_class")
    )


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no profile 'papers'; did you mean 'paper'"):
        read_profile("papers", PROFILES)


def test_a_folder_without_profiles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no profile"):
        list_profiles(tmp_path)


def test_every_profile_has_a_headline() -> None:
    assert all(list_profiles(PROFILES).values())


def test_the_diff_shows_what_changes() -> None:
    assert diff_params("a: 1\n", "a: 1\n", "params.yaml") == ""
    lines = diff_params("a: 1\nb: 2\n", "a: 1\nb: 3\n", "params.yaml").splitlines()
    assert lines[:2] == ["--- a/params.yaml", "+++ b/params.yaml"]
    assert {"-b: 2", "+b: 3"} <= set(lines)
