"""Band gaps that are measured, from formulae and from gaps that are computed: which way pays, and when.

Hutchinson et al. 2017, *Overcoming data scarcity with transfer learning* (arXiv:1711.05099).
"""

from collections.abc import Iterator

from tmdscope.jobs.study import Later, Study
from tmdscope.layout import Layout
from tmdscope.params.images import ModelTrackingParams, PromotionParams
from tmdscope.params.rules import Settings
from tmdscope.params.settings import TABLE_SECTIONS
from tmdscope.studies.property_transfer.params import (
    BenchmarkParams,
    CurvesParams,
    ReactionsParams,
    TablesParams,
    WaysParams,
)

HERE = "tmdscope.studies.property_transfer"
LAYOUT = Layout("property_transfer")


def source_suits(settings: Settings) -> Iterator[str]:
    """Compare the source with what is asked of it."""
    tables = settings.get("tables", TablesParams)
    if tables.source == "csv" and settings.get("benchmark", BenchmarkParams).enabled:
        yield "tables.source is 'csv', which has no official folds: set benchmark.enabled to false"
    most = tables.simulated.compounds * 4 // 5
    if tables.source == "simulated" and (first := settings.get("curves", CurvesParams).labels[0]) > most:
        yield f"curves.labels begins with {first}, {most} compounds at most are left to learn from: lower it"


STUDY = Study(
    name="property_transfer",
    params={
        **{name: model for name, model in TABLE_SECTIONS.items() if name != "methods"},
        "tables": TablesParams,
        "ways": WaysParams,
        "curves": CurvesParams,
        "benchmark": BenchmarkParams,
        "reactions": ReactionsParams,
        "tracking": ModelTrackingParams,
        "promotion": PromotionParams,
    },
    rules=(source_suits,),
    layout=LAYOUT,
    source=LAYOUT.tables,
    cohort=Later(f"{HERE}.ways", "read_cohort"),
    task={"name": "quantity", "unit": "eV", "levels": [], "form": ".3f"},
    methods=Later(f"{HERE}.ways", "make_methods"),
    audited=("composition", "difference_known"),
    sections=Later(f"{HERE}.report", "report_of"),
    verbs=(HERE,),
)
