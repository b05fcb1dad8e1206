"""Where images come from: simulator, user's folder, published archive. What they give lies in one folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.archive import ingest_archive
from tmdscope.dataset.folder import ingest_folder
from tmdscope.dataset.place import check_apart
from tmdscope.dataset.store import HEIGHTS, MANIFEST, PICTURES, RAW_SCHEMA, write_manifest
from tmdscope.doubt import joined
from tmdscope.files import atomic_path, write_array
from tmdscope.materials import PUBLISHED_IMAGES
from tmdscope.params.images import DataParams, SimulatedParams
from tmdscope.progress import progress
from tmdscope.scan.plausible import doubts
from tmdscope.scan.simulate import (
    SamplePlan,
    drawing,
    flaw_truth,
    plan_samples,
    simulate_sample,
    surface_truth,
)

NOTE = "source.json"


def ingest(data: DataParams, raw: Path) -> pd.DataFrame:
    """Bring the images of the chosen source into one folder, replacing what it held, and give the manifest.

    A relative folder path in `data` starts at the current directory. `raw` gets ``manifest.parquet``, a row
    per image in the order of the heights, and either ``heights.npy`` (float32, shape (N, rows, columns), nm)
    or pictures under ``images/``; for an archive also ``source.json``, its files and their checksums.
    """
    if data.source == "folder":
        check_apart(Path(data.folder.path))
    with atomic_path(raw) as temporary:
        temporary.mkdir()
        if data.source == "simulated":
            manifest = _simulate(data.simulated, data.classes, temporary / HEIGHTS)
        elif data.source == "archive" and data.archive is not None:
            manifest = ingest_archive(data.archive, data.classes, temporary / PICTURES, temporary / NOTE)
        else:
            folder = data.folder
            manifest = ingest_folder(
                Path(folder.path), folder.manifest, data.classes, temporary / PICTURES, folder.channel
            )
        write_manifest(temporary / MANIFEST, manifest, RAW_SCHEMA)
    return manifest


def plan(settings: SimulatedParams, classes: list[str]) -> list[SamplePlan]:
    """Say which samples the simulator will give, without simulating any."""
    shares = {name: float(PUBLISHED_IMAGES[name]) for name in classes}
    return plan_samples(shares, settings.images, settings.samples, settings.seed)


def _simulate(settings: SimulatedParams, classes: list[str], heights: Path) -> pd.DataFrame:
    """Simulate sample by sample; only one sample's scans are ever held in memory."""
    plans = plan(settings, classes)
    rows: list[dict[str, Any]] = []
    shape = (settings.images, settings.size_px, settings.size_px)
    write_array(heights, _scan_heights(plans, settings, rows), shape, np.float32)
    return pd.DataFrame(rows)


def _scan_heights(
    plans: list[SamplePlan], settings: SimulatedParams, rows: list[dict[str, Any]]
) -> Iterator[NDArray[np.float32]]:
    """Yield one height map after another and append what is known of it to `rows`."""
    for plan in progress(plans, len(plans), "simulate samples"):
        scans = simulate_sample(
            plan, settings.size_px, settings.frame_nm, settings.seed, drawing(settings.flaws)
        )
        for number, simulated in enumerate(scans):
            rows.append(
                {
                    "image_id": f"{plan.sample_id}-{number}",
                    "sample_id": plan.sample_id,
                    "label": plan.material,
                    "pixel_size_nm": simulated.scan.pixel_size_nm[0],
                    "source": "simulated",
                    "source_sha256": simulated.scan.sha256,
                    "warnings": joined(doubts(simulated.scan.height_nm, settings.frame_nm)),
                    **simulated.truth,
                    **surface_truth(simulated),
                    **(flaw_truth(simulated) if settings.flaws else {}),
                }
            )
            yield simulated.scan.height_nm
