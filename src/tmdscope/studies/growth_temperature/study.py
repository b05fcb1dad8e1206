"""Which temperature MoS2 was grown at (Moses & Reinhart, Mater. Charact. 209, 113701)."""

from collections.abc import Iterator
from dataclasses import replace

from tmdscope.errors import UserError
from tmdscope.jobs.study import Later, Study
from tmdscope.layout import Layout
from tmdscope.materials import nearest
from tmdscope.params.common import ScoringParams, TrackingParams
from tmdscope.params.images import DescribeParams
from tmdscope.params.rules import Settings
from tmdscope.scores.task import ORDERED_CLASSES, quantity
from tmdscope.studies.growth_temperature.params import (
    FramingParams,
    HonestyParams,
    ImagesParams,
    LeakParams,
    ModelsParams,
    SimulatedGrowthParams,
)
from tmdscope.studies.published_features.params import FetchParams

HERE = "tmdscope.studies.growth_temperature"
LAYOUT = Layout("growth_temperature")

SOURCES = {
    "simulated": Later(f"{HERE}.described", "read_cohort"),
    "published": Later(f"{HERE}.tables", "read_cohort"),
    "images": Later(f"{HERE}.described", "read_cohort"),
}
"""Where images and temperatures come from, and what reads their cohort."""


def models_agree(settings: Settings) -> Iterator[str]:
    """Compare what the sections say of models, metrics and draws."""
    models, honesty = settings.get("models", ModelsParams), settings.get("honesty", HonestyParams)
    framing = settings.get("framing", FramingParams)
    tasks = {"regression": quantity(framing.unit, [0, 1])}
    for name, search in models.searches.items():
        for framed, metric in search.select.items():
            known = [one.name for one in tasks.get(framed, ORDERED_CLASSES).metrics]
            if metric not in known:
                where = f"models.searches.{name}.select.{framed}"
                yield f"{where}: {metric!r} is no metric; {nearest(metric, known)}"
    for name in honesty.held_out:
        if name not in models.searches:
            yield f"honesty.held_out: {name!r} is no model; {nearest(name, list(models.searches))}"


def source_of(study: Study, source: str) -> Study:
    """Give the study on one of its sources, with files of its own."""
    if source not in SOURCES:
        raise UserError(f"unknown source {source!r}; {nearest(source, list(SOURCES))}")
    whole = study.layout
    layout = Layout(f"growth_temperature/{source}", whole.root, whole.settings)
    layout.tables = whole.tables / source
    layout.attempts = whole.attempts / source
    return replace(study, layout=layout, source=layout.tables, cohort=SOURCES[source])


STUDY = Study(
    name="growth_temperature",
    params={
        "fetch": FetchParams,
        "simulated": SimulatedGrowthParams,
        "images": ImagesParams,
        "describe": DescribeParams,
        "framing": FramingParams,
        "models": ModelsParams,
        "honesty": HonestyParams,
        "leak": LeakParams,
        "scoring": ScoringParams,
        "tracking": TrackingParams,
    },
    rules=(models_agree,),
    layout=LAYOUT,
    source=LAYOUT.tables,
    cohort=SOURCES["simulated"],
    task={"name": "ordered-classes"},
    sections=Later(f"{HERE}.report", "report_of"),
    verbs=(HERE,),
)
