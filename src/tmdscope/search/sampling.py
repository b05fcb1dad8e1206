"""Optuna's samplers by name, seeded trial by trial."""

from collections.abc import Callable

import numpy as np
import optuna

from tmdscope.params.search import SamplerName
from tmdscope.search.storage import quiet


def make_sampler(name: SamplerName, seed: int, slot: int, startup: int) -> optuna.samplers.BaseSampler:
    """Make the sampler that draws one trial.

    A sampler of its own for every trial, seeded by the trial's place: what is drawn then depends on the
    seed, the place and the trials that have ended, not on the process. A search that was killed and goes on
    draws as it would have, and workers never draw alike.

    TPE is multivariate, and of running trials it assumes the worst; `startup` trials must have ended before a
    sampler learns from them.
    """
    own = int(np.random.SeedSequence([seed, slot]).generate_state(1)[0])
    makers: dict[SamplerName, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(
            n_startup_trials=startup, multivariate=True, group=True, constant_liar=True, seed=own
        ),
        "gp": lambda: optuna.samplers.GPSampler(n_startup_trials=startup, seed=own),
        "cma-es": lambda: optuna.samplers.CmaEsSampler(
            n_startup_trials=startup, seed=own, warn_independent_sampling=False
        ),
        "random": lambda: optuna.samplers.RandomSampler(seed=own),
    }
    with quiet():
        return makers[name]()
