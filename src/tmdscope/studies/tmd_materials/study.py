"""Materials of transition metal dichalcogenides, told from images of an atomic force microscope.

Moses & Reinhart, doi:10.1088/2632-2153/ada2da.
"""

from tmdscope.jobs.study import Later, Study
from tmdscope.layout import MAIN
from tmdscope.params.rules import RULES
from tmdscope.params.settings import IMAGE_SECTIONS

STUDY = Study(
    name="tmd_materials",
    params=IMAGE_SECTIONS,
    rules=RULES,
    layout=MAIN,
    source=MAIN.prepared,
    cohort=Later("tmdscope.jobs.images.cohort", "read_cohort"),
    task={"name": "classes"},
    sections=Later("tmdscope.studies.tmd_materials.report", "report_of"),
    verbs=("tmdscope.jobs.images",),
)
