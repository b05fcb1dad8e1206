"""From a space declared in params.yaml to the settings of a trial."""

from collections.abc import Mapping
from typing import Any, cast

import optuna

from tmdscope.params.search import Categorical, Dimension, LogUniform, Space, Uniform, Value


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
