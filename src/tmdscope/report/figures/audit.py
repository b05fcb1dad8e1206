"""Figures of the audit, as PNG bytes."""

import numpy as np
from matplotlib.figure import Figure

from tmdscope.audit.learning_curve import LearningCurve, scores_of
from tmdscope.report.figures.base import COLOURS, png
from tmdscope.report.figures.scores import drawable
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, heading, scale_of


def learning_curve_figure(curve: LearningCurve, metric: Metric) -> bytes:
    """Draw the metric against samples (logarithmic), the fitted law, and its forecast for twice as many."""
    scale, law = scale_of(metric), curve.law
    samples, score = np.array(curve.samples), scale * np.array(curve.score)
    bounds = scale * np.array([drawable(pair) for pair in curve.score_ci95])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    axis.vlines(samples, bounds[:, 0], bounds[:, 1], color=COLOURS[0])
    axis.plot(samples, score, "o", color=COLOURS[0], label="measured, 95 % by sample")
    line = np.geomspace(samples[0], 2 * samples[-1], 100)
    fitted = scale * scores_of(metric, law.floor + law.scale * line**-law.exponent)
    axis.plot(line, fitted, color=COLOURS[7], label="power law")
    low, high = (scale * bound for bound in drawable(curve.twice_ci95))
    axis.vlines([2 * samples[-1]], low, high, color=COLOURS[1])
    twice = scale * curve.twice
    axis.plot([2 * samples[-1]], [twice], "D", color=COLOURS[1], label="twice the samples")
    title = heading(metric, f"{capital(metric.title)} on other samples")
    axis.set(xscale="log", xlabel="Training samples", ylabel=title)
    places = [*samples, 2 * samples[-1]]
    axis.set_xticks(places, [f"{place:.0f}" for place in places])
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3)
    return png(figure)
