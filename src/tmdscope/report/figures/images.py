"""Figures made of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from tmdscope.report.figures.base import png


def image_grid(images: Mapping[str, Sequence[NDArray[Any]]]) -> bytes:
    """Draw some images, uint8, S x S, of each class: one row per class."""
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
    return png(figure)


@dataclass(frozen=True)
class Tile:
    """An image, uint8, of a contact sheet, its title, and the lines below, each with whether it is right."""

    image: NDArray[np.uint8]
    title: str
    says: Sequence[tuple[str, bool]]


def contact_sheet(tiles: Sequence[Tile]) -> bytes:
    """Draw images in at most four columns; right lines are green, with a tick, wrong ones have a cross."""
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
    return png(figure)
