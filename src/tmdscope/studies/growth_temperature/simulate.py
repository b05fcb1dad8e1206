"""Stage `simulate`: scans of samples grown at known temperatures, their images and descriptors."""

import numpy as np
import pandas as pd

from tmdscope.files import atomic_path
from tmdscope.jobs.study import Study
from tmdscope.params.images import DescribeParams
from tmdscope.processes import run_parts
from tmdscope.studies.growth_temperature.described import IMAGES, TABLE
from tmdscope.studies.growth_temperature.params import SimulatedGrowthParams
from tmdscope.studies.growth_temperature.simulated import grow_sample, plan_growth
from tmdscope.studies.growth_temperature.study import source_of


def run(study: Study) -> None:
    """Grow every sample; the same settings give the same bytes."""
    settings, describe = (
        study.section("simulated", SimulatedGrowthParams),
        study.section("describe", DescribeParams),
    )
    grown = run_parts(grow_sample, plan_growth(settings, describe))
    table = pd.DataFrame([row for rows, _ in grown for row in rows])
    with atomic_path(source_of(study, "simulated").layout.tables) as workspace:
        workspace.mkdir()
        table.to_parquet(workspace / TABLE, index=False)
        np.save(workspace / IMAGES, np.concatenate([images for _, images in grown]))
    print(f"{len(table)} simulated images of {settings.samples} samples")
