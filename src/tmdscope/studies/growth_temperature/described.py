"""Images with a growth temperature, whose descriptors are the features, from whatever source they come."""

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.catalogue import PAPER, PHYSICAL
from tmdscope.dataset.columns import read_order
from tmdscope.files import read_table
from tmdscope.jobs.study import Study
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.studies.growth_temperature.params import FramingParams
from tmdscope.studies.growth_temperature.record import IN_TEST

TABLE = "images.parquet"
"""A row per image: id, sample and hash, ``temperature``, nuisances, the simulator's truth, descriptors."""

IMAGES = "images.npy"
"""The same images, uint8, N x S x S."""

NUISANCES = ("time_min", "plane", IN_TEST)
"""Columns of what should not matter, and of the paper's test, where a source knows them."""

DESCRIPTORS = tuple(item.name for item in (*PAPER, *PHYSICAL))


def cohort_of(table: pd.DataFrame, unit: str) -> Cohort:
    """Make the cohort of described images; in place of a descriptor that one has not stands the median."""
    levels, labels = np.unique(table["temperature"].to_numpy(float), return_inverse=True)
    described = table[list(DESCRIPTORS)].astype(float)
    known = described.loc[:, described.notna().any() & (described.max() > described.min())]
    nuisances = [name for name in NUISANCES if name in table]
    return Cohort.of(
        ORDERED_CLASSES,
        table,
        labels.astype(np.int64),
        [f"{level:g} {unit}" for level in levels],
        features=known.fillna(known.median()).to_numpy(np.float32),
        order=read_order(table, "sample_id"),
        nuisance=table[nuisances] if nuisances else None,
        statistics=described,
    )


def read_cohort(study: Study) -> Cohort:
    """Read what a source's stage wrote."""
    table = read_table(study.layout.tables / TABLE, types={"image_id": str, "sample_id": str})
    return cohort_of(table, study.section("framing", FramingParams).unit)
