"""Figures of the audit, as PNG bytes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tmdscope.report.figures.base import COLOURS, png
from tmdscope.report.figures.scores import drawable


def learning_curve_figure(curve: Mapping[str, Any]) -> bytes:
    """Draw accuracy against samples (logarithmic), the fitted law, and its forecast for twice as many."""
    samples, accuracy = np.array(curve["samples"]), 100 * np.array(curve["accuracy"])
    bounds, law = 100 * np.array([drawable(pair) for pair in curve["accuracy_ci95"]]), curve["law"]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    axis.vlines(samples, bounds[:, 0], bounds[:, 1], color=COLOURS[0])
    axis.plot(samples, accuracy, "o", color=COLOURS[0], label="measured, 95 % by sample")
    line = np.geomspace(samples[0], 2 * samples[-1], 100)
    fitted = 100 * (1 - law["floor"] - law["scale"] * line ** -law["exponent"])
    axis.plot(line, fitted, color=COLOURS[7], label="power law")
    low, high = (100 * bound for bound in drawable(curve["twice_ci95"]))
    axis.vlines([2 * samples[-1]], low, high, color=COLOURS[1])
    axis.plot([2 * samples[-1]], [100 * curve["twice"]], "D", color=COLOURS[1], label="twice the samples")
    axis.set(xscale="log", xlabel="Training samples", ylabel="Accuracy on other samples (%)")
    places = [*samples, 2 * samples[-1]]
    axis.set_xticks(places, [f"{place:.0f}" for place in places])
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3)
    return png(figure)
