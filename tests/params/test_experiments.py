"""Experiments keep their order; what does not go together is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tmdscope.params.experiments import (
    Strategy,
    read_experiments,
    require_formulae,
)
from tmdscope.params.reading import ParamsError, read_params

ROOT = Path(__file__).parents[2]


def test_experiments_keep_their_order_and_parse() -> None:
    experiments = read_experiments(ROOT / "params.yaml")
    assert list(experiments) == list(read_params(ROOT / "params.yaml")["experiments"])
    assert experiments["finetune-multiclass"].strategy is Strategy.FINETUNE


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("experiments", {}, "no section 'experiments' with at least one"),
        ("experiments.scratch-multiclass.weights", "simulated", "'scratch' goes with weights 'none'"),
        ("experiments.finetune-multiclass.weights", "none", "'scratch' goes with weights 'none'"),
        ("experiments.finetune-multiclass.weights", "imagenet-v3", r"finetune-multiclass\.weights"),
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


def test_multilabel_needs_formulae_that_differ() -> None:
    assert require_formulae(["MoS2", "WSe2"]) == ("Mo", "W", "S", "Se")
    with pytest.raises(ParamsError, match="set the experiment's target to 'multiclass'"):
        require_formulae(["steel", "brass"])
