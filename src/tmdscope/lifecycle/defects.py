"""Defects of a user's movie: found, named, followed, and written as tables, a page and a movie with marks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from tmdscope.errors import UserError
from tmdscope.files import atomic_path, write_table
from tmdscope.materials import nearest
from tmdscope.progress import progress
from tmdscope.report.figures.defects import annotated, broom, counts_over_time, gif, trajectories
from tmdscope.report.page import Figure, Note, Page, Paragraph, Points, Section, Table, write_page
from tmdscope.stem.crystal import CRYSTALS, Crystal
from tmdscope.stem.follow import Followed, Follower
from tmdscope.stem.frames import Source, open_movie
from tmdscope.stem.lattice import LatticeError, find_bragg
from tmdscope.stem.tracks import TRACK, without_drift

FIRST = ("frame", "x_px", "y_px", "score")
"""Columns that the table begins with."""

_SHOWN = 120
_AGREE = 0.08
"""Share by which the size of a pixel that is given and that of the Bragg ring may differ."""


@dataclass(frozen=True)
class DefectsRequest:
    """A movie, where to write, and what is known of it: pixel and lattice constant in nm, the crystal."""

    movie: Path
    out: Path
    pixel_nm: float | None = None
    lattice_nm: float | None = None
    crystal: str | None = None
    memory: int = 3


def find_defects(request: DefectsRequest) -> str:
    """Write ``defects.csv``, ``defects.parquet``, ``index.html`` and ``marked.gif``; gives what was found."""
    source = open_movie(request.movie)
    crystal = _crystal(request)
    pixel_nm, told = _pixel(request, source, crystal)
    follower = Follower(crystal, pixel_nm, memory=request.memory)
    shown: list[NDArray[np.uint8]] = []
    for number, frame in enumerate(progress(iter(source), source.frames, "frames")):
        follower.frame(number, frame)
        if len(shown) < _SHOWN:
            shown.append(_grey(frame))
    followed = follower.end()
    tracks = followed.tracks
    table = tracks[[*FIRST, *(name for name in tracks if name not in FIRST)]].sort_values(["frame", TRACK])
    request.out.mkdir(parents=True, exist_ok=True)
    write_table(request.out / "defects.csv", table)
    write_table(request.out / "defects.parquet", table)
    names = list(dict.fromkeys(tracks["smoothed"]))
    marked = gif(_marked(shown, tracks, names))
    with atomic_path(request.out / "marked.gif") as temporary:
        temporary.write_bytes(marked)
    write_page(request.out / "index.html", _page(request, source, followed, shown, names, marked, told))
    failed = "".join(f"\nframe {number} was left out: {why}" for number, why in followed.failed.items())
    counted = f"{len(table)} defects on {tracks[TRACK].nunique()} tracks in {source.frames} frames"
    return f"{request.movie}: {counted}; {told}\n{request.out / 'index.html'}: open it in a browser{failed}"


def _crystal(request: DefectsRequest) -> Crystal:
    """Take the named crystal, with the lattice constant that is given; without a name kinds are not told."""
    if request.crystal is None:
        if request.lattice_nm is None:
            raise UserError("name the crystal (--crystal WS2) or its lattice constant (--lattice-nm 0.318)")
        return Crystal("unnamed", request.lattice_nm, (("C",), ("C",)), ())
    if request.crystal not in CRYSTALS:
        raise UserError(f"unknown crystal {request.crystal!r}; {nearest(request.crystal, list(CRYSTALS))}")
    known = CRYSTALS[request.crystal]
    return Crystal(known.name, request.lattice_nm or known.a_nm, known.columns, known.kinds)


def _pixel(request: DefectsRequest, source: Source, crystal: Crystal) -> tuple[float, str]:
    """Find the size of a pixel: given, of the file, or of the Bragg ring; the last has to agree."""
    ring = None
    for frame in source:
        try:
            ring = find_bragg(frame).pixel_nm(crystal.a_nm)
        except LatticeError:
            continue
        break
    if ring is None:
        raise UserError(f"{source.path}: no frame shows a hexagonal lattice; is it in focus, and of atoms?")
    for given, where in ((request.pixel_nm, "as given"), (source.pixel_nm, "as the file says")):
        if given is None:
            continue
        if abs(given / ring - 1) > _AGREE:
            told = f"{source.path}: pixels are {given:.4g} nm {where}, but {ring:.4g} nm by the Bragg ring"
            raise UserError(
                f"{told} of a lattice constant of {crystal.a_nm:g} nm; correct --pixel-nm or --lattice-nm"
            )
        return given, f"pixels of {given:.4g} nm {where} ({ring:.4g} nm by the Bragg ring)"
    return ring, f"pixels of {ring:.4g} nm by the Bragg ring"


def _grey(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.nanpercentile(frame, [0.5, 99.8])
    scaled = np.nan_to_num((frame - low) / max(high - low, 1e-12) * 255)
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)


def _marked(shown: list[NDArray[np.uint8]], tracks: pd.DataFrame, names: list[str]) -> Iterator[Image.Image]:
    for number, frame in enumerate(shown):
        own = tracks[tracks["frame"] == number]
        yield annotated(frame, own.assign(label=own["smoothed"]), names)


def _page(
    request: DefectsRequest,
    source: Source,
    followed: Followed,
    shown: list[NDArray[np.uint8]],
    names: list[str],
    marked: bytes,
    told: str,
) -> Page:
    tracks, label = followed.tracks, "smoothed"
    still = without_drift(tracks, followed.drift)
    counted = tracks.groupby(label).agg(places=("frame", "size"), tracks=(TRACK, "nunique"))
    rows = [[str(name), str(one["places"]), str(one["tracks"])] for name, one in counted.iterrows()]
    notes: list[Any] = [Note(f"Frame {k} was left out: {why}") for k, why in followed.failed.items()]
    short = [
        f"{len(tracks)} defects on {tracks[TRACK].nunique()} tracks in {source.frames} frames; {told}.",
        "Classes are told by the intensity of the site alone, smoothed along each track.",
    ]
    counts = counts_over_time(tracks, label, names, source.frames)
    figures = [
        Figure(f"The first {len(shown)} frames.", "frames with marks", marked, "image/gif"),
        Figure("Defects of each class, frame by frame.", "counts", counts),
        Figure("Tracks, without the stage's drift.", "tracks", trajectories(shown[0], still, label, names)),
        Figure("Tracks through time.", "tracks in space and time", broom(still, label, names)),
    ]
    lead = f"{request.movie.name}: {source.shape[1]} x {source.shape[0]} px."
    return Page(
        "Defects of a movie",
        lead,
        [
            Section("In short", [Points(short), *notes]),
            Section("Defects", [Table("By class", ["Class", "places", "tracks"], rows), *figures]),
            Section("Files", [Paragraph("defects.csv and defects.parquet hold a row per defect and frame.")]),
        ],
    )
