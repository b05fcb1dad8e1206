"""How settings are drawn: Optuna's samplers, seeded trial by trial, from a space declared in params.yaml."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tmdscope.params.search import Categorical, Dimension, LogUniform, SamplerName, Space, Uniform, Value
from tmdscope.search.storage import quiet


def suggest(trial: optuna.Trial, space: Space, fixed: Mapping[str, Any]) -> dict[str, Value]:
    """Draw the settings of a trial, in the order of the space, whose conditions hold.

    Conditions may ask for `fixed` settings, which are not varied. The trial remembers what was drawn.
    """
    found: dict[str, Value] = {}
    for name, dimension in space.items():
        known = {**fixed, **found}
        if all(known.get(other) in values for other, values in dimension.when.items()):
            found[name] = _draw(trial, name, dimension)
    return found


def _draw(trial: optuna.Trial, name: str, dimension: Dimension) -> Value:
    if isinstance(dimension, Categorical):
        return cast("Value", trial.suggest_categorical(name, dimension.choices))
    if isinstance(dimension, Uniform | LogUniform):
        log = isinstance(dimension, LogUniform)
        return trial.suggest_float(name, dimension.low, dimension.high, log=log)
    return trial.suggest_int(name, dimension.low, dimension.high)


def make_sampler(name: SamplerName, seed: int, place: int, startup: int) -> optuna.samplers.BaseSampler:
    """Make the sampler that draws one trial.

    A sampler of its own for every trial, seeded by the trial's place: what is drawn then depends on the
    seed, the place and the trials that have ended, not on the process. A search that was killed and goes on
    draws as it would have, and workers never draw alike.

    TPE is multivariate, and of running trials it assumes the worst; `startup` trials must have ended before a
    sampler learns from them.
    """
    own = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    makers: dict[SamplerName, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(
            n_startup_trials=startup, multivariate=True, group=True, constant_liar=True, seed=own
        ),
        "gp": lambda: optuna.samplers.GPSampler(n_startup_trials=startup, seed=own),
        "cma-es": lambda: _CmaEsOfPlace(place, startup, own),
        "random": lambda: optuna.samplers.RandomSampler(seed=own),
    }
    with quiet():
        return makers[name]()


class _CmaEsOfPlace(optuna.samplers.CmaEsSampler):
    """CMA-ES adds a trial's number to its seed: here its place, which a repeated trial keeps."""

    def __init__(self, place: int, startup: int, seed: int) -> None:
        super().__init__(n_startup_trials=startup, seed=seed, warn_independent_sampling=False)
        self.place = place

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        shown = copy.copy(trial)
        shown.number = self.place
        return super().sample_relative(study, shown, search_space)
