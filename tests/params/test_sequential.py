"""Section `sequential`: what it may ask for, and how a wrong one is named."""

from pathlib import Path
from typing import Any

import pytest

from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import Strategy
from tmdscope.params.reading import Params, ParamsError, parse_section, read_params, read_section
from tmdscope.params.sequential import HeadSequentialParams, SequenceParams, SequentialParams

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "pipelines" / "published_features" / "params.yaml"


def shared() -> dict[str, Any]:
    """What both sections have, as the published study has it."""
    content: dict[str, Any] = read_params(PUBLISHED)["sequential"]
    del content["training"]
    return content


def main_study(**changes: Any) -> dict[str, Any]:
    """A section of the main study, trained as one of its experiments."""
    experiment = read_params(ROOT / "params.yaml")["experiments"]["features-multiclass"]
    training = {key: value for key, value in experiment.items() if key not in ("target", "seed")}
    return {**shared(), "training": training, "registered": ["full"], **changes}


def sequence(**changes: Any) -> SequenceParams:
    return parse_section("sequential", {**shared(), **changes}, SequenceParams, "here")


def read_main(**changes: Any) -> SequentialParams:
    return parse_section("sequential", main_study(**changes), SequentialParams, "here")


def test_the_published_studys_section_parses() -> None:
    params = read_section("sequential", HeadSequentialParams, PUBLISHED)
    assert params.order_of(MATERIALS) == MATERIALS
    assert params.volumes == ["full", 64, 32, 16, 8]
    assert params.start == "fold"
    assert params.training.epochs > 0


def test_the_main_studys_section_parses() -> None:
    params = read_section("sequential", SequentialParams, ROOT / "params.yaml")
    classes = read_params(ROOT / "params.yaml")["data"]["classes"]
    assert params.order_of(classes) == tuple(params.order or classes)
    assert "full" in params.registered


def test_a_main_studys_section_is_that_of_an_experiment_for_each_encoding_and_seed() -> None:
    params = read_main()
    assert params.strategy is Strategy.FEATURES
    experiment = params.experiment("multilabel", 7)
    assert (experiment.target, experiment.seed) == ("multilabel", 7)
    assert experiment.epochs == params.training["epochs"]
    assert params.experiment("multiclass", 7).model_copy(update={"target": "multilabel"}) == experiment


def test_the_order_is_the_one_given_or_that_of_the_data() -> None:
    free = sequence(order=[], encodings=["multiclass"])
    assert free.order_of(["b", "a", "c"]) == ("b", "a", "c")
    assert sequence(order=["WSe2", "WS2", "MoS2"]).order_of(MATERIALS) == ("WSe2", "WS2", "MoS2")


def test_classes_that_are_no_formulae_are_for_multiclass_alone() -> None:
    assert sequence(encodings=["multiclass"]).order_of(["flat", "rough", "holes"])[0] == "flat"
    with pytest.raises(ParamsError, match=r"'flat' is not a chemical formula.*sequential\.encodings"):
        sequence().order_of(["flat", "rough", "holes"])


def test_a_class_that_the_data_lack_is_named() -> None:
    with pytest.raises(ParamsError, match=r"sequential\.order: .* no class 'WSe3'; did you mean 'WSe2'"):
        sequence(order=["MoS2", "WS2", "WSe3"]).order_of(MATERIALS)


@pytest.mark.parametrize(("order", "first"), [(["MoS2", "WS2"], 2), ([], 5), (["MoS2", "WS2", "WSe2"], 4)])
def test_a_sequence_with_nothing_to_add_is_refused(order: list[str], first: int) -> None:
    with pytest.raises(ParamsError, match=f"first stage takes {first}: none is left.*enabled to false"):
        sequence(order=order, first=first).order_of(MATERIALS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("order", ["MoS2", "WS2", "MoS2"]),
        ("encodings", ["multiclass", "multiclass"]),
        ("volumes", ["full", 16, 16]),
        ("seeds", [1, 2, 1]),
    ],
)
def test_what_is_named_twice_is_refused(key: str, value: list[Any]) -> None:
    with pytest.raises(ParamsError, match=rf"sequential: .*{key} \[.*\] hold one twice"):
        sequence(**{key: value})


def test_volumes_must_hold_full() -> None:
    with pytest.raises(ParamsError, match="volumes must hold 'full': every stage starts from"):
        sequence(volumes=[64, 16])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("first", 1),
        ("encodings", []),
        ("encodings", ["ordinal"]),
        ("volumes", []),
        ("volumes", ["full", 3]),
        ("volumes", ["full", 16.5]),
        ("volumes", ["half"]),
        ("reduce_by", "fold"),
        ("start", "first"),
        ("paper_fold", -1),
        ("head", "keep"),
        ("seeds", []),
        ("seeds", [-1]),
        ("enabled", 1),
    ],
)
def test_a_value_out_of_range_is_named_with_its_key(key: str, value: Any) -> None:
    with pytest.raises(ParamsError, match=rf"here: .*sequential\.{key}"):
        sequence(**{key: value})


@pytest.mark.parametrize("model", [SequentialParams, HeadSequentialParams])
def test_an_unknown_key_is_named(model: type[Params]) -> None:
    with pytest.raises(ParamsError, match=r"unknown key 'sequential\.volume'; did you mean 'volumes'"):
        parse_section("sequential", main_study(volume=8), model, "here")


@pytest.mark.parametrize(("key", "value"), [("target", "multilabel"), ("seed", 3)])
def test_training_leaves_to_the_sequence_what_it_varies(key: str, value: Any) -> None:
    training = {**main_study()["training"], key: value}
    with pytest.raises(ParamsError, match=f"training holds '{key}', which the sequence varies"):
        read_main(training=training)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, r"training\.epochs: .*greater than or equal to 1"),
        ({"epoch": 3}, r"training\.epoch: "),
        ({"dropout": "none", "batch_size": 1}, r"training\.batch_size: .*; training\.dropout: "),
        ({"strategy": "scratch"}, "'scratch' goes with weights 'none'"),
    ],
    ids=["range", "unknown", "two at once", "together"],
)
def test_a_wrong_training_is_named_with_its_path(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=rf"here: sequential: .*{message}"):
        read_main(training={**main_study()["training"], **changes})


def test_a_missing_training_key_is_named_with_its_path() -> None:
    training = main_study()["training"]
    del training["architecture"]
    with pytest.raises(ParamsError, match=r"here: sequential: .*training\.architecture"):
        read_main(training=training)


def test_a_published_training_key_is_named_with_its_path() -> None:
    content = read_params(PUBLISHED)["sequential"]
    content["training"]["epochs"] = 0
    with pytest.raises(ParamsError, match=r"here: sequential\.training\.epochs: .*\(got 0\)"):
        parse_section("sequential", content, HeadSequentialParams, "here")


def test_only_volumes_that_run_are_registered() -> None:
    assert read_main(registered=["full", 16]).registered == ["full", 16]
    assert read_main(registered=[]).registered == []
    with pytest.raises(ParamsError, match="registered names volume 24, which `volumes` does not hold"):
        read_main(registered=["full", 24])
