"""Stage `simulate`: scans of samples grown at known temperatures, their images and descriptors."""

from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from tmdscope.dataset.store import HEIGHTS, Dataset
from tmdscope.files import atomic_path, write_array
from tmdscope.jobs.study import Study
from tmdscope.params.images import DescribeParams
from tmdscope.processes import run_parts
from tmdscope.studies.growth_temperature.described import RAW, fill
from tmdscope.studies.growth_temperature.params import (
    FramingParams,
    SimulatedGrowthParams,
    Unit,
    in_unit,
)
from tmdscope.studies.growth_temperature.simulated import grow_sample, plan_growth
from tmdscope.studies.growth_temperature.sources import source_of


def run(study: Study) -> None:
    """Grow every sample; the same settings give the same bytes."""
    settings, unit = (
        study.section("simulated", SimulatedGrowthParams),
        study.section("framing", FramingParams).unit,
    )
    with atomic_path(source_of(study, "simulated").layout.tables) as workspace:
        workspace.mkdir()
        dataset = simulate(workspace, settings, unit, study.section("describe", DescribeParams))
    print(f"{len(dataset.images)} simulated images of {settings.samples} samples")


def simulate(
    folder: Path, settings: SimulatedGrowthParams, unit: Unit, describing: DescribeParams
) -> Dataset:
    """Grow every sample into a folder, see `fill`."""
    raw, side = folder / RAW, settings.size_px
    raw.mkdir()
    grown = run_parts(grow_sample, plan_growth(settings))
    manifest = pd.DataFrame([row for rows, _ in grown for row in rows])
    heights = chain.from_iterable(scans for _, scans in grown)
    write_array(raw / HEIGHTS, heights, (len(manifest), side, side), np.float32)
    return fill(
        folder,
        manifest,
        manifest["temperature"].map(partial(in_unit, unit=unit)),
        unit,
        settings.prepare,
        describing,
    )
