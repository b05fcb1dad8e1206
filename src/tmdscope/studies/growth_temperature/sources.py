"""Where images and temperatures come from, and the files of each source."""

from dataclasses import replace

from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.layout import Layout
from tmdscope.materials import nearest

SOURCES = ("simulated", "published", "images")
"""Where images and temperatures come from."""


def source_of(study: Study, source: str) -> Study:
    """Give the study on one of its sources, with files of its own."""
    if source not in SOURCES:
        raise UserError(f"unknown source {source!r}; {nearest(source, SOURCES)}")
    whole = study.layout
    layout = Layout(f"growth_temperature/{source}", whole.root, whole.settings)
    layout.tables = whole.tables / source
    layout.attempts = whole.attempts / source
    layout.audit = whole.audit.parent / "audits" / source / whole.audit.name
    return replace(study, layout=layout, source=layout.tables)
