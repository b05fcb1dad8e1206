"""Stage `fetch`: bring the published tables here, from a folder of the user's or from the authors."""

import os
from pathlib import Path

import platformdirs

from tmdscope.dataset.published import DESCRIPTORS, FOLDER_VARIABLE, NO_DESCRIPTORS, fetch_tables
from tmdscope.params.published_study import FetchParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage

PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")


def main() -> None:
    """Fill `data/published/tables` and say where it came from."""
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else None
    source = fetch_tables(
        read_section("fetch", FetchParams, PARAMS),
        folder,
        Path(platformdirs.user_cache_dir("tmdscope")),
        TABLES,
    )
    print(f"{TABLES}: {sum(source['images'].values())} images, from {source['origin']}")
    if source["descriptors"] == NO_DESCRIPTORS:
        print(
            f"descriptors {NO_DESCRIPTORS}; the latent stage will report explained variance only. To have "
            f"them, put {DESCRIPTORS} beside the tables, name the folder in {FOLDER_VARIABLE} and run "
            "this stage again with --force"
        )


if __name__ == "__main__":
    run_stage(main)
