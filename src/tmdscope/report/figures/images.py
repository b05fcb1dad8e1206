"""Figures made of images, and of where networks find their reasons in them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from tmdscope.report.figures.base import png, styles
from tmdscope.report.figures.scores import drawable
from tmdscope.scores.bootstrap import Interval


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


def grey_png(image: NDArray[np.uint8]) -> bytes:
    """Write an image, S x S, as a PNG of its own pixels."""
    stream = BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


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
            where = (0, 0), (0, -4 - 15 * line), "axes fraction", "offset points"
            axis.annotate(f"{mark} {text}", *where, fontsize=11, color=colour, va="top")
    for axis in panels[len(tiles) :]:
        axis.remove()
    return png(figure)


_SHARE = 0.35
"""Of the image's width that a scale bar fills at most."""


@dataclass(frozen=True)
class Overlay:
    """An image and the maps that are laid over it.

    Attributes
    ----------
    image : numpy.ndarray
        uint8, S x S.
    pixel_size_nm : float
        NaN where it is not known, and no scale bar is drawn.
    maps : mapping
        Method to its map, S x S; of a method with a sign, above 0 speaks for the class, below 0 against it.
    """

    image: NDArray[np.uint8]
    title: str
    pixel_size_nm: float
    maps: Mapping[str, NDArray[np.float32]]


def overlays(shown: Sequence[Overlay], names: Mapping[str, str], signed: Collection[str]) -> bytes:
    """Draw a PNG: a row per image with a scale bar, and beside it what every method makes of it.

    Each map is coloured up to its own largest value: those with a sign red for and blue against, the others
    from dark to bright. `names` says how methods are called.
    """
    columns = 1 + len(names)
    figure = Figure(figsize=(1.9 * columns + 0.6, 1.95 * len(shown) + 0.3), layout="constrained")
    for axes, overlay in zip(figure.subplots(len(shown), columns, squeeze=False), shown, strict=True):
        for axis in axes:
            axis.imshow(overlay.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            _scale_bar(axis, overlay.image.shape[1], overlay.pixel_size_nm)
        for axis, method in zip(axes[1:], names, strict=True):
            _lay_over(axis, overlay.maps[method], method in signed)
        axes[0].set_ylabel(overlay.title, fontsize=8)
    for axis, title in zip(figure.axes, ("image", *names.values()), strict=False):
        axis.set_title(title, fontsize=9)
    return png(figure)


def sanity_curves(curves: Mapping[str, Mapping[str, Interval]], names: Mapping[str, str]) -> bytes:
    """Draw how alike maps stay while a network loses what it learnt, as a PNG.

    Rank correlation with the trained network's maps, from the top of the network down. `curves`: method to
    the part that was drawn anew last, to the mean.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    steps = list(max(curves.values(), key=lambda curve: len(list(curve))))
    for method, (colour, marker) in styles(curves).items():
        curve = curves[method]
        known = {steps.index(step): found for step, found in curve.items() if found.samples}
        means = [np.nan if found.mean is None else found.mean for found in known.values()]
        axis.plot(list(known), means, color=colour, marker=marker, label=names[method])
        for place, found in known.items():
            low, high = drawable(found.ci95)
            axis.plot([place, place], [low, high], color=colour, linewidth=1)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(range(len(steps)), steps)
    axis.set(xlabel="random from the output down to", ylabel="rank correlation", ylim=(-1.05, 1.08))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return png(figure)


def bar_length_nm(frame_nm: float) -> float:
    """Choose a scale bar: the largest 1, 2 or 5 times a power of ten in at most a third of the image."""
    power = 10.0 ** np.floor(np.log10(_SHARE * frame_nm))
    return float(max(step * power for step in (1, 2, 5) if step * power <= _SHARE * frame_nm))


def _scale_bar(axis: Axes, size_px: int, pixel_size_nm: float) -> None:
    if not np.isfinite(pixel_size_nm):
        return
    length_nm = bar_length_nm(size_px * pixel_size_nm)
    width, height = length_nm / pixel_size_nm, 0.025 * size_px
    left, top = 0.05 * size_px, 0.93 * size_px
    axis.add_patch(Rectangle((left, top), width, height, facecolor="white", edgecolor="black", linewidth=0.6))
    text = f"{length_nm / 1000:g} µm" if length_nm >= 1000 else f"{length_nm:g} nm"
    box = {"facecolor": "black", "alpha": 0.5, "pad": 1, "edgecolor": "none"}
    axis.text(left, top - 0.02 * size_px, text, color="white", fontsize=7, va="bottom", bbox=box)


def _lay_over(axis: Axes, values: NDArray[np.float32], signed: bool) -> None:
    largest = float(np.abs(values).max()) or 1.0
    if signed:
        axis.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=0.55)
    else:
        axis.imshow(values, cmap="inferno", vmin=values.min(), vmax=largest, alpha=0.55)
