"""Figures of embeddings, and of what descriptors have to do with their components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from tmdscope.report.figures.base import colours, legend, png, styles
from tmdscope.report.text import readable

_DASHES = ("--", ":", "-.")
_ACROSS = 17
"""Images side by side that the plane has room for."""


Line = tuple[float, float, float]


@dataclass(frozen=True)
class Plane:
    """Images in the plane of two components.

    Attributes
    ----------
    points : pandas.DataFrame
        Columns ``PC1``, ``PC2``, ``label``, and optionally ``part``: ``test`` is drawn with a dark edge.
    lines : mapping, optional
        Name to a, b, c of a line ``a x + b y + c = 0`` that is drawn through the plane.
    """

    title: str
    points: pd.DataFrame
    lines: Mapping[str, Line] = field(default_factory=dict)


def component_planes(planes: Sequence[Plane], classes: Sequence[str]) -> bytes:
    """Draw images in the first two principal components of embeddings, side by side."""
    figure = Figure(figsize=(5.6 * len(planes) + 0.6, 5), layout="constrained")
    for axis, plane in zip(figure.subplots(1, len(planes), squeeze=False)[0], planes, strict=True):
        _draw_classes(axis, plane.points, classes)
        axis.set(xlabel="PC1", ylabel="PC2", title=plane.title)
        axis.set(xlim=axis.get_xlim(), ylim=axis.get_ylim())
        for k, (name, line) in enumerate(plane.lines.items()):
            _draw_line(axis, line, name, _DASHES[k % len(_DASHES)])
        axis.grid(alpha=0.3)
    keys = dict(zip(*reversed(figure.axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(keys.values(), keys.keys(), loc="outside lower center", ncols=4, fontsize=9)
    return png(figure)


def _draw_classes(axis: Axes, points: pd.DataFrame, classes: Sequence[str]) -> None:
    held_out = points["part"] == "test" if "part" in points else pd.Series(False, index=points.index)
    for name, (colour, marker) in styles(classes).items():
        for part, edge, label in ((~held_out, "none", name), (held_out, "black", None)):
            drawn = points[(points["label"] == name) & part]
            dots = axis.scatter(drawn["PC1"], drawn["PC2"], s=22, c=colour, marker=marker, label=label)
            dots.set(alpha=0.8, edgecolors=edge, linewidths=0.8)


def _draw_line(axis: Axes, line: Line, name: str, style: str) -> None:
    a, b, c = line
    (low_x, high_x), (low_y, high_y) = axis.get_xlim(), axis.get_ylim()
    if abs(a) * (high_x - low_x) <= abs(b) * (high_y - low_y):
        x = np.array([low_x, high_x])
        y = -(a * x + c) / b
    elif a != 0:
        y = np.array([low_y, high_y])
        x = -(b * y + c) / a
    else:
        return
    axis.plot(x, y, color="black", linewidth=1, linestyle=style, label=name)


def images_in_plane(images: NDArray[np.uint8], points: pd.DataFrame, classes: Sequence[str]) -> bytes:
    """Draw images where they lie in the plane of the first two components (the TMD paper's Figure 6).

    uint8, N x S x S; a memory map is read only where an image is drawn. Images that would hide another are
    left out; a frame has the colour of its class. `points` has N rows: ``PC1``, ``PC2``, ``label``.
    """
    figure = Figure(figsize=(10, 8), layout="constrained")
    axis = figure.subplots()
    places = points[["PC1", "PC2"]].to_numpy(np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    size = (high - low) * (1 / _ACROSS, 1 / _ACROSS * 10 / 8)
    frames = colours(classes)
    for row in _apart(places, size * 1.08):
        left, bottom = places[row] - size / 2
        box = (left, left + size[0], bottom, bottom + size[1])
        axis.imshow(np.array(images[row]), cmap="gray", vmin=0, vmax=255, extent=box, aspect="auto", zorder=2)
        colour = frames[points["label"].iloc[row]]
        axis.add_patch(Rectangle(box[::2], *size, fill=False, edgecolor=colour, linewidth=2, zorder=3))
    axis.set(xlabel="PC1", ylabel="PC2")
    axis.set(xlim=(low[0] - size[0], high[0] + size[0]), ylim=(low[1] - size[1], high[1] + size[1]))
    legend(figure, [Patch(facecolor="none", edgecolor=of, label=name) for name, of in frames.items()])
    return png(figure)


def _apart(places: NDArray[np.float64], size: NDArray[np.float64]) -> list[int]:
    """Rows, in their order, that lie a box away from all rows before them."""
    kept: list[int] = []
    for row, place in enumerate(places):
        if not kept or (np.abs(places[kept] - place) >= size).any(axis=1).all():
            kept.append(row)
    return kept


def latent_stages(scores: pd.DataFrame, classes: Sequence[str]) -> bytes:
    """Draw embeddings stage by stage, one row of panels with common axes for every encoding.

    `scores` has columns ``encoding``, ``materials`` (how many are known), ``label``, ``PC1`` and ``PC2``.
    A large mark with a dark edge is the mean of its class.
    """
    encodings = list(dict.fromkeys(scores["encoding"]))
    stages = sorted(set(scores["materials"]))
    figure = Figure(figsize=(max(7.0, 3.3 * len(stages)), 0.6 + 3.1 * len(encodings)), layout="constrained")
    axes = figure.subplots(len(encodings), len(stages), squeeze=False, sharex="row", sharey="row")
    marks = styles(classes)
    for (encoding, stage), panel in scores.groupby(["encoding", "materials"], sort=False):
        axis = axes[encodings.index(encoding), stages.index(stage)]
        for name in panel["label"].value_counts().index:
            points, (colour, marker) = panel[panel["label"] == name], marks[name]
            axis.plot(points["PC1"], points["PC2"], marker, color=colour, markersize=3, alpha=0.6, mew=0)
            centre = points[["PC1", "PC2"]].mean()
            axis.plot(*centre, marker, color=colour, markersize=9, markeredgecolor="black", zorder=3)
        axis.set_title(f"{encoding}, {stage} materials", fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_ylabel("PC2")
    for axis in axes[-1]:
        axis.set_xlabel("PC1")
    drawn = set(scores["label"])
    keys = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=name)
        for name, (colour, marker) in marks.items()
        if name in drawn
    ]
    legend(figure, keys)
    return png(figure)


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

    `points` has a row per image: ``score``, ``value`` and ``label``; `r` is Pearson's, with its 95 %
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
    for axis, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        known = panel.points.dropna()
        for name, colour in colours(classes).items():
            part = known[known["label"] == name]
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
