"""What is drawn lies in the space, and a setting is drawn exactly when its condition holds."""

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmdscope.params.search import Categorical, Dimension, LogUniform, Space, Uniform, Whole
from tmdscope.search.sampling import suggest

WORDS = st.one_of(st.text("abcdef", max_size=4), st.integers(-9, 9), st.floats(0.1, 0.9), st.booleans())
CHOICES = st.lists(WORDS, min_size=1, max_size=4, unique_by=lambda value: (type(value), value))


@st.composite
def ranges(draw: st.DrawFn) -> Dimension:
    kind: type[Any] = draw(st.sampled_from([Uniform, LogUniform, Whole]))
    if kind is Whole:
        low = draw(st.integers(-50, 50))
        return Whole(kind="int", low=low, high=low + draw(st.integers(1, 50)))
    low = draw(st.floats(1e-6, 10))
    high = low * draw(st.floats(1.001, 1e4))
    return kind(kind="uniform" if kind is Uniform else "log-uniform", low=low, high=high)


DIMENSIONS: st.SearchStrategy[Dimension] = st.one_of(
    ranges(), CHOICES.map(lambda choices: Categorical(kind="categorical", choices=choices))
)


def drawn(space: Space, seed: int, **fixed: Any) -> dict[str, Any]:
    """The settings of one trial that chance draws."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    found = suggest(trial, space, fixed)
    assert found == trial.params
    return found


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from("abcde"), DIMENSIONS, min_size=1, max_size=4), st.integers(0, 2**31 - 1)
)
def test_every_value_lies_in_its_range(space: dict[str, Dimension], seed: int) -> None:
    found = drawn(space, seed)
    assert list(found) == list(space)
    for name, dimension in space.items():
        value = found[name]
        if isinstance(dimension, Categorical):
            assert any(value == choice and type(value) is type(choice) for choice in dimension.choices)
        else:
            low, high = dimension.ends
            assert low <= value <= high  # type: ignore[operator]
            assert type(value) is (int if isinstance(dimension, Whole) else float)


def test_all_orders_of_magnitude_are_alike_to_log_uniform() -> None:
    space = {"rate": LogUniform(kind="log-uniform", low=1e-6, high=1.0)}
    below = sum(drawn(space, seed)["rate"] < 1e-3 for seed in range(100))
    assert 30 < below < 70


def test_both_ends_of_a_whole_number_are_drawn() -> None:
    space = {"size": Whole(kind="int", low=3, high=5)}
    assert {drawn(space, seed)["size"] for seed in range(40)} == {3, 4, 5}


CONDITIONAL: Space = {
    "optimiser": Categorical(kind="categorical", choices=["adam", "adamw"]),
    "weight_decay": Uniform(kind="uniform", low=0, high=1, when={"optimiser": ["adamw"]}),
    "steps": Whole(kind="int", low=1, high=9, when={"optimiser": ["adam", "adamw"], "flips": [True]}),
    "finer": Categorical(kind="categorical", choices=[1, 2], when={"steps": [1, 2, 3, 4]}),
}


@given(st.integers(0, 2**31 - 1), st.booleans(), st.sampled_from([1, 7, None]))
def test_a_setting_is_drawn_exactly_when_its_condition_holds(
    seed: int, flips: bool, steps: int | None
) -> None:
    fixed = {"flips": flips, **({} if steps is None else {"steps": steps})}
    found = drawn(CONDITIONAL, seed, **fixed)
    assert ("weight_decay" in found) == (found["optimiser"] == "adamw")
    assert ("steps" in found) == flips
    assert ("finer" in found) == ({**fixed, **found}.get("steps") in {1, 2, 3, 4})


@pytest.mark.parametrize("strategy", ["features", "finetune"])
def test_a_condition_may_ask_for_what_the_experiment_has(strategy: str) -> None:
    space: Space = {"dropout": Uniform(kind="uniform", low=0, high=0.5, when={"strategy": ["features"]})}
    assert bool(drawn(space, 1, strategy=strategy)) == (strategy == "features")


def test_what_is_not_drawn_keeps_what_the_experiment_has() -> None:
    """A condition on a setting that is varied, but not now, looks at the experiment's own."""
    space: Space = {
        "schedule": Categorical(kind="categorical", choices=["cosine"], when={"flips": [True]}),
        "epochs": Whole(kind="int", low=1, high=5, when={"schedule": ["constant"]}),
    }
    assert list(drawn(space, 1, flips=False, schedule="constant")) == ["epochs"]
    assert list(drawn(space, 1, flips=True, schedule="constant")) == ["schedule"]
