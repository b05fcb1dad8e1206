"""Movies as microscopes and people leave them: frame by frame, and the size of a pixel if it is told.

NPY, HDF5, TIFF stacks, pictures (PNG, JPEG, GIF) and folders of these are read here; ``.dm3``, ``.dm4``,
``.emd`` and ``.ser`` by rosettasciio (GPL, installed beside), in a process of its own.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.files import open_regular
from tmdscope.temporary import workspace

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
MICROSCOPES = (".dm3", ".dm4", ".emd", ".ser")

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "\u03bcm": 1e3, "micron": 1e3, "m": 1e9, "pm": 1e-3}
_NM.update(dict.fromkeys(("å", "angstrom"), 0.1))
_RESOLUTION_NM = {2: 2.54e7, 3: 1e7}
"""By the TIFF tag ResolutionUnit: inch, centimetre."""
_LEAST = 64
_MOST_SIDE = 8192
_PLAUSIBLE_NM = (1e-4, 10.0)


class FrameError(UserError):
    """One frame of a movie cannot be read; others may be."""


@dataclass(frozen=True)
class Source:
    """A movie: so many frames (rows, columns), each read when it is asked for, and its pixel size if told."""

    path: Path
    frames: int
    shape: tuple[int, int]
    pixel_nm: float | None
    read: Callable[[int], Any]

    def frame(self, number: int) -> NDArray[np.float32]:
        """Read a frame, float32, (rows, columns); `FrameError` where it is damaged or not like the others."""
        where = f"{self.path}, frame {number}"
        try:
            values = _grey(np.asarray(self.read(number)))
        except Exception as error:  # on damaged files libraries raise anything
            raise FrameError(f"{where} cannot be read: {_said(error)}") from error
        if values.shape != self.shape:
            raise FrameError(f"{where} is {_size(values.shape)}, the others {_size(self.shape)}")
        return values

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Read all frames, one at a time."""
        return (self.frame(number) for number in range(self.frames))


def open_movie(path: Path) -> Source:
    """Open a movie or a single frame; `UserError` names the file and says what could be done."""
    if path.is_dir():
        return _checked(_folder(path))
    suffix = path.suffix.lower()
    openers: dict[str, Callable[[Path], Source]] = {
        ".npy": _npy,
        **dict.fromkeys((".tif", ".tiff"), _tiff),
        **dict.fromkeys((".h5", ".hdf5"), _hdf5),
        **dict.fromkeys(PICTURES, _picture),
        **dict.fromkeys(MICROSCOPES, _microscope),
    }
    if suffix not in openers:
        raise UserError(
            f"{path}: {suffix or 'no suffix'} is none of {', '.join(openers)}, or a folder of pictures"
        )
    try:
        open_regular(path).close()
        return _checked(openers[suffix](path))
    except (UserError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # on damaged files libraries raise anything
        raise UserError(f"{path} cannot be read as {suffix} ({_said(error)}); copy it again") from error


def _said(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} px" if len(shape) == 2 else f"of shape {shape}"


def _checked(source: Source) -> Source:
    rows, columns = source.shape
    if source.frames < 1 or min(rows, columns) < _LEAST or max(rows, columns) > _MOST_SIDE:
        told = f"{source.path} holds {source.frames} frames of {_size(source.shape)}"
        raise UserError(f"{told}; at least one of {_LEAST} to {_MOST_SIDE} px a side is needed")
    if source.pixel_nm is not None and not _PLAUSIBLE_NM[0] < source.pixel_nm < _PLAUSIBLE_NM[1]:
        return replace(source, pixel_nm=None)
    return source


def _grey(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Make one number of each pixel; colours are averaged, transparency is left out."""
    if frame.ndim == 3 and frame.shape[-1] in (3, 4):
        frame = frame[..., :3].mean(axis=-1)
    if frame.ndim != 2 or frame.dtype.kind not in "biuf":
        raise UserError(f"it is {frame.dtype} of shape {frame.shape}, not a picture of grey values")
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and told as such
        return np.asarray(frame, dtype=np.float32)


def _stack(path: Path, open_array: Callable[[], Any], pixel_nm: float | None) -> Source:
    """Take an array of frames, or of one. Axes of length 1 before the frames go.

    What lies on disk is opened for each frame: what stays mapped stays in memory, once it is read.
    """
    values = open_array()
    shape, lead = tuple(values.shape), 0
    while len(shape) - lead > 3 and shape[lead] == 1:
        lead += 1
    kind = np.dtype(values.dtype).kind
    if kind not in "biuf":
        raise UserError(f"{path} holds {values.dtype} values; frames are of whole or real numbers")
    at, rest = (0,) * lead, shape[lead:]
    coloured = len(rest) == 4 and rest[-1] in (3, 4)
    if len(rest) == 2:
        return Source(path, 1, (rest[0], rest[1]), pixel_nm, lambda _: open_array()[at])
    if len(rest) != 3 and not coloured:
        raise UserError(
            f"{path} holds an array of shape {shape}; frames are (rows, columns) or (frames, rows, columns)"
        )
    if rest[-1] in (3, 4) and not coloured and kind != "f":  # one coloured picture
        return Source(path, 1, (rest[0], rest[1]), pixel_nm, lambda _: open_array()[at])
    return Source(path, rest[0], (rest[1], rest[2]), pixel_nm, lambda number: open_array()[(*at, number)])


def _npy(path: Path) -> Source:
    return _stack(path, partial(np.load, path, mmap_mode="r", allow_pickle=False), None)


def _hdf5(path: Path) -> Source:
    import h5py

    file = h5py.File(path, "r")
    found: dict[str, Any] = {}
    file.visititems(lambda name, one: found.update({name: one}) if isinstance(one, h5py.Dataset) else None)
    images = {name: one for name, one in found.items() if one.ndim >= 2 and min(one.shape[-2:]) >= _LEAST}
    if len(images) != 1:
        names = ", ".join(sorted(images)[:8]) or "none"
        raise UserError(
            f"{path} holds {len(images)} arrays of frames ({names}); exactly one is read: copy it alone"
        )
    (values,) = images.values()
    if values.is_virtual or values.external:
        raise UserError(f"{path}: {values.name} lies in other files; copy it into one file: h5repack")
    told = {key: values.attrs.get(key, file.attrs.get(key)) for key in ("pixel_nm", "pixel_size_nm")}
    pixel = next((float(np.ravel(size)[0]) for size in told.values() if size is not None), None)
    return _stack(path, lambda: values, pixel)


def _tiff(path: Path) -> Source:
    import tifffile

    tiff = tifffile.TiffFile(path)
    page = tiff.pages.first
    count, shape = len(tiff.pages), (int(page.shape[0]), int(page.shape[1]))
    pixel = _tiff_pixel(tiff, page)
    whole = tiff.series[0]
    if count == 1 and whole.ndim == 3 and whole.shape[-1] > 4:  # one page for a whole stack
        mapped = partial(tifffile.memmap, path, mode="r") if page.is_memmappable else None
        return _stack(path, mapped or cache(whole.asarray), pixel)
    return Source(path, count, shape, pixel, lambda number: tiff.pages[number].asarray())


def _tiff_pixel(tiff: Any, page: Any) -> float | None:
    """Find the size of a pixel; the dots per inch of a printer are not plausible ones of atoms."""
    imagej = tiff.imagej_metadata or {}
    unit = _NM.get(str(imagej.get("unit", "")).replace("\\u00B5", "µ").lower())
    tag, of = page.tags.get("XResolution"), page.tags.get("ResolutionUnit")
    if unit is None and of is not None:
        unit = _RESOLUTION_NM.get(int(of.value))
    if unit is None or tag is None or not tag.value[0]:
        return None
    return float(unit * tag.value[1] / tag.value[0])


def _picture(path: Path) -> Source:
    from PIL import Image

    picture = Image.open(path)
    count, (columns, rows) = getattr(picture, "n_frames", 1), picture.size

    def read(number: int) -> NDArray[Any]:
        picture.seek(number)
        deep = picture.mode.startswith(("I", "F"))
        return np.asarray(picture if deep else picture.convert("L"))

    return Source(path, count, (rows, columns), None, read)


def _folder(path: Path) -> Source:
    """Take the frames of a folder in order of their names, numbers by their value."""
    named = sorted(
        (file for file in path.iterdir() if file.suffix.lower() in (*PICTURES, ".tif", ".tiff", ".npy")),
        key=lambda file: [(int(part), "") if part.isdigit() else (-1, part) for part in _PARTS(file.name)],
    )
    if not named:
        raise UserError(f"{path} holds no pictures ({', '.join(PICTURES)}, .tif, .npy)")
    first = open_movie(named[0])
    return Source(path, len(named), first.shape, first.pixel_nm, lambda number: _single(named[number]))


_PARTS = re.compile(r"(\d+)").split


def _single(path: Path) -> NDArray[np.float32]:
    movie = open_movie(path)
    if movie.frames != 1:
        raise UserError(
            f"{path} holds {movie.frames} frames: a folder has one in each file, or name the file"
        )
    return movie.frame(0)


def _microscope(path: Path) -> Source:
    """Have rosettasciio write the frames into a folder that goes when they have been mapped."""
    script = Path(__file__).with_name("rosetta_reader.py")
    with workspace(Path.cwd(), ".movie") as folder:
        target = folder / "frames.npy"
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(script), str(path), str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise UserError(
                f"{path} was not read by rosettasciio ({said[0][:200]}); pip install rosettasciio"
            )
        values = np.load(target, mmap_mode="r", allow_pickle=False)
    step, _, unit = done.stdout.strip().partition(" ")
    size = _NM.get(unit.lower()) if step else None
    return _stack(path, lambda: values, None if size is None else float(step) * size)
