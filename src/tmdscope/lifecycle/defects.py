"""Defects of a user's movie: found, named, followed, and written as tables, a page and a movie with marks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from tmdscope.errors import UserError
from tmdscope.files import atomic_path, write_table
from tmdscope.materials import nearest
from tmdscope.progress import progress
from tmdscope.report.figures.defects import annotated, counts_over_time, gif, paths, trajectories
from tmdscope.report.figures.film import write_mp4
from tmdscope.report.page import Block, Figure, Note, Page, Paragraph, Points, Section, Table, write_page
from tmdscope.scores.text import capital
from tmdscope.stem.confirmed import Confirmed
from tmdscope.stem.crystal import CRYSTALS, Crystal
from tmdscope.stem.follow import Followed, Follower
from tmdscope.stem.frames import FrameError, Source, open_movie
from tmdscope.stem.lattice import AGREE, LatticeError, find_bragg
from tmdscope.stem.localise import COLUMNS, SiteIntensity
from tmdscope.stem.tracks import TRACK, without_drift

if TYPE_CHECKING:
    from tmdscope.lifecycle.naming import Namer

FIRST = ("frame", *COLUMNS)
"""Columns that the table begins with."""

INTENSITY = "intensity"
"""In place of a model's name: kinds are told by intensity, whatever is in production."""

_INNER = ("spread", "ratio")
"""What only naming needs."""
_SHOWN = 120
_SHOWN_PX = 512
_TRIED = 20
"""Frames, spread over the movie, that are asked for their ring."""
_NOTES = 20
"""Frames whose failure is told one by one."""


@dataclass(frozen=True)
class DefectsRequest:
    """A movie, where to write, and what is known of it: pixel and lattice constant in nm, the crystal.

    `model` names the registered network that names defects, or `INTENSITY`; without one it is the crystal's
    in production, and where there is none, kinds are told by intensity. Its files must have `sha256`.
    `detector` names the registered network that finds defects; without one the sites' intensities do.
    """

    movie: Path
    out: Path
    pixel_nm: float | None = None
    lattice_nm: float | None = None
    crystal: str | None = None
    memory: int = 3
    model: str | None = None
    sha256: str | None = None
    detector: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are none."""
        for name in ("pixel_nm", "lattice_nm"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                raise UserError(f"--{name.replace('_', '-')} {value}: a length in nm above 0 is needed")


@dataclass(frozen=True)
class _Shown:
    """The first frames, 8 bits, of which a pixel is the mean of `step` x `step` of the movie's."""

    frames: list[NDArray[np.uint8]]
    step: int


def find_defects(request: DefectsRequest) -> str:
    """Write tables, a page and movies with marks into the folder that is asked for; gives what was found."""
    crystal = _crystal(request)
    namer, named_by = _namer(request, crystal)
    finder, found_by = _finder(request, crystal)
    source = open_movie(request.movie)
    pixel_nm, where = _pixel(request, source, crystal)
    request.out.mkdir(parents=True, exist_ok=True)
    said = f"{found_by}; {named_by}"
    follower = Follower(crystal, pixel_nm, memory=request.memory, namer=namer, finder=finder)
    shown = _Shown([], -(-max(source.shape) // _SHOWN_PX))
    for number in progress(range(source.frames), source.frames, "frames"):
        try:
            frame = source.frame(number)
        except FrameError as error:
            follower.fail(number, str(error))
            frame = np.zeros(source.shape, np.float32)
        else:
            follower.frame(number, frame)
        if len(shown.frames) < _SHOWN:
            shown.frames.append(_grey(frame, shown.step))
    followed = follower.end()
    tracks = followed.tracks
    told = [name for name in tracks if name not in (*FIRST, *_INNER)]
    table = tracks[[*FIRST, *told]].sort_values(["frame", TRACK]).round(5)
    write_table(request.out / "defects.csv", table)
    write_table(request.out / "defects.parquet", table)
    names = list(dict.fromkeys(tracks["smoothed"]))
    marked = gif(_marked(shown, tracks, names))
    with atomic_path(request.out / "marked.gif") as temporary:
        temporary.write_bytes(marked)
    why = write_mp4(request.out / "marked.mp4", _marked(shown, tracks, names))
    write_page(
        request.out / "index.html", _page(request, source, followed, shown, names, marked, (where, said))
    )
    counted = f"{len(table)} defects on {tracks[TRACK].nunique()} tracks in {source.frames} frames"
    page = f"{request.out / 'index.html'}: open it in a browser"
    return "\n".join(
        [f"{request.movie}: {counted}; {where}", said, page, *filter(None, [why]), *_failures(followed)]
    )


def _failures(followed: Followed) -> list[str]:
    """Say which frames were left out, and why; of many only the first."""
    told = [f"frame {number} was left out: {why}" for number, why in followed.failed.items()]
    rest = [f"... and {len(told) - _NOTES} more"] if len(told) > _NOTES else []
    return told[:_NOTES] + rest


def _crystal(request: DefectsRequest) -> Crystal:
    """Take the named crystal, with the lattice constant that is given; without a name kinds are not told."""
    if request.crystal is None:
        if request.lattice_nm is None:
            raise UserError("name the crystal (--crystal WS2) or its lattice constant (--lattice-nm 0.318)")
        return Crystal("unnamed", request.lattice_nm, (("C",), ("C",)), ())
    if request.crystal not in CRYSTALS:
        raise UserError(f"unknown crystal {request.crystal!r}; {nearest(request.crystal, list(CRYSTALS))}")
    known = CRYSTALS[request.crystal]
    return replace(known, a_nm=request.lattice_nm or known.a_nm)


def _namer(request: DefectsRequest, crystal: Crystal) -> tuple["Namer | None", str]:
    """Load what names defects, and say what does; `UserError` for a network that is asked for in vain."""
    namer, told, named = None, "", request.model not in (None, INTENSITY)
    if named and not crystal.kinds:
        raise UserError(f"--model {request.model}: name the crystal, too (--crystal WS2)")
    if crystal.kinds and request.model != INTENSITY:
        from tmdscope.lifecycle.naming import load_namer  # seconds

        namer, told = load_namer(request.model, crystal, request.sha256)
    if namer is not None:
        return namer, f"kinds are told by {told}"
    if request.sha256 is not None:
        raise UserError(f"--sha256: no network names defects here{told and f': {told}'}; name one by --model")
    return None, "kinds are told by the intensity of the site alone" + (told and f" ({told})")


def _finder(request: DefectsRequest, crystal: Crystal) -> tuple[SiteIntensity, str]:
    """Make what finds defects, and say what it is."""
    if request.detector is None:
        return SiteIntensity(), "defects are found by the intensities of sites"
    if not crystal.kinds:
        raise UserError(f"--detector {request.detector}: name the crystal, too (--crystal WS2)")
    from tmdscope.lifecycle.naming import Namer  # seconds

    network = Namer.load(request.detector, crystal)
    return Confirmed(chance=network.defect), f"defects are found by {network.title}"


def _pixel(request: DefectsRequest, source: Source, crystal: Crystal) -> tuple[float, str]:
    """Find the size of a pixel: given, of the file, or of the Bragg ring; the last has to agree."""
    given, where = (
        (request.pixel_nm, "as given")
        if request.pixel_nm is not None
        else (source.pixel_nm, "as the file says")
    )
    free, why = _ring(source, crystal.a_nm, None)
    ring = free if given is None else _ring(source, crystal.a_nm, given)[0]
    if given is not None and free is not None and (ring is None or free < (1 - AGREE) * ring):
        told = f"{source.path}: pixels are {given:.4g} nm {where}, but {free:.4g} nm by the Bragg ring"
        raise UserError(
            f"{told} of a lattice constant of {crystal.a_nm:g} nm; correct --pixel-nm or --lattice-nm"
        )
    if ring is None:
        raise UserError(f"{source.path}: no frame shows a hexagonal lattice of atoms ({why})")
    if given is None:
        return ring, f"pixels of {ring:.4g} nm by the Bragg ring"
    return given, f"pixels of {given:.4g} nm {where} ({ring:.4g} nm by the Bragg ring)"


def _ring(source: Source, a_nm: float, pixel_nm: float | None) -> tuple[float | None, str]:
    """Find the size of a pixel by the Bragg ring of the first frame that shows it; else say why none does."""
    why = ""
    for number in dict.fromkeys(np.linspace(0, source.frames - 1, _TRIED).astype(int).tolist()):
        try:
            bragg = find_bragg(source.frame(number), None if pixel_nm is None else a_nm / pixel_nm)
        except (LatticeError, FrameError) as error:
            why = why or str(error)
            continue
        return bragg.pixel_nm(a_nm), ""
    return None, why


def _grey(frame: NDArray[np.float32], step: int) -> NDArray[np.uint8]:
    rows, columns = (side // step for side in frame.shape)
    small = np.nan_to_num(frame[: rows * step, : columns * step], posinf=0.0, neginf=0.0)
    small = small.reshape(rows, step, columns, step).mean(axis=(1, 3))
    low, high = np.percentile(small, [0.5, 99.8])
    return np.asarray(np.clip((small - low) / max(high - low, 1e-12) * 255, 0, 255), dtype=np.uint8)


def _marked(shown: _Shown, tracks: pd.DataFrame, names: list[str]) -> Iterator[Image.Image]:
    for number, frame in enumerate(shown.frames):
        own = tracks[tracks["frame"] == number]
        yield annotated(frame, own.assign(label=own["smoothed"]), names, shown.step)


def _page(
    request: DefectsRequest,
    source: Source,
    followed: Followed,
    shown: _Shown,
    names: list[str],
    marked: bytes,
    told: tuple[str, str],
) -> Page:
    tracks, label = followed.tracks, "smoothed"
    still = without_drift(tracks, followed.drift)
    counted = tracks.groupby(label).agg(places=("frame", "size"), tracks=(TRACK, "nunique"))
    rows = [[str(name), str(one["places"]), str(one["tracks"])] for name, one in counted.iterrows()]
    notes: list[Block] = [Note(line) for line in _failures(followed)]
    short = [
        f"{len(tracks)} defects on {tracks[TRACK].nunique()} tracks in {source.frames} frames; {told[0]}.",
        f"{capital(told[1])}; smoothed along each track.",
    ]
    counts = counts_over_time(tracks, label, names, source.frames)
    first = trajectories(shown.frames[0], still, label, names, shown.step)
    figures: list[Block] = [
        Figure(f"The first {len(shown.frames)} frames.", "frames with marks", marked, "image/gif")
    ]
    if names:
        figures += [
            Figure("Defects of each class, frame by frame.", "counts", counts),
            Figure("Tracks, without the stage's drift.", "tracks", first),
            paths(still, label, names, source.frames),
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
