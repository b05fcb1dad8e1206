"""Stage `fetch`: make the tables, or bring those that were published, or a user's own, into one form."""

import os
from pathlib import Path

import platformdirs

from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.stage import say
from tmdscope.studies.property_transfer.params import CurvesParams, TablesParams
from tmdscope.studies.property_transfer.tables import FOLDER_VARIABLE, PAIRS, fetch_tables


def run(study: Study) -> None:
    """Fill the folder of tables and say what they hold; `UserError` where too few compounds are there."""
    named = os.environ.get(FOLDER_VARIABLE)
    params, curves = study.section("tables", TablesParams), study.section("curves", CurvesParams)
    if named and params.source not in ("available", "published"):
        say(f"{FOLDER_VARIABLE} is set and not used: tables.source is {params.source!r}, not 'published'")
    cache = Path(platformdirs.user_cache_dir("tmdscope"), study.name)
    about = fetch_tables(params, Path(named) if named else None, cache, study.layout.tables)
    source, pairs, labels = about["source"], about["compounds"][PAIRS], curves.labels
    left = pairs - -(-pairs // curves.folds)
    told = (
        f"{params.csv.path if params.csv else source}: {pairs} compounds have both properties, so that "
        f"{left} are left to learn from beside a fold"
    )
    if left < labels[0]:
        raise UserError(
            f"{told}; curves.labels begins with {labels[0]}: lower it in {study.layout.settings}, or bring "
            "more compounds"
        )
    if left < labels[-1]:
        say(f"{told}: points of curves.labels above that are left out")
    held = ", ".join(f"{count} {name}" for name, count in about["compounds"].items())
    print(f"{study.layout.tables}: {held}; source {source}")
