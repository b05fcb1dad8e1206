"""Stage `fetch`: the published tables and the temperatures, or why there are none."""

import os
from pathlib import Path

import platformdirs

from tmdscope.files import atomic_path, read_bytes, write_json
from tmdscope.jobs.study import Study
from tmdscope.studies.growth_temperature.record import ABSENT
from tmdscope.studies.growth_temperature.sources import source_of
from tmdscope.studies.growth_temperature.tables import (
    TEMPERATURES,
    find_temperatures,
    how_to_bring,
    read_temperatures,
)
from tmdscope.studies.published_features.params import FetchParams
from tmdscope.studies.published_features.tables import FOLDER_VARIABLE, fetch_tables, read_tables


def run(study: Study) -> None:
    """Fill the folder of tables; without temperatures nothing is fetched, and why is written down."""
    named, target = os.environ.get(FOLDER_VARIABLE), source_of(study, "published").layout.tables
    folder, cache = Path(named) if named else None, Path(platformdirs.user_cache_dir("tmdscope"))
    temperatures = find_temperatures(folder)
    with atomic_path(target) as workspace:
        if temperatures is None:
            workspace.mkdir()
            write_json(workspace / ABSENT, {"why": how_to_bring()})
            print(f"source `published` is not run: {how_to_bring()}")
            return
        note = fetch_tables(study.section("fetch", FetchParams), folder, cache, workspace)
        (workspace / TEMPERATURES).write_bytes(read_bytes(temperatures))
        known = read_temperatures(workspace / TEMPERATURES, read_tables(workspace))
    print(f"{target}: {len(known.rows)} images with a temperature, features from {note['origin']}")
