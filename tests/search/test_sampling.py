"""What a trial draws follows from the seed, its place and the trials before it."""

from typing import get_args

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from tests.search.conftest import SPACE, made
from tmdscope.params.search import Categorical, SamplerName, Space, Value
from tmdscope.search.sampling import make_sampler, suggest
from tmdscope.search.storage import PatientStorage
from tmdscope.search.study import SearchStudy

SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
STARTUP = 4


def draw(name: SamplerName, seed: int, slot: int, told: int = 0, space: Space = SPACE) -> dict[str, Value]:
    """The settings of one trial after some that were random."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=8))
    for _ in range(told):
        trial = study.ask()
        suggest(trial, space, {})
        study.tell(trial, trial.params.get("share", 0.5))
    study.sampler = make_sampler(name, seed, slot, STARTUP)
    return suggest(study.ask(), space, {})


@pytest.mark.parametrize("told", [0, STARTUP + 2], ids=["before", "after"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_draw_lies_in_the_space_and_can_be_repeated(name: SamplerName, told: int) -> None:
    settings = draw(name, 1, 5, told)
    assert list(settings) == list(SPACE)
    for key, dimension in SPACE.items():
        if isinstance(dimension, Categorical):
            assert settings[key] in dimension.choices
        else:
            low, high = dimension.ends
            assert low <= settings[key] <= high  # type: ignore[operator]
    assert draw(name, 1, 5, told) == settings


@pytest.mark.parametrize(
    ("name", "told"), [*((name, 0) for name in SAMPLERS), ("tpe", STARTUP + 2), ("cma-es", STARTUP + 2)]
)
def test_other_places_and_seeds_draw_otherwise(name: SamplerName, told: int) -> None:
    """A Gaussian process that has learned goes where it hopes for most, whatever the place."""
    settings = draw(name, 1, 5, told)
    assert draw(name, 1, 6, told) != settings
    assert draw(name, 2, 5, told) != settings


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"random"}))
def test_a_sampler_learns_after_its_startup_only(name: SamplerName) -> None:
    assert draw(name, 1, 5, STARTUP - 1) == draw(name, 1, 5, 0)
    assert draw(name, 1, 5, STARTUP + 2) != draw(name, 1, 5, 0)


def test_chance_does_not_learn() -> None:
    assert draw("random", 1, 5, STARTUP + 2) == draw("random", 1, 5, 0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_takes_a_space_of_choices(name: SamplerName) -> None:
    space: Space = {"kind": Categorical(kind="categorical", choices=["flat", 2, True])}
    assert draw(name, 1, 0, STARTUP + 2, space)["kind"] in ["flat", 2, True]


@given(st.integers(0, 2**32 - 1), st.integers(0, 999_999), st.integers(0, 999_999))
def test_places_never_draw_alike(seed: int, one: int, other: int) -> None:
    first, second = (draw("random", seed, slot) for slot in (one, other))
    assert (first == second) == (one == other)


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_a_trial_is_drawn_in_sight_of_those_that_run(name: SamplerName, storage: PatientStorage) -> None:
    """The same place draws something else when another trial runs: they do not both go to the same spot."""

    def tenth(study_name: str, runs: bool) -> dict[str, Value]:
        study = made(storage, study_name, trials=12, sampler=name)
        for _ in range(8):
            claim_and_draw(study, tell=True)
        left = study.claim()
        assert left is not None
        if runs:
            suggest(left, SPACE, {})
        return claim_and_draw(study, tell=False)

    assert tenth("alone", runs=False) != tenth("with another", runs=True)


def claim_and_draw(study: SearchStudy, tell: bool) -> dict[str, Value]:
    """Claim the next place, draw its settings, and end it or leave it running."""
    trial = study.claim()
    assert trial is not None
    settings = suggest(trial, SPACE, {})
    if tell:
        study.tell(trial, TrialState.COMPLETE, float(settings["share"]))
    return settings


def test_each_draw_sees_what_has_ended_since_the_one_before(
    storage: PatientStorage, elsewhere: PatientStorage
) -> None:
    """Of two draws of one process, between which another ends a trial, the second is no other than afresh."""
    fifths = []
    for name, afresh in [("in a row", False), ("afresh", True)]:
        mine, others = (made(store, name, sampler="cma-es", startup=3) for store in (storage, elsewhere))
        for _ in range(2):
            claim_and_draw(others, tell=True)
        claim_and_draw(mine, tell=False)
        claim_and_draw(others, tell=True)
        last = made(elsewhere, name, sampler="cma-es", startup=3) if afresh else mine
        fifths.append(claim_and_draw(last, tell=False))
    assert fifths[0] == fifths[1]
