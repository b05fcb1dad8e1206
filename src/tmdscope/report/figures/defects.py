"""Defects in pictures: on frames, through time, and between classes."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from tmdscope.report.figures.base import COLOURS, colours, legend, png, styles
from tmdscope.report.page import Figure as PageFigure
from tmdscope.report.page import Space

Grey = NDArray[np.uint8]

_RADIUS = 9
_MOVING_MEAN = 5
_GREYS = 64 - len(COLOURS)
"""Of a moving picture; the fewer, the smaller it is."""


def annotated(frame: Grey, marks: pd.DataFrame, names: Sequence[str], step: int = 1) -> Image.Image:
    """Mark defects (``x_px, y_px, label``) on a frame by circles in the colour of their class.

    A pixel of the frame is so many, `step`, of those that places are in.
    """
    picture = Image.fromarray(frame).convert("RGB")
    draw, colour = ImageDraw.Draw(picture), colours(names)
    for x, y, label in marks[["x_px", "y_px", "label"]].itertuples(index=False):
        at = (np.array([x, y]) + 0.5) / step - 0.5
        box = [*(at - _RADIUS), *(at + _RADIUS)]
        draw.ellipse(box, outline=ImageColor.getrgb(colour.get(str(label), "#ffffff")), width=2)
    return picture


def gif(pictures: Iterable[Image.Image], seconds: float = 0.2) -> bytes:
    """Join grey pictures with marks in the colours of classes to a moving one."""
    palette = Image.new("P", (1, 1))
    marks = [level for colour in COLOURS for level in ImageColor.getrgb(colour)]
    palette.putpalette([*np.linspace(0, 255, _GREYS).astype(int).repeat(3).tolist(), *marks])
    plain = Image.Dither.NONE  # a mark is of one colour
    first, *others = (picture.quantize(palette=palette, dither=plain) for picture in pictures)
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=others, duration=int(1000 * seconds), loop=0)
    return stream.getvalue()


def counts_over_time(tracks: pd.DataFrame, label: str, names: Sequence[str], frames: int) -> bytes:
    """Draw how many defects of each class there are, frame by frame, and the mean of five frames."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axis, keys = figure.subplots(), []
    counts = pd.crosstab(tracks["frame"], tracks[label]).reindex(range(frames), fill_value=0)
    for name, (colour, _) in styles(names).items():
        if name in counts:
            mean = counts[name].rolling(_MOVING_MEAN, center=True, min_periods=1).mean()
            axis.plot(counts.index, counts[name], color=colour, alpha=0.3, linewidth=1)
            keys += axis.plot(counts.index, mean, color=colour, label=name)
    axis.set_xlabel("frame")
    axis.set_ylabel("defects")
    legend(figure, keys)
    return png(figure)


def broom(tracks: pd.DataFrame, label: str, names: Sequence[str]) -> bytes:
    """Draw every track through time: place on the floor, frames upwards, classes by colour."""
    figure = Figure(figsize=(8, 7))
    axis: Any = figure.add_subplot(projection="3d")
    colour = colours(names)
    for _, own in tracks.groupby("track"):
        axis.plot(own["x_px"], own["y_px"], own["frame"], color="#bbbbbb", linewidth=0.6)
    for name in names:
        own = tracks[tracks[label] == name]
        if len(own):
            axis.scatter(own["x_px"], own["y_px"], own["frame"], s=3, color=colour[name], label=name)
    axis.set_xlabel("x (px)")
    axis.set_ylabel("y (px)")
    axis.set_zlabel("frame")
    axis.legend(loc="upper left", fontsize=8)
    return png(figure)


def trajectories(frame: Grey, tracks: pd.DataFrame, label: str, names: Sequence[str], step: int = 1) -> bytes:
    """Draw tracks without drift on the first frame, see `annotated`, in the colour of their usual class."""
    figure = Figure(figsize=(7, 7), layout="constrained")
    axis, colour = figure.subplots(), colours(names)
    rows, columns = (side * step for side in frame.shape)
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    axis.imshow(frame, cmap="gray", interpolation="nearest", extent=extent)
    for _, own in tracks.groupby("track"):
        most = own[label].mode()[0]
        axis.plot(own["x_px"], own["y_px"], color=colour.get(most, "#ffffff"), linewidth=1.2)
    axis.set_xlabel("x (px)")
    axis.set_ylabel("y (px)")
    keys = [axis.plot([], [], color=colour[name], label=name)[0] for name in names]
    legend(figure, keys)
    return png(figure)


def by_noise(values: Mapping[str, Mapping[float, float]], what: str, target: float | None = None) -> bytes:
    """Draw a score of several methods against the noise of frames, and a dashed line that is aimed at."""
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    axis, keys = figure.subplots(), []
    for name, (colour, marker) in styles(values).items():
        levels = sorted(values[name])
        keys += axis.plot(levels, [values[name][k] for k in levels], color=colour, marker=marker, label=name)
    if target is not None:
        axis.axhline(target, color="#444444", linestyle="--", linewidth=0.8)
    axis.set_xlabel("standard deviation of the noise (column peaks)")
    axis.set_ylabel(what)
    legend(figure, keys)
    return png(figure)


def transition_diagram(names: Sequence[str], chance: NDArray[np.float64], seen: NDArray[np.float64]) -> bytes:
    """Draw classes on a circle, and arrows as thick as one often becomes another, with their chances."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    axis, colour = figure.subplots(), colours(names)
    angle = np.linspace(0, 2 * np.pi, len(names), endpoint=False) + np.pi / 2
    at = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for i, j in np.argwhere((seen > 0) & ~np.eye(len(names), dtype=bool)):
        arrow = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=0.2", "shrinkA": 24, "shrinkB": 24}
        axis.annotate("", at[j], at[i], arrowprops={**arrow, "linewidth": 0.8 + 12 * min(chance[i, j], 0.4)})
        across = (at[j] - at[i])[::-1] * [1, -1]
        beside = (at[i] + at[j]) / 2 + across * (0.1 + 0.16 / np.linalg.norm(across))  # 0.1: the arrow's bend
        axis.annotate(f"{chance[i, j]:.3f}", beside, ha="center", va="center", fontsize=9)
    for name, place in zip(names, at, strict=True):
        axis.plot(*place, "o", markersize=34, color=colour[name], alpha=0.85)
        axis.annotate(name, place, ha="center", va="center", fontsize=9)
    axis.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    axis.axis("off")
    return png(figure)


def paths(tracks: pd.DataFrame, label: str, names: Sequence[str], frames: int) -> Space:
    """Give every track through time as lines that can be turned, in the colours of its classes."""
    colour, ends = colours(names), tracks[["x_px", "y_px"]].max().clip(lower=1)
    scaled = tracks.assign(x=tracks["x_px"] / ends["x_px"], y=1 - tracks["y_px"] / ends["y_px"])
    scaled = scaled.assign(z=scaled["frame"] / max(frames - 1, 1)).round({"x": 4, "y": 4, "z": 4})
    lines = []
    for _, own in scaled.groupby("track"):
        run = (own[label] != own[label].shift()).cumsum().to_numpy()
        points = own[["x", "y", "z"]].to_numpy()
        for number in np.unique(run):
            rows = np.flatnonzero(run == number)
            until = min(rows[-1] + 2, len(points))  # on to where the next class begins
            kind = str(own[label].iloc[rows[0]])
            lines.append((colour.get(kind, "#888888"), points[rows[0] : until].tolist()))
    still = PageFigure(
        "Tracks through time, upwards; drag to turn.", "tracks in space and time", broom(tracks, label, names)
    )
    return Space(still, ("x", "y", "frame"), lines)
