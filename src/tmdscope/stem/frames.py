"""Movies as microscopes and people leave them: frame after frame, and the size of a pixel if it is told.

NPY, HDF5, TIFF stacks, pictures (PNG, JPEG, GIF) and folders of these are read here; ``.dm3``, ``.dm4``,
``.emd`` and ``.ser`` by rosettasciio (GPL, installed beside), in a process of its own.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.files import open_regular
from tmdscope.temporary import workspace

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
MICROSCOPES = (".dm3", ".dm4", ".emd", ".ser")

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "\u03bcm": 1e3, "micron": 1e3, "å": 0.1, "pm": 1e-3, "m": 1e9}
_LEAST = 64
_MOST_SIDE = 16384
_PLAUSIBLE_NM = (1e-4, 10.0)


@dataclass(frozen=True)
class Source:
    """A movie: so many frames (rows, columns), read when they are asked for, and its pixel size if told."""

    path: Path
    frames: int
    shape: tuple[int, int]
    pixel_nm: float | None
    read: Callable[[], Iterator[NDArray[Any]]]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Read the frames, float32, one at a time."""
        for frame in self.read():
            yield _grey(np.asarray(frame), self.path)


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
        said = str(error).partition("\n")[0][:200]
        raise UserError(
            f"{path} cannot be read as {suffix} ({said or type(error).__name__}); copy it again"
        ) from error


def _checked(source: Source) -> Source:
    rows, columns = source.shape
    if source.frames < 1 or min(rows, columns) < _LEAST or max(rows, columns) > _MOST_SIDE:
        told = f"{source.path} holds {source.frames} frames of {columns} x {rows} px"
        raise UserError(f"{told}; at least one of {_LEAST} to {_MOST_SIDE} px a side is needed")
    if source.pixel_nm is not None and not _PLAUSIBLE_NM[0] < source.pixel_nm < _PLAUSIBLE_NM[1]:
        return Source(source.path, source.frames, source.shape, None, source.read)
    return source


def _grey(frame: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Make one number of each pixel; colours are averaged, transparency is left out."""
    if frame.ndim == 3 and frame.shape[-1] in (3, 4):
        frame = frame[..., :3].mean(axis=-1)
    if frame.ndim != 2 or frame.dtype.kind not in "biuf":
        raise UserError(
            f"{path}: a frame is {frame.dtype} of shape {frame.shape}, not a picture of grey values"
        )
    return np.asarray(frame, dtype=np.float32)


def _stack(path: Path, values: Any, pixel_nm: float | None) -> Source:
    """Take an array of frames, or of one; it may lie on disk."""
    shape = tuple(values.shape)
    if len(shape) == 2:
        return Source(path, 1, (shape[0], shape[1]), pixel_nm, lambda: iter([values[:]]))
    if len(shape) != 3:
        raise UserError(
            f"{path} holds an array of shape {shape}; frames are (rows, columns) or (frames, rows, columns)"
        )
    return Source(
        path, shape[0], (shape[1], shape[2]), pixel_nm, lambda: (values[k] for k in range(shape[0]))
    )


def _npy(path: Path) -> Source:
    return _stack(path, np.load(path, mmap_mode="r", allow_pickle=False), None)


def _hdf5(path: Path) -> Source:
    import h5py

    file = h5py.File(path, "r")
    found: dict[str, Any] = {}
    file.visititems(lambda name, one: found.update({name: one}) if isinstance(one, h5py.Dataset) else None)
    images = {
        name: one for name, one in found.items() if one.ndim in (2, 3) and min(one.shape[-2:]) >= _LEAST
    }
    if len(images) != 1:
        names = ", ".join(sorted(images)[:8]) or "none"
        raise UserError(
            f"{path} holds {len(images)} arrays of frames ({names}); exactly one is read: copy it alone"
        )
    (values,) = images.values()
    told = {key: values.attrs.get(key, file.attrs.get(key)) for key in ("pixel_nm", "pixel_size_nm")}
    pixel = next((float(np.ravel(size)[0]) for size in told.values() if size is not None), None)
    return _stack(path, values, pixel)


def _tiff(path: Path) -> Source:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        count, shape = len(tiff.pages), (int(page.shape[0]), int(page.shape[1]))
        pixel = _tiff_pixel(tiff, page)
        if (
            count == 1 and tiff.series[0].ndim == 3 and tiff.series[0].shape[-1] > 4
        ):  # one page for a whole stack
            return _stack(path, tifffile.memmap(path, mode="r"), pixel)

    def read() -> Iterator[NDArray[Any]]:
        with tifffile.TiffFile(path) as tiff:
            for page in tiff.pages:
                yield page.asarray()

    return Source(path, count, shape, pixel, read)


def _tiff_pixel(tiff: Any, page: Any) -> float | None:
    """Find the size of a pixel: where a unit of length is told, and not the dots per inch of a printer."""
    imagej = tiff.imagej_metadata or {}
    unit = _NM.get(str(imagej.get("unit", "")).replace("\\u00B5", "µ").lower())
    tag = page.tags.get("XResolution")
    if unit is None or tag is None or not tag.value[0]:
        return None
    return float(unit * tag.value[1] / tag.value[0])


def _picture(path: Path) -> Source:
    from PIL import Image

    with Image.open(path) as picture:
        count, (columns, rows) = getattr(picture, "n_frames", 1), picture.size

    def read() -> Iterator[NDArray[Any]]:
        with Image.open(path) as picture:
            for number in range(count):
                picture.seek(number)
                deep = picture.mode.startswith(("I", "F"))
                yield np.asarray(picture if deep else picture.convert("L"))

    return Source(path, count, (rows, columns), None, read)


def _folder(path: Path) -> Source:
    """Take the frames of a folder in order of their names."""
    named = sorted(
        file for file in path.iterdir() if file.suffix.lower() in (*PICTURES, ".tif", ".tiff", ".npy")
    )
    if not named:
        raise UserError(f"{path} holds no pictures ({', '.join(PICTURES)}, .tif, .npy)")
    first = open_movie(named[0])

    def read() -> Iterator[NDArray[Any]]:
        for file in named:
            own = open_movie(file)
            if own.shape != first.shape:
                raise UserError(
                    f"{file} is {own.shape}, {named[0]} {first.shape}: frames of a movie are alike"
                )
            yield from own.read()

    frames = (
        len(named) * first.frames if first.frames == 1 else sum(open_movie(file).frames for file in named)
    )
    return Source(path, frames, first.shape, first.pixel_nm, read)


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
    return _stack(path, values, None if size is None else float(step) * size)
