"""The images, or rows of a table, of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset
from tmdscope.report.figures.images import image_grid
from tmdscope.report.page import Block, Claim, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import readable, spelled
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.records import Pooled
from tmdscope.scores.text import capital, estimated, plural, unit_of


@dataclass(frozen=True)
class Data(Part):
    """A data set, how many images of each class (rows) each part (columns) has, and of what the test is.

    `note` is said first where it is not empty; `shown` are the images of each class that are drawn.
    """

    dataset: Dataset
    classes: Sequence[str]
    counts: pd.DataFrame
    test: Estimate
    what: str
    simulated: bool
    note: str
    shown: int

    def metrics(self) -> dict[str, Any]:
        """Say what the data are."""
        manifest = self.dataset.manifest
        return {
            "data": {
                "simulated": self.simulated,
                "images": len(manifest),
                "distinct_images": int(manifest["duplicate_of"].isna().sum()),
                "samples": int(manifest["sample_id"].nunique()),
                "sha256": self.dataset.digest,
            }
        }

    def sentences(self) -> list[str]:
        """Say what the data are."""
        distinct = int(self.dataset.manifest["duplicate_of"].isna().sum())
        said = (
            f"Data: {self.what}, {distinct} of them distinct, in {len(self.classes)} classes; "
            f"{self.test.images} images of {self.test.samples} samples are the held-out test."
        )
        return [said]

    def claim(self) -> Claim:
        """Say how many images there are, and how many nothing was trained or chosen with."""
        return Claim(
            f"{capital(self.what)}; {self.test.images} images of {self.test.samples} samples were held out "
            "of everything."
        )

    def section(self) -> Section:
        """Count the images of each class, show some, and list the files that are doubtful."""
        manifest = self.dataset.manifest
        grid = {}
        for name in self.classes:
            of_class = manifest[manifest["label"] == name].drop_duplicates("sample_id")
            grid[name] = [np.array(self.dataset.images[row]) for row in of_class.index[: self.shown]]
        header = ["Class", *(readable(column) for column in self.counts.columns)]
        rows = [[str(name), *(str(int(value)) for value in row)] for name, row in self.counts.iterrows()]
        duplicates = int(manifest["duplicate_of"].notna().sum())
        blocks: list[Block] = [
            Paragraph(
                f"{self.what}; {duplicates} images repeat another one exactly. Samples never cross from one "
                "part to another: the audit of the split proved it before anything was trained."
            ),
            Table(f"Images per class and part ({self.what})", header, rows),
            Figure(
                "One image each of some samples per class, as the networks see them.",
                f"Grid of grey images, one row per class: {', '.join(self.classes)}.",
                image_grid(grid),
            ),
            *channels_read(manifest),
            *doubtful_files(manifest),
        ]
        return Section("Data", [*([Note(self.note)] if self.note else []), *blocks])


def channels_read(manifest: pd.DataFrame) -> list[Paragraph]:
    """Say which channels of instrument files were read, the most frequent first."""
    counts = manifest["channel"].value_counts() if "channel" in manifest else {}
    told = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return [Paragraph(f"Channels of instrument files that were read, with images: {told}.")] if told else []


def doubtful_files(manifest: pd.DataFrame) -> list[Table]:
    """List the scans and heights that ingest had doubts about."""
    if "warnings" not in manifest:
        return []
    files = manifest[manifest["warnings"].notna()]
    named = {"image_id": "Image", "channel": "Channel", "warnings": "What"}
    columns = [name for name in named if name in manifest]
    rows = [[str(cell) for cell in row] for row in files[columns].fillna("").to_numpy()]
    caption = f"Heights that are doubtful ({len(files)} of {len(manifest)} images)"
    header = [named[name] for name in columns]
    return [Table(caption, header, rows, words_last=True)] if rows else []


@dataclass(frozen=True)
class TableData(Part):
    """Rows, the held-out of them, and methods pooled over outer folds, by how they are called in short.

    Attributes
    ----------
    kind, seen_as, about : str
        What the rows are called, as what they are seen, and where they and the split are from.
    beside : mapping
        Header of a further column to what it says of each class.
    more : sequence of str
        Further sentences.
    """

    cohort: Cohort
    split: Split
    pooled: Mapping[str, Pooled]
    folds: int
    kind: str
    seen_as: str
    about: str
    each: str
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    more: Sequence[str] = ()

    def _counts(self) -> dict[str, int]:
        """Held-out rows of each class, or range of numbers."""
        held_out = np.flatnonzero(np.isin(self.cohort.image_ids, self.split.test))
        return self.cohort.count(held_out)

    def metrics(self) -> dict[str, Any]:
        """Say what the data are."""
        cohort = self.cohort
        return {
            "dataset": {
                "images": len(cohort),
                "distinct_images": int(cohort.distinct.sum()),
                "samples": len(set(cohort.sample_ids)),
                "sha256": cohort.digest,
            },
            "split": {"test": self._counts()},
        }

    def sentences(self) -> list[str]:
        """Say what the data are, and how good each method is on samples that it never saw."""
        numbers, plain = self.metrics()["dataset"], self.cohort.task.plain
        told = (f"{name} {estimated(plain, of.all)} {unit_of(plain)}" for name, of in self.pooled.items())
        data = (
            f"Data: {numbers['images']} {self.kind} ({numbers['distinct_images']} distinct) of "
            f"{numbers['samples']} samples{self.seen_as}."
        )
        scores = (
            f"{capital(plain.title)} when the sample was never seen, pooled over {spelled(self.folds)} outer "
            "folds (95 % intervals bootstrapped by sample, as all in brackets here): "
            f"{'; '.join(map(str.rstrip, told))}. The intervals of two {plural(self.cohort.task.method)} "
            "alone do not say which is better."
        )
        return [data, scores, *self.more]

    def claim(self) -> Claim:
        """Say how many rows there are."""
        numbers = self.metrics()["dataset"]
        return Claim(f"{numbers['images']} {self.kind} of {numbers['samples']} samples{self.seen_as}.")

    def section(self) -> Section:
        """Count the rows of each class, or range of numbers."""
        everything = self.cohort.count(np.arange(len(self.cohort)))
        rows = [
            [name, str(everything[name]), str(count), *(str(of[name]) for of in self.beside.values())]
            for name, count in self._counts().items()
        ]
        table = Table(
            f"{capital(plural(self.cohort.row))} per {self.each.lower()}",
            [self.each, "all", "test", *self.beside],
            rows,
        )
        return Section("Data and split", [Paragraph(self.about), table])
