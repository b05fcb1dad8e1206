"""The images on which two models disagree, in one picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.report.figures.images import Tile, contact_sheet

LARGEST = 48
"""Most images on a sheet."""


@dataclass(frozen=True)
class ContactSheet:
    """A sheet, or why there is none.

    Attributes
    ----------
    png : bytes or None
        The picture; None where there is none.
    caption : str
        What it shows and how many images there are in all, or why there is none.
    alt : str
        What is on the picture, for who cannot see it; empty without one.
    """

    png: bytes | None
    caption: str
    alt: str


def make_sheet(disagreements: pd.DataFrame, dataset: Dataset | None, missing: str) -> ContactSheet:
    """Draw the images on which two models disagree.

    Parameters
    ----------
    disagreements : pandas.DataFrame
        As `tmdscope.lifecycle.comparison.Comparison`, in the order of drawing.
    dataset : Dataset or None
        Prepared images; those that are meant are found by name and content.
    missing : str
        Why there is no data set, where there is none.

    Returns
    -------
    ContactSheet
        At most `LARGEST` images; a tile's number is the row of the table of disagreements.
    """
    count = len(disagreements)
    if not count:
        return ContactSheet(None, "The two models agree on every image: there is no contact sheet.", "")
    if dataset is None:
        return ContactSheet(None, f"No contact sheet of the {count} images: {missing}.", "")
    rows = find_images(disagreements, dataset)
    shown = np.flatnonzero(rows[:LARGEST] >= 0)
    if not len(shown):
        text = (
            f"No contact sheet: the data set at hand holds none of the {count} images (by name and content)."
        )
        return ContactSheet(None, text, "")
    tiles = [_tile(disagreements, int(k), dataset.images[rows[k]]) for k in shown]
    return ContactSheet(contact_sheet(tiles), _caption(count, len(shown), rows), _alt(disagreements, shown))


def find_images(disagreements: pd.DataFrame, dataset: Dataset) -> NDArray[np.int64]:
    """Find images in a data set.

    Parameters
    ----------
    disagreements : pandas.DataFrame
        Columns ``image_id`` and ``image_sha256``.
    dataset : Dataset
        Prepared images.

    Returns
    -------
    numpy.ndarray
        Row of each in the data set, int64; -1 where it holds no such image, or another one of that name.
    """
    keys = ["image_id", "image_sha256"]
    own = pd.MultiIndex.from_frame(dataset.manifest[keys])
    rows: NDArray[np.int64] = own.get_indexer(pd.MultiIndex.from_frame(disagreements[keys])).astype(np.int64)
    return rows


def percent(share: float) -> str:
    """Write a probability.

    Parameters
    ----------
    share : float
        In 0..1.

    Returns
    -------
    str
        ``98 %``.
    """
    return f"{share * 100:.0f} %"


def _tile(disagreements: pd.DataFrame, row: int, image: NDArray[np.uint8]) -> Tile:
    entry = disagreements.iloc[row]
    says = [
        (f"{letter}: {entry[side]} {percent(entry[f'p_{side}'])}", bool(entry[side] == entry["material"]))
        for letter, side in (("A", "first"), ("B", "second"))
    ]
    return Tile(np.array(image), f"{row + 1}. true {entry['material']}", says)


def _caption(count: int, shown: int, rows: NDArray[np.int64]) -> str:
    absent = int(np.count_nonzero(rows < 0))
    parts = [f"{shown} of the {count} images on which A and B disagree"]
    if shown < count - absent:
        parts.append("those of which both are surest, by the smaller of the two probabilities")
    if absent:
        parts.append(f"{absent} are not in the data set at hand")
    return (
        "; ".join(parts) + ". Each with its number in the table below, its true material, what each model "
        "says, and how probable it finds that."
    )


def _alt(disagreements: pd.DataFrame, shown: NDArray[np.int64]) -> str:
    part = disagreements.iloc[shown]
    right = [int((part[side] == part["material"]).sum()) for side in ("first", "second")]
    return (
        f"Grid of {len(part)} grey images with what A and B say of each: A is right on {right[0]}, "
        f"B on {right[1]}. The table below lists the same in words."
    )
