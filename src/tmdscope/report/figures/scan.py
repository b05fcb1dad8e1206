"""A scan before and after levelling, in one picture."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tmdscope.report.figures.base import png
from tmdscope.scan.scan import Scan

_UM = 1e-3


def before_and_after(scan: Scan, levelled_nm: NDArray[Any], side_nm: float, what: str) -> bytes:
    """Draw a scan as it was read and the part of it that becomes an image, levelled, with axes in um.

    `levelled_nm`, shape (rows, columns), is of a centred square and clipped as the image is; pixels that are
    not square are shown as they are. `what` says in words what was done.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    before, after = figure.subplots(1, 2)
    rows, columns = scan.height_nm.shape
    width, height = columns * scan.pixel_size_nm[0], rows * scan.pixel_size_nm[1]
    _draw(figure, before, scan.height_nm - np.median(scan.height_nm), (width, height))
    before.set_title(f"{scan.channel} as read, less its median")
    _draw(figure, after, levelled_nm, (side_nm, side_nm))
    after.set_title(what, wrap=True)
    if side_nm < max(width, height):
        corner = ((width - side_nm) / 2 * _UM, (height - side_nm) / 2 * _UM)
        side = side_nm * _UM
        before.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="tab:red"))
    return png(figure)


def side_by_side(levelled_nm: Mapping[str, NDArray[Any]], side_nm: float) -> bytes:
    """Draw one square levelled in several ways, each under its title and with its own grey scale."""
    columns = 4
    rows = math.ceil(len(levelled_nm) / columns)
    figure = Figure(figsize=(4.4 * columns, 4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, height_nm) in zip(axes, levelled_nm.items(), strict=False):
        _draw(figure, axis, height_nm, (side_nm, side_nm))
        axis.set_title(title, wrap=True, fontsize=9)
    for axis in axes[len(levelled_nm) :]:
        axis.set_axis_off()
    return png(figure)


def _draw(figure: Figure, axis: Axes, height_nm: NDArray[Any], size_nm: tuple[float, float]) -> None:
    extent = (0.0, size_nm[0] * _UM, size_nm[1] * _UM, 0.0)
    shown = axis.imshow(height_nm, cmap="gray", extent=extent, interpolation="nearest")
    axis.set_xlabel("x (\u00b5m)")
    axis.set_ylabel("y (\u00b5m)")
    figure.colorbar(shown, ax=axis, label="height (nm)", shrink=0.85)
