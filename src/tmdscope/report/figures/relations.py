"""Figures of what descriptors have to do with the components of an embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tmdscope.report.figures.base import COLOURS, cycle, png
from tmdscope.report.text import readable


def correlation_map(table: pd.DataFrame, explained_variance: Mapping[str, float], rate: float) -> bytes:
    """Draw Pearson's r of every descriptor with every component, and the cosines of directions beside it.

    `table` has columns ``descriptor, component, r, q, cosine``; an r with a q above the false discovery rate
    is in brackets. The cosine is between the descriptor's regression direction and the component (the TMD
    paper's Figure S13). `explained_variance` maps a component to its share.
    """
    names = list(dict.fromkeys(table["descriptor"]))
    header = [f"{name}\n{share:.1%}" for name, share in explained_variance.items()]
    shape = (len(names), len(header))
    r, q, cosine = (table[key].to_numpy(np.float64).reshape(shape) for key in ("r", "q", "cosine"))
    width, height = 2.2 + 1.15 * shape[1], 1.4 + 0.34 * shape[0]
    figure = Figure(figsize=(width, height), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    labels = np.vectorize(lambda value, rated: f"{value:.2f}" if rated <= rate else f"({value:.2f})")(r, q)
    _heat_map(left, r, labels, header, [readable(name) for name in names])
    _heat_map(right, cosine, np.vectorize("{:.2f}".format)(cosine), header, None)
    left.set_title("Pearson's r", fontsize=10)
    right.set_title("Cosine of the regression direction", fontsize=10)
    return png(figure)


def cosine_map(cosine: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw the cosines between the regression directions of each two descriptors (Figure 9); no diagonal."""
    names = list(cosine)
    values = np.array([[1.0 if a == b else cosine[a][b] for b in names] for a in names])
    side = 2.6 + 0.42 * len(names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axis = figure.subplots()
    shown = [readable(name) for name in names]
    _heat_map(axis, values, np.vectorize("{:.2f}".format)(values), shown, shown)
    axis.tick_params(axis="x", labelrotation=90)
    return png(figure)


@dataclass(frozen=True)
class Against:
    """A descriptor against the component that it goes with most.

    `points` has a row per image: ``score``, ``value`` and ``material``; `r` is Pearson's, with its 95 %
    interval.
    """

    descriptor: str
    component: str
    points: pd.DataFrame
    r: float
    interval: Sequence[float]


def descriptor_scatter(panels: Sequence[Against], classes: Sequence[str]) -> bytes:
    """Draw descriptors against components, with the least-squares fit (the TMD paper's Figure 7)."""
    figure = Figure(figsize=(3.9 * len(panels), 3.9), layout="constrained")
    colours = dict(zip(classes, cycle(COLOURS, len(classes)), strict=True))
    for axis, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        known = panel.points.dropna()
        for name, colour in colours.items():
            part = known[known["material"] == name]
            axis.plot(part["score"], part["value"], "o", color=colour, markersize=3, alpha=0.7, label=name)
        slope, offset = np.polyfit(known["score"], known["value"], 1)
        ends = np.array([known["score"].min(), known["score"].max()])
        axis.plot(ends, slope * ends + offset, color="black", linewidth=1)
        low, high = panel.interval
        axis.set_title(f"r = {panel.r:.2f} [{low:.2f}, {high:.2f}]", fontsize=10)
        axis.set(xlabel=panel.component, ylabel=readable(panel.descriptor))
        axis.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), fontsize=9)
    return png(figure)


def _heat_map(
    axis: Axes,
    values: NDArray[np.float64],
    labels: NDArray[np.str_],
    columns: Sequence[str],
    rows: Sequence[str] | None,
) -> None:
    axis.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        ink = "white" if abs(values[row, column]) > 0.7 else "black"
        axis.text(column, row, str(labels[row, column]), ha="center", va="center", color=ink, fontsize=7)
    axis.set_xticks(range(len(columns)), columns, fontsize=8)
    if rows is not None:
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
