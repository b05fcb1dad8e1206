"""The space of families: every draw is a family with all of its settings and no other's."""

from pathlib import Path
from typing import Any

import pytest

from tmdscope.params.families import FAMILIES, FamilySearchParams, read_family
from tmdscope.params.reading import ParamsError, parse_section, read_params

PARAMS = Path(__file__).parents[2] / "pipelines" / "published_features" / "params.yaml"
KNN = {"power": 0.5, "l2": True, "standardise": False, "family": "knn", "neighbours": 3, "votes": "uniform"}


def section() -> dict[str, Any]:
    content: dict[str, Any] = read_params(PARAMS)["search"]
    return content


def read(content: dict[str, Any]) -> FamilySearchParams:
    return parse_section("search", content, FamilySearchParams, "here")


def test_the_projects_space_holds_every_family() -> None:
    other = {"ridge", "cnn"}  # of numbers, of windows
    assert set(read(section()).space["family"].ends) == set(FAMILIES) - other


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("neighbors", {"kind": "int", "low": 1, "high": 3}, "no family has 'neighbors'.*neighbours"),
        ("family", {"kind": "categorical", "choices": ["knn", "svm"]}, "unknown 'svm'.*svc"),
        ("family", {"kind": "int", "low": 1, "high": 2}, "must hold 'family', a categorical"),
        ("power", None, "lacks 'power', a setting of mlp, logistic, svc, kernel_ridge, knn"),
        ("svc_c", None, "lacks 'svc_c', a setting of svc"),
        ("power", {"low": -1.0}, r"search\.space\.power: .*greater than 0 \(got -1.0\)"),
        ("neighbours", {"kind": "uniform", "low": 1.5}, r"search\.space\.neighbours: .*\(got 1.5\)"),
        ("votes", {"choices": ["none"]}, r"search\.space\.votes: .*\(got 'none'\)"),
        (
            "gamma",
            {"when": {"family": ["svc"]}},
            "gamma: it must be drawn for svc, kernel_ridge and no other",
        ),
        ("gamma", {"when": {}}, "gamma: it must be drawn for svc, kernel_ridge and no other"),
        ("alpha", {"when": {"family": ["ridge"]}}, "'family' is never 'ridge'"),
        ("alpha", {"when": {"famliy": ["kernel_ridge"]}}, "'famliy' is neither set nor varied.*family"),
        ("l2", {"when": {"power": [1.0]}}, "l2: it must be drawn for mlp"),
    ],
)
def test_a_space_that_is_not_of_families_is_refused(
    key: str, change: dict[str, Any] | None, message: str
) -> None:
    content = section()
    if change is None:
        del content["space"][key]
    else:
        content["space"][key] = {**content["space"].get(key, {}), **change}
        if "kind" in change and key == "family":
            content["space"][key] = change
    with pytest.raises(ParamsError, match=message):
        read(content)


def test_a_family_that_is_left_out_takes_its_settings_with_it() -> None:
    content = section()
    content["space"]["family"]["choices"].remove("knn")
    with pytest.raises(ParamsError, match=r"neighbours\.when: 'family' is never 'knn'"):
        read(content)
    for key in ("neighbours", "votes"):
        del content["space"][key]
    assert "knn" not in read(content).space["family"].ends


def test_settings_of_a_trial_are_those_of_its_family() -> None:
    assert read_family(KNN).family == "knn"
    with pytest.raises(ParamsError, match=r"unknown family 'kn'.*knn"):
        read_family({**KNN, "family": "kn"})
    with pytest.raises(ParamsError, match=r"unknown key 'search\.alpha'"):
        read_family({**KNN, "alpha": 1.0})
    with pytest.raises(ParamsError, match=r"missing key 'search.votes'"):
        read_family({key: value for key, value in KNN.items() if key != "votes"})
