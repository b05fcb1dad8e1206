"""Figures of trainings and searches."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tmdscope.report.figures.base import COLOURS, cycle, png


def training_curves(histories: Mapping[str, pd.DataFrame]) -> bytes:
    """Draw fold-mean loss and macro F1 over epochs: training dashed, validation solid."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, metric, title in zip(axes, ("loss", "macro_f1"), ("Loss", "Macro F1"), strict=True):
        for (name, history), colour in zip(histories.items(), cycle(COLOURS, len(histories)), strict=True):
            share = history["epoch"] / history["epoch"].max()
            axis.plot(share, history[f"val_{metric}"], color=colour, label=name, marker=".", markersize=4)
            axis.plot(share, history[f"train_{metric}"], color=colour, linestyle="--", alpha=0.6)
        axis.set(xlabel="Share of the epochs", title=f"{title} (solid: validation, dashed: training)")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return png(figure)


def search_histories(trials: Mapping[str, pd.DataFrame]) -> bytes:
    """Draw the score of every trial of searches, and the best so far; pruned trials mark the lower edge.

    Trials have columns ``place``, ``state`` and ``value`` (of complete ones).
    """
    figure = Figure(figsize=(9, 3.2 * len(trials)), layout="constrained")
    panels = figure.subplots(len(trials), 1, squeeze=False)[:, 0]
    for axis, (name, table) in zip(panels, trials.items(), strict=True):
        complete = table[table["state"] == "COMPLETE"]
        axis.plot(complete["place"], complete["value"], "o", color=COLOURS[0], label="complete")
        best = complete["value"].cummax()
        axis.step(complete["place"], best, where="post", color=COLOURS[1], label="best so far")
        pruned = table.loc[table["state"] == "PRUNED", "place"]
        axis.plot(
            pruned, np.full(len(pruned), complete["value"].min()), "x", color=COLOURS[7], label="pruned"
        )
        axis.set(xlabel="Trial", ylabel="Validation macro F1", title=name)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return png(figure)
