"""Images with a growth temperature, whose descriptors are the features, from whatever source they come."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.catalogue import PAPER, PHYSICAL
from tmdscope.analysis.descriptors.table import describe
from tmdscope.dataset.columns import read_order, warning_columns
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.store import (
    IMAGES,
    MANIFEST,
    RAW_SCHEMA,
    Dataset,
    read_descriptors,
    write_descriptors,
    write_manifest,
)
from tmdscope.jobs.study import Study
from tmdscope.params.images import DescribeParams, PrepareParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.levels import levels_of, name_level
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.studies.growth_temperature.record import DESCRIBED, IN_TEST, NUISANCE_COLUMNS, PREPARED

RAW = "raw"
"""In the folder of a source: what it gave, while that is worked on."""

DESCRIPTORS = tuple(item.name for item in (*PAPER, *PHYSICAL))


def fill(
    folder: Path,
    manifest: pd.DataFrame,
    temperatures: pd.Series,
    unit: str,
    asked: PrepareParams,
    describing: DescribeParams,
) -> Dataset:
    """Prepare and describe what lies in a folder's `RAW`, which is then removed; a class is a temperature."""
    raw = folder / RAW
    named = manifest.assign(label=[name_level(value, unit) for value in temperatures])
    write_manifest(raw / MANIFEST, named, RAW_SCHEMA)
    dataset = prepare(raw, folder / PREPARED, asked)
    heights = Heights.of(raw, dataset.manifest, asked.levelling.side_nm)
    table = describe(folder / PREPARED / IMAGES, heights, describing)
    write_descriptors(folder / DESCRIBED, table, dataset.manifest)
    shutil.rmtree(raw)
    return dataset


def classes_by_number(dataset: Dataset) -> tuple[str, ...]:
    """List the classes of a data set, the least number first."""
    names = dataset.classes
    return tuple(names[place] for place in np.argsort(levels_of(names).values))


def read_cohort(study: Study) -> Cohort:
    """Read what a source's stage wrote; in place of a descriptor that an image has not stands the median."""
    folder = study.layout.tables
    dataset = Dataset.load(folder / PREPARED)
    manifest, classes = dataset.manifest, classes_by_number(dataset)
    described = read_descriptors(folder / DESCRIBED, manifest)[list(DESCRIPTORS)].astype(float)
    described = described.reset_index(drop=True)
    known = described.loc[:, described.notna().any() & (described.max() > described.min())]
    nuisances = [name for name in (*NUISANCE_COLUMNS, IN_TEST) if name in manifest]
    known_of = manifest[nuisances].assign(**warning_columns(manifest))
    return Cohort.of(
        ORDERED_CLASSES,
        manifest,
        dataset.labels(classes),
        classes,
        features=known.fillna(known.median()).to_numpy(np.float32),
        order=read_order(manifest, "sample_id"),
        nuisance=known_of if len(known_of.columns) else None,
        statistics=described,
    )
