"""Preparing 1026 PNG images of 512 x 512 px to 224 x 224 px, against PIL in a plain loop."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.store import MANIFEST, PICTURES, RAW_SCHEMA, write_manifest
from tmdscope.files import sha256_file
from tmdscope.params.images import PrepareParams
from tmdscope.scan.surface import correlated_field

NAME = "prepare-1026"
UNIT = "images/min"
ITEMS = 1026
"""As many images as the paper's data set."""

RAW_PX = 512
SETTINGS = PrepareParams(size_px=224, percentiles=[0.5, 99.5])


def ours() -> None:
    """Decode, resize, hash, find duplicates, write the array and its manifest."""
    folder = Path(raw().name)
    prepare(folder / "raw", folder / "prepared", SETTINGS)


def baseline() -> None:
    """Decode and resize one after another, write the array."""
    folder = Path(raw().name)
    plain_prepare(sorted((folder / "raw" / PICTURES).iterdir()), folder / "plain.npy")


def plain_prepare(pictures: list[Path], target: Path) -> None:
    """Decode and resize pictures with PIL and save them as one array.

    Parameters
    ----------
    pictures : list of Path
        Square pictures.
    target : Path
        NPY file, uint8, shape (pictures, rows, columns).
    """
    images = []
    for path in pictures:
        with Image.open(path) as picture:
            small = picture.convert("L").resize((SETTINGS.size_px, SETTINGS.size_px), Image.Resampling.BOX)
            images.append(np.asarray(small))
    np.save(target, np.stack(images))


@cache
def raw(count: int = ITEMS) -> tempfile.TemporaryDirectory[str]:
    """Write raw pictures: correlated random surfaces with detector noise.

    Parameters
    ----------
    count : int, optional
        Number of pictures.

    Returns
    -------
    tempfile.TemporaryDirectory
        Its folder ``raw`` is what the ingest stage would have written.
    """
    keep = tempfile.TemporaryDirectory(prefix="tmdscope-")
    folder = Path(keep.name) / "raw"
    (folder / PICTURES).mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = []
    for number in range(count):
        path = folder / PICTURES / f"{number:04d}.png"
        surface = correlated_field(RAW_PX, 12.0, rng) + 0.1 * rng.standard_normal((RAW_PX, RAW_PX))
        Image.fromarray(np.clip(128 + 40 * surface, 0, 255).astype(np.uint8)).save(path)
        rows.append(
            {
                "image_id": path.name,
                "sample_id": str(number),
                "label": "MoS2",
                "pixel_size_nm": 1000 / RAW_PX,
                "source": "folder",
                "source_sha256": sha256_file(path),
            }
        )
    write_manifest(folder / MANIFEST, pd.DataFrame(rows), RAW_SCHEMA)
    return keep
