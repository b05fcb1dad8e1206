"""Stage `fetch`: make the tables, or bring those that were published, or a user's own, into one form."""

import os
from pathlib import Path

from tmdscope.jobs.study import Study
from tmdscope.studies.property_transfer.params import TablesParams
from tmdscope.studies.property_transfer.tables import FOLDER_VARIABLE, fetch_tables


def run(study: Study) -> None:
    """Fill the folder of tables and say what they hold."""
    named = os.environ.get(FOLDER_VARIABLE)
    params = study.section("tables", TablesParams)
    about = fetch_tables(params, Path(named) if named else None, study.layout.tables)
    held = ", ".join(f"{count} {name}" for name, count in about["compounds"].items())
    print(f"{study.layout.tables}: {held}; source {about['source']}")
