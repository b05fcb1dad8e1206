"""Instruments' files that are HDF5: TopoStats', JPK's and Nanosurf's, told apart by what they hold."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.doubt import Doubt, named
from tmdscope.scan.read.channels import Channel, ScanError, StoredChannel

_NHF_TYPES = {np.dtype("i4"), np.dtype("i2")}


def find_topostats(path: Path) -> list[StoredChannel]:
    """List the images of a TopoStats file, read by AFMReader; heights are in nm, pixels square."""
    from AFMReader.topostats import load_topostats

    _refuse_other_files(path)
    content = load_topostats(path)
    pixel = float(content.get("pixel_to_nm_scaling", math.nan))
    arrays = {name: np.asarray(content[name]) for name in ("image", "image_original") if name in content}
    return [
        StoredChannel(
            Channel(name, "nm", (array.shape[0], array.shape[1]), (pixel, pixel)), partial(np.asarray, array)
        )
        for name, array in arrays.items()
        if array.ndim == 2
    ]


def _refuse_other_files(path: Path) -> None:
    """Refuse an HDF5 file whose values lie in other files: it would show what its reader may read."""
    import h5py

    outside = []

    def check(name: str, item: Any) -> None:  # h5py forgets what is raised here
        stored = isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)
        if stored or isinstance(item, h5py.ExternalLink):
            outside.append(name)

    with h5py.File(path) as file:
        file.visititems_links(check)
        file.visititems(check)
    if outside:
        raise ScanError(f"its {outside[0]!r} lies in another file: export it whole")


def find_h5_jpk(path: Path) -> list[StoredChannel]:
    """List the images of a JPK file in HDF5, of a movie every frame.

    AFMReader takes every frame for square and every channel for one in m, and is what this was compared with
    where it is right: a column of pixels for each frame, the first line at the bottom.
    """
    import h5py

    _refuse_other_files(path)
    found: list[StoredChannel] = []
    with h5py.File(path) as file:
        for measurement in _groups(file, "Measurement_"):
            grid = {
                key: float(measurement.attrs.get(f"position-pattern.grid.{key}", math.nan))
                for key in ("ulength", "vlength", "ilength", "jlength")
            }
            for channel in _groups(measurement, "Channel_"):
                found += _jpk_frames(path, channel, grid)
    return found


def _jpk_frames(path: Path, group: Any, grid: dict[str, float]) -> Iterator[StoredChannel]:
    import h5py

    name = (
        f"{_text(group.attrs['channel.name'])}_{'retrace' if _is_true(group.attrs['retrace']) else 'trace'}"
    )
    data = next((item for item in group.values() if isinstance(item, h5py.Dataset) and item.ndim == 2), None)
    if data is None:
        return
    if not all(math.isfinite(size) and size >= 1 for size in (grid["ilength"], grid["jlength"])):
        raise ScanError("it does not say how many pixels its grid has: it is damaged")
    rows, columns = int(grid["jlength"]), int(grid["ilength"])
    if data.shape[0] != rows * columns:
        raise ScanError(f"channel {name!r} holds {data.shape[0]} values of {columns} x {rows}: it is damaged")
    step, zero = (
        float(group.attrs.get(f"net-encoder.scaling.{key}", default))
        for key, default in (("multiplier", math.nan), ("offset", 0.0))
    )
    unit = _text(group.attrs.get("net-encoder.scaling.unit.unit", "")) if math.isfinite(step) else ""
    pixel = (grid["ulength"] * 1e9 / columns, grid["vlength"] * 1e9 / rows)
    for frame, (title, told) in enumerate(frames(name, data.shape[1])):
        read = partial(_jpk_values, path, data.name, frame, (rows, columns), step, zero)
        yield StoredChannel(Channel(title, unit, (rows, columns), pixel, told), read)


def frames(name: str, count: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give each frame of a movie a name, and say how many there are; a single one keeps its name."""
    for frame in range(1, count + 1):
        other = f"{name} frame {1 if frame == count else count}"
        told = f"it is frame {frame} of {count} of a movie: name another as channel {other!r}"
        yield (f"{name} frame {frame}", (named(Doubt.MOVIE, told),)) if count > 1 else (name, ())


def _jpk_values(
    path: Path, data: str, frame: int, shape: tuple[int, int], step: float, zero: float
) -> NDArray[np.float64]:
    import h5py

    with h5py.File(path) as file:
        values = np.asarray(file[data][:, frame], dtype=np.float64)
    return values.reshape(shape)[::-1] * step + zero


def find_nhf(path: Path) -> list[StoredChannel]:
    """List the images of a Nanosurf file in HDF5, forward and backward, versions 1 and 2 of the format.

    NSFopen gives values without unit, offset or size, turns frames of version 1 that are not square, and
    leaves out all measurements but the first. The axes are as Nanosurf's own Python library reads them: the
    slow one first in version 2, the first line at the bottom.
    """
    import h5py

    _refuse_other_files(path)
    found = []
    with h5py.File(path) as file:
        second = int(file.attrs["nsf_file_version_major"]) >= 2
        for measurement in _groups(file):
            for segment in _groups(measurement):
                about = dict(measurement.attrs) | dict(segment.attrs)
                if ("rect_axis_size" if second else "image_points_per_line") not in about:
                    continue  # a spectrum
                found += [
                    one
                    for data in segment.values()
                    if isinstance(data, h5py.Dataset) and (one := _nhf_channel(path, data, about, second))
                ]
    return found


def _nhf_channel(path: Path, data: Any, about: dict[str, Any], second: bool) -> StoredChannel | None:
    named, calibrated = ("signal_name", "signal_calibration") if second else ("name", "base_calibration")
    if named not in data.attrs:
        return None
    if second:
        (rows, columns), (height, width) = (tuple(about[f"rect_axis_{key}"]) for key in ("size", "range"))
    else:
        rows, columns = about["image_number_of_lines"], about["image_points_per_line"]
        height, width = about["image_size_y"], about["image_size_x"]
    name = f"{_text(about['segment_name' if second else 'name'])} {_text(data.attrs[named])}"
    shape = (int(rows), int(columns))
    if data.dtype not in _NHF_TYPES or data.size != math.prod(shape):
        raise ScanError(
            f"channel {name!r} holds {data.size} values of kind {data.dtype}, not {columns} x {rows} "
            "integers: it was stopped early or is damaged; save it as .nid"
        )
    low, high = (float(data.attrs[f"{calibrated}_{end}"]) for end in ("min", "max"))
    unit = _text(data.attrs.get(f"{calibrated}_unit", ""))
    channel = Channel(name, unit, shape, (float(width) * 1e9 / shape[1], float(height) * 1e9 / shape[0]))
    return StoredChannel(channel, partial(_nhf_values, path, data.name, shape, low, high))


def _nhf_values(
    path: Path, data: str, shape: tuple[int, int], low: float, high: float
) -> NDArray[np.float64]:
    """Scale the integers; lines of the lowest one throughout were not scanned."""
    import h5py

    with h5py.File(path) as file:
        stored = np.asarray(file[data]).reshape(shape)[::-1]
    least, most = np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max
    values = (stored.astype(np.float64) - least) * ((high - low) / (float(most) - float(least))) + low
    return np.where((stored == least).all(axis=1, keepdims=True), np.nan, values)


def _groups(parent: Any, beginning: str = "") -> list[Any]:
    import h5py

    return [
        item for key, item in parent.items() if key.startswith(beginning) and isinstance(item, h5py.Group)
    ]


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _is_true(value: Any) -> bool:
    return _text(value).strip().casefold() in ("true", "1")
