"""Figures of a report, as PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#444444")
"""Okabe & Ito: told apart by colour-blind readers (https://jfly.uni-koeln.de/color/); yellow is darkened."""

_MARKERS = "os^Dvph*"

_PUBLISHED: Mapping[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 4.5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
}
"""How a published value is drawn on a measured one's bar."""


def training_curves(histories: Mapping[str, pd.DataFrame]) -> bytes:
    """Draw loss and macro F1 of training and validation over epochs.

    Parameters
    ----------
    histories : mapping
        Experiment name to its fold-mean curves.

    Returns
    -------
    bytes
        PNG with two panels: training dashed, validation solid.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, metric, title in zip(axes, ("loss", "macro_f1"), ("Loss", "Macro F1"), strict=True):
        for (name, history), colour in zip(histories.items(), _cycle(COLOURS, len(histories)), strict=True):
            share = history["epoch"] / history["epoch"].max()
            axis.plot(share, history[f"val_{metric}"], color=colour, label=name, marker=".", markersize=4)
            axis.plot(share, history[f"train_{metric}"], color=colour, linestyle="--", alpha=0.6)
        axis.set(xlabel="Share of the epochs", title=f"{title} (solid: validation, dashed: training)")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return png_bytes(figure)


def confusion_matrices(matrices: Mapping[str, NDArray[np.float64]], classes: Sequence[str]) -> bytes:
    """Draw confusion matrices side by side.

    Parameters
    ----------
    matrices : mapping
        Name to mean counts, classes x classes, rows true.
    classes : sequence of str
        Class names.

    Returns
    -------
    bytes
        PNG; cells are shaded by their share of the row, and carry the count and that share.
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
    return png_bytes(figure)


def intervals(values: Mapping[str, tuple[float, float, float]], label: str) -> bytes:
    """Draw values with their intervals, one below the other, and a line at zero.

    Parameters
    ----------
    values : mapping
        Name to value, lower and upper bound.
    label : str
        What the values are.

    Returns
    -------
    bytes
        PNG.
    """
    figure = Figure(figsize=(9, 1.2 + 0.35 * len(values)), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0, color="black", linewidth=1)
    for row, (value, low, high) in enumerate(values.values()):
        axis.plot([low, high], [row, row], color=COLOURS[0], linewidth=2)
        axis.plot([value], [row], color=COLOURS[0], marker="o")
    axis.set_yticks(range(len(values)), list(values))
    axis.set(xlabel=label, ylim=(len(values) - 0.5, -0.5))
    axis.grid(alpha=0.3, axis="x")
    return png_bytes(figure)


def search_histories(trials: Mapping[str, pd.DataFrame]) -> bytes:
    """Draw the score of every trial of searches, and the best so far.

    Parameters
    ----------
    trials : mapping
        Search to its trials: columns ``place``, ``state`` and ``value`` (of complete ones).

    Returns
    -------
    bytes
        PNG with a panel for every search; pruned trials are marks at the lower edge.
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
    return png_bytes(figure)


def component_scatter(scores: pd.DataFrame, classes: Sequence[str]) -> bytes:
    """Draw the first two principal components of an embedding.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns ``PC1``, ``PC2``, ``material``, and optionally ``part``: ``test`` is drawn with a dark edge.
    classes : sequence of str
        Class names in the order of colours.

    Returns
    -------
    bytes
        PNG.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    axis = figure.subplots()
    held_out = scores["part"] == "test" if "part" in scores else pd.Series(False, index=scores.index)
    colours, markers = _cycle(COLOURS, len(classes)), _cycle(_MARKERS, len(classes))
    for name, colour, marker in zip(classes, colours, markers, strict=True):
        for points, edge, label in (
            (scores[(scores["material"] == name) & ~held_out], "none", name),
            (scores[(scores["material"] == name) & held_out], "black", None),
        ):
            axis.scatter(
                points["PC1"],
                points["PC2"],
                c=colour,
                marker=marker,
                s=22,
                alpha=0.8,
                edgecolors=edge,
                linewidths=0.8,
                label=label,
            )
    axis.set(xlabel="PC1", ylabel="PC2")
    axis.grid(alpha=0.3)
    axis.legend()
    return png_bytes(figure)


def panels_of_bars(bars: pd.DataFrame, x_label: str, y_label: str) -> bytes:
    """Draw bars with intervals in a grid of panels, and published values as diamonds on their bars.

    Parameters
    ----------
    bars : pandas.DataFrame
        One row per bar, in the order of drawing: ``row`` and ``column`` (title) of its panel, ``group`` on
        the x axis, ``series``, which gives the colour, ``value, low, high``, and ``published`` (NaN: none).
    x_label, y_label : str
        Of the axes; values are shares of one.

    Returns
    -------
    bytes
        PNG.
    """
    rows, columns, groups, series = (
        list(dict.fromkeys(bars[key])) for key in ("row", "column", "group", "series")
    )
    width = max(7.0, min(16.0, max(2.7, 0.9 + 0.58 * len(groups)) * len(columns)))
    figure = Figure(figsize=(width, 1.0 + 3.0 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
    colours = dict(zip(series, _cycle(COLOURS, len(series)), strict=True))
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
    return png_bytes(figure)


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


def latent_stages(scores: pd.DataFrame, classes: Sequence[str]) -> bytes:
    """Draw embeddings stage by stage, one row of panels with common axes for every encoding.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns ``encoding``, ``materials`` (how many are known), ``material``, ``PC1`` and ``PC2``.
    classes : sequence of str
        Class names in the order of colours.

    Returns
    -------
    bytes
        PNG; a large mark with a dark edge is the mean of its class.
    """
    encodings = list(dict.fromkeys(scores["encoding"]))
    stages = sorted(set(scores["materials"]))
    figure = Figure(figsize=(max(7.0, 3.3 * len(stages)), 0.6 + 3.1 * len(encodings)), layout="constrained")
    axes = figure.subplots(len(encodings), len(stages), squeeze=False, sharex="row", sharey="row")
    styles = dict(
        zip(
            classes,
            zip(_cycle(COLOURS, len(classes)), _cycle(_MARKERS, len(classes)), strict=True),
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
    return png_bytes(figure)


def image_grid(images: Mapping[str, Sequence[NDArray[Any]]]) -> bytes:
    """Draw some images of each class.

    Parameters
    ----------
    images : mapping
        Class name to its images, uint8, S x S.

    Returns
    -------
    bytes
        PNG with one row per class.
    """
    columns = max(len(row) for row in images.values())
    figure = Figure(figsize=(1.5 * columns, 1.5 * len(images)), layout="constrained")
    axes = figure.subplots(len(images), columns, squeeze=False)
    for axis_row, (name, row) in zip(axes, images.items(), strict=True):
        for number, axis in enumerate(axis_row):
            axis.set_axis_on() if number == 0 else axis.set_axis_off()
            axis.set_xticks([])
            axis.set_yticks([])
            if number < len(row):
                axis.imshow(row[number], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis_row[0].set_ylabel(name)
    return png_bytes(figure)


@dataclass(frozen=True)
class Tile:
    """An image of a contact sheet and what is said of it.

    Attributes
    ----------
    image : numpy.ndarray
        uint8, S x S.
    title : str
        Above it.
    says : sequence of tuple
        Lines below it, each with whether it is right.
    """

    image: NDArray[np.uint8]
    title: str
    says: Sequence[tuple[str, bool]]


def contact_sheet(tiles: Sequence[Tile]) -> bytes:
    """Draw images in a grid with what is said of each.

    Parameters
    ----------
    tiles : sequence of Tile
        At least one, in reading order.

    Returns
    -------
    bytes
        PNG with at most four columns; right lines begin with a tick and are green, wrong ones with a cross.
    """
    columns = min(4, len(tiles))
    rows = -(-len(tiles) // columns)
    lines = max(len(tile.says) for tile in tiles)
    spaced = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.08)
    figure = Figure(figsize=(2.4 * columns, (2.6 + 0.24 * lines) * rows), layout=spaced)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, tile in zip(panels, tiles, strict=False):
        axis.imshow(tile.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(tile.title, fontsize=11, loc="left")
        axis.set_xticks([])
        axis.set_yticks([])
        for line, (text, right) in enumerate(tile.says):
            mark, colour = ("\N{CHECK MARK}", "#00694d") if right else ("\N{BALLOT X}", "#a63c00")
            axis.annotate(
                f"{mark} {text}",
                (0, 0),
                (0, -4 - 15 * line),
                "axes fraction",
                "offset points",
                fontsize=11,
                color=colour,
                va="top",
            )
    for axis in panels[len(tiles) :]:
        axis.remove()
    return png_bytes(figure)


def _cycle(values: Sequence[str], count: int) -> list[str]:
    return [values[k % len(values)] for k in range(count)]


def png_bytes(figure: Figure) -> bytes:
    """Draw a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    bytes
        PNG, the same for the same figure.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, bbox_inches="tight", metadata={"Software": None})
    return stream.getvalue()
