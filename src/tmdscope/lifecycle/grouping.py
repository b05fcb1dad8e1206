"""Which scans of a folder to take: forward before backward, one size of each sample, each place once."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from tmdscope.dataset.content import room_for
from tmdscope.dataset.place import user_file
from tmdscope.dataset.prepare import prepare_scan
from tmdscope.lifecycle.inputs import read_ahead
from tmdscope.names import cell
from tmdscope.params.images import LevellingParams, PrepareParams
from tmdscope.progress import progress
from tmdscope.scan.read.channels import named_as_height
from tmdscope.scan.read.formats import holds_scan
from tmdscope.scan.read.read import decode_file

COLUMNS = ("channel", "scan_size_nm", "repeat")
"""What a manifest of scans has beside the required columns: `repeat` counts those of one sample."""

WHY = "why"
"""Of what is not proposed: why."""

SAME_PLACE, LATTICE = 0.75, 0.8
"""Correlation of two levelled scans at their best shift from which they show one place, and the share of it
that no other shift may reach. Simulated scans of 40 samples at 256 px: 0.9 and more where a place was scanned
again, moved by up to 8 % of the frame; 0.44 and less for two places of a sample. Real scans of different
samples: 0.64 and less; of two places of a colloidal lattice 0.94, which other shifts reach, too."""

_PIXELS = 64
_LOOK = PrepareParams(
    size_px=_PIXELS,
    percentiles=[0.5, 99.5],
    levelling=LevellingParams(crop_nm="whole", steps=["surface", "row_parabolas"]),
)
_TAPER = np.multiply.outer(np.hanning(_PIXELS), np.hanning(_PIXELS))
_LATELY = 20
"""Scans of one sample that a scan is compared with: repeats follow one another."""

_SAME_SIZE = 0.02
"""Share by which sizes of one setting differ."""

_BATCH = 16
_WAY = re.compile(r"(?i)(?<![a-z])(?:(forward|fwd|fw|trace)|(?:backward|bwd|bw|retrace))(?![a-z])")
"""The way of a scan in a file's name: there, or back."""

_BACK, _OTHER_SIZE, _AGAIN = "the way back", "another size than is proposed of this sample", "the same place"
"""How reasons begin."""

Row = dict[str, str]
Look = NDArray[np.complex128]


@dataclass(frozen=True)
class Scanned:
    """What a file with a scan holds: the channel that is taken and other heights, width in nm, and its look.

    `look` is a spectrum of the levelled heights; the correlation of two is the transform of their product.
    """

    channel: str
    others: tuple[str, ...]
    width_nm: float
    doubtful: bool
    look: Look


Scans = Mapping[str, Scanned]
"""Scans by their paths in the manifest, in its order."""


@dataclass
class Choice:
    """Rows to take, those that are left for later, each with a reason, and sentences about both."""

    rows: list[Row]
    others: list[Row] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def choose_scans(folder: Path, rows: Sequence[Row]) -> Choice:
    """Choose among the files of a manifest that can all be used; pictures and arrays are all taken."""
    scans = _read(folder, rows)
    if not scans:
        return Choice(list(rows))
    size_of = _sizes([scan.width_nm for scan in scans.values()])
    samples: dict[str, dict[str, Scanned]] = {}
    for row in rows:
        if row["path"] in scans:
            samples.setdefault(row["sample_id"], {})[row["path"]] = scans[row["path"]]
    common = _most_common(samples.values(), size_of)
    left = (_left_out(group, size_of, common) for group in samples.values())
    why = {path: reason for reasons in left for path, reason in reasons.items()}
    found, repeats = Choice([]), Counter[str]()
    for row in rows:
        scan = scans.get(row["path"])
        if scan is None:
            found.rows.append(row | dict.fromkeys(COLUMNS, ""))
            continue
        named = scan.channel if cell(scan.channel) == scan.channel else ""  # else it is found by the rule
        full = row | {"channel": named, "scan_size_nm": f"{scan.width_nm:.6g}", "repeat": ""}
        if row["path"] in why:
            found.others.append(full | {WHY: why[row["path"]]})
            continue
        repeats[row["sample_id"]] += 1
        found.rows.append(full | {"repeat": str(repeats[row["sample_id"]])})
        reason = f"another height channel of this file, of which {scan.channel} is proposed"
        found.others += [full | {"channel": cell(name), WHY: reason} for name in scan.others]
    found.told = [_tell_channels(found), *_tell_reasons(why, common), *_tell_sizes(found)]
    return found


def _read(folder: Path, rows: Sequence[Row]) -> dict[str, Scanned]:
    """Read the scans among the files; nothing else of them stays in memory than `Scanned` has."""
    paths = [row["path"] for row in rows]
    files = [user_file(folder, path)[1] for path in paths]
    given = (one for batch in read_ahead(files, _look_into, _BATCH) for one in batch)
    looked = zip(paths, progress(given, len(files), "group scans"), strict=True)
    return {path: one.image for path, one in looked if one.image is not None}


def _look_into(content: bytes, name: str) -> Scanned | None:
    if not holds_scan(content, name):
        return None
    with room_for(content, name):
        found = decode_file(content, name)
        scan = found.scan
        image = prepare_scan(scan.height_nm, scan.pixel_size_nm, _LOOK).image.astype(float)
    image = (image - np.average(image, weights=_TAPER)) * _TAPER
    look = fft.rfft2(image / max(float(np.linalg.norm(image)), 1.0))
    heights = [one.name for one in found.channels if named_as_height(one) and one.name != scan.channel]
    width_nm = scan.height_nm.shape[1] * scan.pixel_size_nm[0]
    return Scanned(scan.channel, tuple(heights), width_nm, bool(scan.warnings), look)


def _sizes(widths_nm: Iterable[float]) -> dict[float, float]:
    """Give each width the smallest one that is the same but for rounding."""
    same: dict[float, float] = {}
    first = 0.0
    for width in sorted(widths_nm):
        first = first if width <= first * (1 + _SAME_SIZE) else width
        same[width] = first
    return same


def _most_common(samples: Iterable[Scans], size_of: Mapping[float, float]) -> float:
    """Find the size that most samples have; of several that with most files, then the smallest."""
    each = [[size_of[scan.width_nm] for scan in group.values()] for group in samples]
    of_samples, of_files = Counter(chain(*map(set, each))), Counter(chain(*each))
    return min(of_files, key=lambda size: (-of_samples[size], -of_files[size], size))


def _left_out(group: Scans, size_of: Mapping[float, float], common: float) -> dict[str, str]:
    """Say which scans of a sample not to take, and why."""
    sizes = {size_of[scan.width_nm] for scan in group.values()}
    wanted = min(sizes, key=lambda size: abs(math.log(size / common)))
    ways = {path: _WAY.search(path) for path in group}
    beside = {path: (_WAY.sub("", path), size_of[scan.width_nm]) for path, scan in group.items()}
    there = {beside[path]: path for path, way in ways.items() if way and way[1]}
    left: dict[str, str] = {}
    taken: dict[str, Scanned] = {}
    for path, scan in sorted(group.items(), key=lambda item: item[1].doubtful):  # those without doubts first
        way, forward = ways[path], there.get(beside[path])
        if way and not way[1] and forward:
            left[path] = f"{_BACK} of {forward}"
        elif size_of[scan.width_nm] != wanted:
            left[path] = f"{_OTHER_SIZE}: {wanted:.6g} nm"
        elif again := _same_place(scan, list(taken.items())[-_LATELY:]):
            left[path] = f"{_AGAIN} as {again}"
        else:
            taken[path] = scan
    return left


def _same_place(scan: Scanned, taken: Iterable[tuple[str, Scanned]]) -> str | None:
    """Find a scan of the same place; none on a lattice, whose places are alike."""
    for path, other in taken:
        best, next_best = best_shifts(scan.look, other.look)
        if best >= SAME_PLACE and next_best < LATTICE * best:
            return path
    return None


def best_shifts(look: Look, other: Look) -> tuple[float, float]:
    """Give the two highest maxima of the correlation of two scans over all shifts; the second may be 0."""
    found = fft.irfft2(look * np.conj(other), s=(_PIXELS, _PIXELS))
    maxima = np.sort(found[found == ndimage.maximum_filter(found, 5, mode="wrap")])
    return float(maxima[-1]), float(maxima[-2]) if len(maxima) > 1 else 0.0


def _tell_channels(found: Choice) -> str:
    channels = Counter(row["channel"] for row in found.rows if row["channel"])
    listed = ", ".join(f"{name} ({count})" for name, count in channels.items())
    return (
        "of each scan one channel: heights that a sensor measured before those of the piezo, forward before "
        f"backward: {listed}"
    )


def _tell_reasons(why: Mapping[str, str], common: float) -> list[str]:
    told = {
        _BACK: f"{_BACK} of a scan that is proposed",
        _AGAIN: f"{_AGAIN} as another scan of their sample: a place is proposed once",
        _OTHER_SIZE: f"{_OTHER_SIZE}: {common:.6g} nm, which most samples have, or the nearest to it",
    }
    counts = {mark: sum(reason.startswith(mark) for reason in why.values()) for mark in told}
    return [f"left for later, {counts[mark]} files: {text}" for mark, text in told.items() if counts[mark]]


def _tell_sizes(found: Choice) -> list[str]:
    sizes = Counter(row["scan_size_nm"] for row in found.rows if row["scan_size_nm"])
    if len(set(_sizes(map(float, sizes)).values())) < 2:
        return []
    listed = ", ".join(f"{size} nm ({count})" for size, count in sizes.items())
    told = f"the scans proposed differ in size: {listed}; prepare.levelling.crop_nm cuts all to one, and "
    return [f"{told}audit.nuisance with scan_size_nm asks whether a score comes of it"]
