"""Figures of trainings and searches."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tmdscope.report.figures.base import COLOURS, cycle, png
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital


def training_curves(histories: Mapping[str, pd.DataFrame], metric: Metric) -> bytes:
    """Draw fold-mean loss and a metric over epochs: training dashed, validation solid."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, key, title in zip(axes, ("loss", metric.name), ("Loss", capital(metric.title)), strict=True):
        for (name, history), colour in zip(histories.items(), cycle(COLOURS, len(histories)), strict=True):
            share = history["epoch"] / history["epoch"].max()
            axis.plot(share, history[f"val_{key}"], color=colour, label=name, marker=".", markersize=4)
            axis.plot(share, history[f"train_{key}"], color=colour, linestyle="--", alpha=0.6)
        axis.set(xlabel="Share of the epochs", title=f"{title} (solid: validation, dashed: training)")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return png(figure)


def search_histories(trials: Mapping[str, pd.DataFrame], metric: Metric) -> bytes:
    """Draw the score of every trial of searches, and the best so far; pruned trials mark the worst.

    Trials have columns ``place``, ``state`` and ``value`` (of complete ones).
    """
    figure = Figure(figsize=(9, 3.2 * len(trials)), layout="constrained")
    panels = figure.subplots(len(trials), 1, squeeze=False)[:, 0]
    for axis, (name, table) in zip(panels, trials.items(), strict=True):
        complete = table[table["state"] == "COMPLETE"]
        axis.plot(complete["place"], complete["value"], "o", color=COLOURS[0], label="complete")
        values = complete["value"]
        best, worst = values.cummax(), values.min()
        if not metric.higher_is_better:
            best, worst = values.cummin(), values.max()
        axis.step(complete["place"], best, where="post", color=COLOURS[1], label="best so far")
        pruned = table.loc[table["state"] == "PRUNED", "place"]
        axis.plot(pruned, np.full(len(pruned), worst), "x", color=COLOURS[7], label="pruned")
        axis.set(xlabel="Trial", ylabel=f"Validation {metric.title}", title=name)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return png(figure)
