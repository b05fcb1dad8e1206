"""The images on which two models disagree, in one picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.report.figures.images import Tile, contact_sheet
from tmdscope.report.text import percent

LARGEST = 48
"""Most images on a sheet."""


@dataclass(frozen=True)
class ContactSheet:
    """A sheet; where there is none `caption` says why and `alt`, for who cannot see it, is empty."""

    png: bytes | None
    caption: str
    alt: str


def make_sheet(disagreements: pd.DataFrame, dataset: Dataset | None, missing: str) -> ContactSheet:
    """Draw at most `LARGEST` disagreements, numbered as table rows; `missing`: why there is no data set."""
    count = len(disagreements)
    if not count:
        return ContactSheet(None, "The two models agree on every image: there is no contact sheet.", "")
    if dataset is None:
        return ContactSheet(None, f"No contact sheet of the {count} images: {missing}.", "")
    rows = find_images(disagreements, dataset)
    shown = np.flatnonzero(rows[:LARGEST] >= 0)
    if not len(shown):
        told = f"the data set at hand holds none of the {count} images (by name and content)"
        return ContactSheet(None, f"No contact sheet: {told}.", "")
    tiles = [_tile(disagreements, int(k), dataset.images[rows[k]]) for k in shown]
    part = disagreements.iloc[shown]
    right = [int((part[side] == part["label"]).sum()) for side in ("first", "second")]
    alt = (
        f"Grid of {len(part)} grey images with what A and B say of each: A is right on {right[0]}, "
        f"B on {right[1]}. The table below lists the same in words."
    )
    return ContactSheet(contact_sheet(tiles), _caption(count, len(shown), rows), alt)


def find_images(disagreements: pd.DataFrame, dataset: Dataset) -> NDArray[np.int64]:
    """Give each image's row in a data set; -1 where it has none such, or another one of that name."""
    keys = ["image_id", "image_sha256"]
    own = pd.MultiIndex.from_frame(dataset.manifest[keys])
    rows: NDArray[np.int64] = own.get_indexer(pd.MultiIndex.from_frame(disagreements[keys])).astype(np.int64)
    return rows


def _tile(disagreements: pd.DataFrame, row: int, image: NDArray[np.uint8]) -> Tile:
    entry = disagreements.iloc[row]
    says = [
        (f"{letter}: {entry[side]} {percent(entry[f'p_{side}'], 0)} %", bool(entry[side] == entry["label"]))
        for letter, side in (("A", "first"), ("B", "second"))
    ]
    return Tile(np.array(image), f"{row + 1}. true {entry['label']}", says)


def _caption(count: int, shown: int, rows: NDArray[np.int64]) -> str:
    absent = int(np.count_nonzero(rows < 0))
    parts = [f"{shown} of the {count} images on which A and B disagree"]
    if shown < count - absent:
        parts.append("those of which both are surest, by the smaller of the two probabilities")
    if absent:
        parts.append(f"{absent} are not in the data set at hand")
    return (
        "; ".join(parts) + ". Each with its number in the table below, its true class, what each model "
        "says, and how probable it finds that."
    )
