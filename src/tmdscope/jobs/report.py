"""Stage `report`: the numbers that DVC compares and the page that a person opens."""

from tmdscope.files import write_json
from tmdscope.jobs.study import Later, Study
from tmdscope.report.page import write_page

OF_A_TABLE = Later("tmdscope.jobs.table_report", "table_report")
"""The report of a study that declares none."""


def run(study: Study) -> None:
    """Write what the study says of what its stages left."""
    report, layout = (study.sections or OF_A_TABLE)(study), study.layout
    write_json(layout.metrics, report.metrics())
    write_page(layout.page, report.page())
    print(f"{layout.page}: open it in a browser; numbers in {layout.metrics}")
