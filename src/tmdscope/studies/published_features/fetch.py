"""Stage `fetch`: bring the published tables here, from a folder of the user's or from the authors."""

import os
from pathlib import Path

import platformdirs

from tmdscope.jobs.study import Study
from tmdscope.studies.published_features.params import FetchParams
from tmdscope.studies.published_features.tables import (
    DESCRIPTORS,
    FOLDER_VARIABLE,
    NO_DESCRIPTORS,
    fetch_tables,
)


def run(study: Study) -> None:
    """Fill the folder of tables and say where they came from."""
    named, target = os.environ.get(FOLDER_VARIABLE), study.layout.tables
    folder, cache = Path(named) if named else None, Path(platformdirs.user_cache_dir("tmdscope"))
    source = fetch_tables(study.section("fetch", FetchParams), folder, cache, target)
    print(f"{target}: {sum(source['images'].values())} images, from {source['origin']}")
    if source["descriptors"] == NO_DESCRIPTORS:
        print(
            f"descriptors {NO_DESCRIPTORS}; the latent stage will report explained variance only. To have "
            f"them, put {DESCRIPTORS} beside the tables, name the folder in {FOLDER_VARIABLE} and run "
            "this stage again with --force"
        )
