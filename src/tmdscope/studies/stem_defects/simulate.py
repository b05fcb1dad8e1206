"""Stage `simulate`: frames with known defects under drawn conditions, and windows around sites."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.files import atomic_path, sha256_array, write_table
from tmdscope.jobs.study import Study
from tmdscope.progress import progress
from tmdscope.stem.simulate import Condition, Frame, draw_condition, simulate_frames
from tmdscope.stem.sites import read_sites
from tmdscope.stem.windows import cut_windows, label_sites, to_grey
from tmdscope.studies.stem_defects.params import SimulateParams
from tmdscope.studies.stem_defects.study import IMAGES, MANIFEST, OBJECTS, windows_of


def run(study: Study) -> None:
    """Fill both folders of sources."""
    asked = study.section("simulate", SimulateParams)
    images, rows, objects = [], [], []
    for sample, condition, seed in progress(
        _conditions(asked, "f", asked.conditions), _total(asked), "frames"
    ):
        made = simulate_frames(asked.layer, condition, asked.size_px, asked.per_kind, asked.frames, seed)
        for number, frame in enumerate(made):
            name = f"{sample}-{number:02d}"
            images.append(frame.image.astype(np.float16))
            rows.append(_row(name, sample, frame.condition, images[-1]))
            objects.append(frame.truth.drop(columns="site").assign(image_id=name))
    _write(study.layout.raw, images, rows, pd.concat(objects, ignore_index=True))
    windows, labelled = _windows(asked)
    _write(windows_of(study).layout.raw, windows, labelled)
    print(f"{study.layout.raw}: {len(rows)} simulated frames, {len(windows)} windows, of {asked.crystal}")


def _conditions(asked: SimulateParams, prefix: str, count: int) -> Iterator[tuple[str, Condition, int]]:
    """Draw conditions; their streams are keyed by their names, so that more of them change none."""
    for noise in asked.noise:
        for number in range(count):
            sample = f"{prefix}{round(1000 * noise):04d}-{number:03d}"
            key = [asked.seed, *sample.encode()]
            rng = np.random.default_rng(key)
            yield sample, draw_condition(rng, noise=noise), int(rng.integers(2**31))


def _total(asked: SimulateParams) -> int:
    return len(asked.noise) * asked.conditions


def _row(name: str, sample: str, condition: Condition, image: Any) -> dict[str, Any]:
    ids = {"image_id": name, "sample_id": sample, "image_sha256": sha256_array(image)}
    return {**ids, **asdict(condition)}


def _windows(asked: SimulateParams) -> tuple[list[Any], list[dict[str, Any]]]:
    """Cut windows around the sites of all defects, and as many that are none as there are of a kind."""
    images: list[Any] = []
    rows: list[dict[str, Any]] = []
    for sample, condition, seed in _conditions(asked, "w", asked.window_conditions):
        rng = np.random.default_rng([seed, 1])
        of = (asked.layer, condition, asked.size_px, asked.window_per_kind, asked.window_frames, seed)
        for frame in simulate_frames(*of):
            for window, told in _cut(frame, 2 * asked.window_per_kind, rng):
                name = f"{sample}-{len(rows):05d}"
                rows.append({**_row(name, sample, frame.condition, window), **told})
                images.append(window)
    return images, rows


def _cut(
    frame: Frame, pristine: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    read = read_sites(frame.image)
    found = label_sites(read, frame.truth, pristine, frame.image.shape, rng)
    windows = to_grey(cut_windows(frame.image, read, found.sites))
    for site, label, window in zip(found.sites, found.labels, windows, strict=True):
        told = {"label": label, "change": read.change[site], "column": read.column[site], "ratio": read.ratio}
        yield window, told


def _write(
    raw: Path, images: list[Any], rows: list[dict[str, Any]], objects: pd.DataFrame | None = None
) -> None:
    with atomic_path(raw / IMAGES) as temporary:
        np.save(temporary, np.stack(images))
    write_table(raw / MANIFEST, pd.DataFrame(rows))
    if objects is not None:
        write_table(raw / OBJECTS, objects)
