"""Figures of scores: confusion matrices, intervals, bars."""

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

from tmdscope.report.figures.base import COLOURS, cycle, png

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
    colours = dict(zip(series, cycle(COLOURS, len(series)), strict=True))
    for (row, column), panel in bars.groupby(["row", "column"], sort=False):
        axis = axes[rows.index(row), columns.index(column)]
        _draw_bars(axis, panel, groups, colours)
        axis.set_title(column, fontsize=10)
    for axis in axes[:, 0]:
        axis.set_ylabel(y_label)
    for axis in axes[-1]:
        axis.set_xlabel(x_label)
    keys: list[Artist] = [Patch(color=colour, label=name) for name, colour in colours.items()]
    if bars["published"].notna().any():
        keys.append(Line2D([], [], **_PUBLISHED, label="published"))
    figure.legend(handles=keys, loc="outside upper center", ncols=max(1, int(width / 2.2)), fontsize=9)
    return png(figure)


def _draw_bars(axis: Axes, panel: pd.DataFrame, groups: Sequence[str], colours: Mapping[str, str]) -> None:
    own = list(dict.fromkeys(panel["series"]))
    width = min(0.84 / len(own), 0.3)
    for place, name in enumerate(own):
        bars = panel[panel["series"] == name]
        x = np.array([groups.index(group) for group in bars["group"]]) + width * (place - (len(own) - 1) / 2)
        axis.bar(x, bars["value"], width * 0.92, color=colours[name])
        axis.vlines(x - 0.16 * width, bars["low"], bars["high"], color="black", linewidth=1)
        axis.plot(x + 0.2 * width, bars["published"], **_PUBLISHED)
    axis.set_xticks(range(len(groups)), groups)
    axis.set(ylim=(0, 1), xlim=(-0.6, len(groups) - 0.4))
    axis.grid(alpha=0.3, axis="y")
    axis.set_axisbelow(True)
