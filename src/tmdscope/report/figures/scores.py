"""Figures of scores: confusion matrices, intervals, bars, and curves over epochs, trials and samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from tmdscope.audit.learning_curve import LearningCurve, scores_of
from tmdscope.report.figures.base import COLOURS, colours, png, styles
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, heading, scale_of

_PUBLISHED: Mapping[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 4.5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
}
"""How a published value is drawn on a measured one's bar."""


def confusion_matrices(matrices: Mapping[str, NDArray[np.float64]], classes: Sequence[str]) -> bytes:
    """Draw confusion matrices side by side: mean counts, classes x classes, rows true.

    Cells are shaded by their share of the row, and carry the count and that share.
    """
    columns = min(len(matrices), 2)
    rows = -(-len(matrices) // columns)
    side = 1.9 + 0.55 * len(classes)
    figure = Figure(figsize=(side * columns, side * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axis, (name, counts) in zip(axes, matrices.items(), strict=False):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            ink = "white" if share[row, column] > 0.55 else "black"
            text = f"{counts[row, column]:.3g}\n{share[row, column]:.0%}"
            axis.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
        axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axis.set_yticks(range(len(classes)), classes)
        axis.set(title=name, xlabel="Predicted", ylabel="True")
    for axis in axes[len(matrices) :]:
        axis.remove()
    return png(figure)


def drawable(bounds: Sequence[float] | None) -> Sequence[float]:
    """Give bounds that a figure can take: NaN twice, which nothing is drawn for, where there are none."""
    return (float("nan"), float("nan")) if bounds is None else bounds


def intervals(values: Mapping[str, tuple[float, ...]], label: str) -> bytes:
    """Draw values with their lower and upper bounds, one below the other, and a line at zero."""
    figure = Figure(figsize=(9, 1.2 + 0.35 * len(values)), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0, color="black", linewidth=1)
    for row, (value, low, high) in enumerate(values.values()):
        axis.plot([low, high], [row, row], color=COLOURS[0], linewidth=2)
        axis.plot([value], [row], color=COLOURS[0], marker="o")
    axis.set_yticks(range(len(values)), list(values))
    axis.set(xlabel=label, ylim=(len(values) - 0.5, -0.5))
    axis.grid(alpha=0.3, axis="x")
    return png(figure)


def panels_of_bars(bars: pd.DataFrame, x_label: str, y_label: str) -> bytes:
    """Draw bars with intervals in a grid of panels, and published values as diamonds on their bars.

    Parameters
    ----------
    bars : pandas.DataFrame
        One row per bar, in the order of drawing: ``row`` and ``column`` (title) of its panel, ``group`` on
        the x axis, ``series``, which gives the colour, ``value, low, high``, and ``published`` (NaN: none).
        Values are shares of one.
    """
    rows, columns, groups, series = (
        list(dict.fromkeys(bars[key])) for key in ("row", "column", "group", "series")
    )
    width = max(7.0, min(16.0, max(2.7, 0.9 + 0.58 * len(groups)) * len(columns)))
    figure = Figure(figsize=(width, 1.0 + 3.0 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
    shades = colours(series)
    for (row, column), panel in bars.groupby(["row", "column"], sort=False):
        axis = axes[rows.index(row), columns.index(column)]
        _draw_bars(axis, panel, groups, shades)
        axis.set_title(column, fontsize=10)
    for axis in axes[:, 0]:
        axis.set_ylabel(y_label)
    for axis in axes[-1]:
        axis.set_xlabel(x_label)
    keys: list[Artist] = [Patch(color=colour, label=name) for name, colour in shades.items()]
    if bars["published"].notna().any():
        keys.append(Line2D([], [], **_PUBLISHED, label="published"))
    figure.legend(handles=keys, loc="outside upper center", ncols=max(1, int(width / 2.2)), fontsize=9)
    return png(figure)


def _draw_bars(axis: Axes, panel: pd.DataFrame, groups: Sequence[str], shades: Mapping[str, str]) -> None:
    own = list(dict.fromkeys(panel["series"]))
    width = min(0.84 / len(own), 0.3)
    for place, name in enumerate(own):
        bars = panel[panel["series"] == name]
        x = np.array([groups.index(group) for group in bars["group"]]) + width * (place - (len(own) - 1) / 2)
        axis.bar(x, bars["value"], width * 0.92, color=shades[name])
        axis.vlines(x - 0.16 * width, bars["low"], bars["high"], color="black", linewidth=1)
        axis.plot(x + 0.2 * width, bars["published"], **_PUBLISHED)
    axis.set_xticks(range(len(groups)), groups)
    axis.set(ylim=(0, 1), xlim=(-0.6, len(groups) - 0.4))
    axis.grid(alpha=0.3, axis="y")
    axis.set_axisbelow(True)


def training_curves(histories: Mapping[str, pd.DataFrame], metric: Metric) -> bytes:
    """Draw fold-mean loss and a metric over epochs: training dashed, validation solid."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, key, title in zip(axes, ("loss", metric.name), ("Loss", capital(metric.title)), strict=True):
        for name, colour in colours(histories).items():
            history = histories[name]
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
    axis.set(
        xscale="log",
        xlabel="Training samples",
        ylabel=heading(metric, f"{capital(metric.title)} on other samples"),
    )
    places = [*samples, 2 * samples[-1]]
    axis.set_xticks(places, [f"{place:.0f}" for place in places])
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3)
    return png(figure)


def curves_figure(curves: Mapping[str, pd.DataFrame], x_label: str, y_label: str) -> bytes:
    """Draw a value with its interval along a logarithmic axis, a line for each name.

    Curves have columns ``x``, ``label`` (of the tick), ``value``, ``low`` and ``high``.
    """
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axis = figure.subplots()
    shown = styles(curves)
    for place, (name, curve) in enumerate(curves.items()):
        colour, marker = shown[name]
        x = curve["x"] * 1.02 ** (place - len(curves) / 2)
        line = "-" if place < len(COLOURS) else "--"
        axis.plot(x, curve["value"], line, color=colour, marker=marker, markersize=4, label=name)
        axis.vlines(x, curve["low"], curve["high"], color=colour, alpha=0.5)
    ticks = next(iter(curves.values()))
    axis.set(xscale="log", xlabel=x_label, ylabel=y_label)
    axis.set_xticks(ticks["x"], ticks["label"])
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return png(figure)
