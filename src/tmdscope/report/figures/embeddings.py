"""Figures of embeddings in the plane of their first two components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from tmdscope.report.figures.base import COLOURS, MARKERS, cycle, png

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
        Columns ``PC1``, ``PC2``, ``material``, and optionally ``part``: ``test`` is drawn with a dark edge.
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
        for (name, line), style in zip(plane.lines.items(), cycle(_DASHES, len(plane.lines)), strict=True):
            _draw_line(axis, line, name, style)
        axis.grid(alpha=0.3)
    keys = dict(zip(*reversed(figure.axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(keys.values(), keys.keys(), loc="outside lower center", ncols=4, fontsize=9)
    return png(figure)


def _draw_classes(axis: Axes, points: pd.DataFrame, classes: Sequence[str]) -> None:
    held_out = points["part"] == "test" if "part" in points else pd.Series(False, index=points.index)
    colours, markers = cycle(COLOURS, len(classes)), cycle(MARKERS, len(classes))
    for name, colour, marker in zip(classes, colours, markers, strict=True):
        for part, edge, label in ((~held_out, "none", name), (held_out, "black", None)):
            drawn = points[(points["material"] == name) & part]
            axis.scatter(
                drawn["PC1"],
                drawn["PC2"],
                c=colour,
                marker=marker,
                s=22,
                alpha=0.8,
                edgecolors=edge,
                linewidths=0.8,
                label=label,
            )


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
    left out; a frame has the colour of its class. `points` has N rows: ``PC1``, ``PC2``, ``material``.
    """
    figure = Figure(figsize=(10, 8), layout="constrained")
    axis = figure.subplots()
    places = points[["PC1", "PC2"]].to_numpy(np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    size = (high - low) * (1 / _ACROSS, 1 / _ACROSS * 10 / 8)
    colours = dict(zip(classes, cycle(COLOURS, len(classes)), strict=True))
    for row in _apart(places, size * 1.08):
        left, bottom = places[row] - size / 2
        box = (left, left + size[0], bottom, bottom + size[1])
        axis.imshow(np.array(images[row]), cmap="gray", vmin=0, vmax=255, extent=box, aspect="auto", zorder=2)
        colour = colours[points["material"].iloc[row]]
        frame = Rectangle((left, bottom), *size, fill=False, edgecolor=colour, linewidth=2, zorder=3)
        axis.add_patch(frame)
    axis.set(xlabel="PC1", ylabel="PC2")
    axis.set(xlim=(low[0] - size[0], high[0] + size[0]), ylim=(low[1] - size[1], high[1] + size[1]))
    keys = [Patch(facecolor="none", edgecolor=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=keys, loc="outside upper center", ncols=min(len(keys), 8), fontsize=9)
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

    `scores` has columns ``encoding``, ``materials`` (how many are known), ``material``, ``PC1`` and ``PC2``.
    A large mark with a dark edge is the mean of its class.
    """
    encodings = list(dict.fromkeys(scores["encoding"]))
    stages = sorted(set(scores["materials"]))
    figure = Figure(figsize=(max(7.0, 3.3 * len(stages)), 0.6 + 3.1 * len(encodings)), layout="constrained")
    axes = figure.subplots(len(encodings), len(stages), squeeze=False, sharex="row", sharey="row")
    styles = dict(
        zip(
            classes,
            zip(cycle(COLOURS, len(classes)), cycle(MARKERS, len(classes)), strict=True),
            strict=True,
        )
    )
    for (encoding, stage), panel in scores.groupby(["encoding", "materials"], sort=False):
        axis = axes[encodings.index(encoding), stages.index(stage)]
        for name in panel["material"].value_counts().index:
            points, (colour, marker) = panel[panel["material"] == name], styles[name]
            axis.plot(points["PC1"], points["PC2"], marker, color=colour, markersize=3, alpha=0.6, mew=0)
            centre = points[["PC1", "PC2"]].mean()
            axis.plot(*centre, marker, color=colour, markersize=9, markeredgecolor="black", zorder=3)
        axis.set_title(f"{encoding}, {stage} materials", fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_ylabel("PC2")
    for axis in axes[-1]:
        axis.set_xlabel("PC1")
    drawn = set(scores["material"])
    keys = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=name)
        for name, (colour, marker) in styles.items()
        if name in drawn
    ]
    figure.legend(handles=keys, loc="outside upper center", ncols=min(len(keys), 8), fontsize=9)
    return png(figure)
