"""`tmdscope inspect`: what is in an instrument's file, and what levelling makes of it."""

import math
from pathlib import Path

from tmdscope.dataset.prepare import level_square
from tmdscope.files import atomic_path
from tmdscope.names import shown
from tmdscope.params.images import PrepareParams
from tmdscope.scan.level import flat
from tmdscope.scan.level_error import CHAINS, SURFACES, LevelError, errors_alike, estimate_alike
from tmdscope.scan.read.channels import Channel
from tmdscope.scan.read.read import InstrumentFile, read_file
from tmdscope.scan.scan import centred_square


def inspect_file(path: Path, settings: PrepareParams, picture: Path, channel: str | None = None) -> str:
    """Say what is in an instrument's file and draw its heights, before and after levelling, as a PNG."""
    found = read_file(path, channel)
    scan = found.scan
    levelled, square = level_square(scan.height_nm, scan.pixel_size_nm, settings)
    done = ", ".join(settings.levelling.steps) or "no step"
    what = f"{square.side_nm:.4g} nm, levelled: {done}"
    from tmdscope.report.figures.scan import before_and_after  # slow to import: errors come before it

    with atomic_path(picture) as temporary:
        temporary.write_bytes(before_and_after(scan, levelled, square.side_nm, what))
    return _describe(path, found, square.side_nm / settings.size_px, done) + f"picture: {picture}\n"


def compare_chains(path: Path, settings: PrepareParams, picture: Path, channel: str | None = None) -> str:
    """Draw a file's heights as each chain of `CHAINS` levels them, and say how far each would be off.

    The errors are of simulated surfaces like the scan, see `tmdscope.scan.level_error.errors_alike`.
    """
    scan = read_file(path, channel).scan
    square = centred_square(scan.height_nm.shape, scan.pixel_size_nm, settings.levelling.side_nm)
    height = square.cover(scan.height_nm)
    alike = estimate_alike(height, scan.pixel_size_nm)
    errors = errors_alike(alike)
    levelled = {
        f"{name}: {_error(errors[name])}": flat(
            height, settings.percentiles, steps, settings.levelling.points
        )
        for name, steps in CHAINS.items()
    }
    from tmdscope.report.figures.scan import side_by_side  # slow to import: errors come before it

    with atomic_path(picture) as temporary:
        temporary.write_bytes(side_by_side(levelled, square.side_nm))
    step = f"levels {alike.step_nm:.2g} nm apart" if math.isfinite(alike.step_nm) else "one level"
    seen = f"roughness {alike.roughness_nm:.2g} nm, line noise {alike.line_noise_nm:.2g} nm"
    lines = [
        f"{path}: {scan.channel}, {square.side_nm:.4g} nm",
        f"seen: {step}, the upper one on {alike.coverage:.0%}; {seen}",
        *(f"  {name} ({', '.join(steps)}): {_error(errors[name])}" for name, steps in CHAINS.items()),
        f"errors are an estimate on simulated surfaces like it, root mean squares over {SURFACES} of them:",
        "islands of one layer with this coverage, step, roughness, line noise and tilt; those of this scan",
        "itself are not known",
    ]
    return "".join(f"{shown(line)}\n" for line in lines) + f"picture: {picture}\n"


def _error(error: LevelError) -> str:
    return f"step off by {error.step:.0%}, roughness by {error.roughness:.0%}"


def _describe(path: Path, found: InstrumentFile, prepared_nm: float, done: str) -> str:
    scan = found.scan
    rows, columns = scan.height_nm.shape
    x, y = scan.pixel_size_nm
    lowest, highest = scan.height_nm.min(), scan.height_nm.max()
    lines = [
        f"{path}: {found.title}, {len(found.channels)} channel(s)",
        *(f"  {'*' if one.name == scan.channel else ' '} {_line(one)}" for one in found.channels),
        f"heights: {scan.channel}, {lowest:.4g} to {highest:.4g} nm on {columns * x:.6g} x {rows * y:.6g} nm",
        *(f"warning: {warning}" for warning in scan.warnings),
        f"sha256: {scan.sha256}",
        f"levelled: {done}; an image's pixel is {prepared_nm:.4g} nm",
    ]
    return "".join(f"{shown(line)}\n" for line in lines)


def _line(channel: Channel) -> str:
    rows, columns = channel.shape
    x, y = channel.pixel_size_nm
    return f"{channel.name}: {columns} x {rows} px of {x:.6g} x {y:.6g} nm, in {channel.unit or 'no unit'}"
