"""Which temperature MoS2 was grown at (Moses & Reinhart, Mater. Charact. 209, 113701)."""

from collections.abc import Iterator

from tmdscope.dataset.columns import NO_ORDER, SAMPLE_ID
from tmdscope.jobs.study import Later, Study
from tmdscope.layout import Layout
from tmdscope.materials import nearest
from tmdscope.params.architectures import weights_of
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import BackboneParams, ExperimentParams, Strategy
from tmdscope.params.families import FRAMINGS
from tmdscope.params.images import (
    AttributionParams,
    DescribeParams,
    LatentParams,
    ModelTrackingParams,
    PromotionParams,
)
from tmdscope.params.rules import Settings
from tmdscope.scores.task import ORDERED_CLASSES, quantity
from tmdscope.studies.growth_temperature.params import (
    FramingParams,
    HonestyParams,
    ImagesParams,
    LeakParams,
    ModelsParams,
    NetworkParams,
    SimulatedGrowthParams,
    VariantsParams,
    edges_problem,
    in_unit,
)
from tmdscope.studies.growth_temperature.record import NUISANCE_COLUMNS
from tmdscope.studies.published_features.params import FetchParams

HERE = "tmdscope.studies.growth_temperature"
LAYOUT = Layout("growth_temperature")


def models_agree(settings: Settings) -> Iterator[str]:
    """Compare what the sections say of models, metrics and draws."""
    models, honesty = settings.get("models", ModelsParams), settings.get("honesty", HonestyParams)
    framing = settings.get("framing", FramingParams)
    simulated = settings.get("simulated", SimulatedGrowthParams).temperatures
    levels = [in_unit(celsius, framing.unit) for celsius in simulated]
    if framing.edges and (problem := edges_problem(framing.edges, levels)):
        yield f"framing.{problem}"
    tasks = {"regression": quantity(framing.unit, [0, 1])}
    for name, search in models.searches.items():
        for framed, metric in search.select.items():
            known = [one.name for one in tasks.get(framed, ORDERED_CLASSES).metrics]
            if metric not in known:
                where = f"models.searches.{name}.select.{framed}"
                yield f"{where}: {metric!r} is no metric; {nearest(metric, known)}"
    plain = [name for name, one in models.searches.items() if FRAMINGS[0] in one.framings]
    for name in honesty.held_out:
        if name not in plain:
            yield f"honesty.held_out: {name!r} is no {FRAMINGS[0]} model; {nearest(name, plain)}"


def network_agrees(settings: Settings) -> Iterator[str]:
    """Compare the network with what this study has of images, weights and names of classes."""
    asked, images = settings.get("network", NetworkParams), settings.get("images", ImagesParams)
    training, where = asked.training, "network.training"
    variants = settings.get("variants", VariantsParams)
    if asked.source == "images" and images.source == "none":
        yield "network.source is images, and images.source names none: name one, or take simulated"
    if variants.source == "images" and variants.enabled and images.source == "none":
        yield "variants.source is images, and images.source names none: name one, or take simulated"
    if training.target == "multilabel":
        yield f"{where}.target: temperatures have no atoms; take multiclass or ordinal"
    named: dict[str, ExperimentParams | BackboneParams] = {
        where: training,
        "variants.backbone": variants.backbone,
    }
    named |= {f"variants.others[{number}]": one for number, one in enumerate(variants.others)}
    for name, network in variants.networks.items():
        place = f"variants.networks.{name}"
        named[place] = network
        if network.strategy is Strategy.FEATURES:
            yield f"{place}.strategy: features trains no whole network; take finetune, partial or scratch"
        if network.checkpoint != "last":
            yield f"{place}.checkpoint: no image is left to choose an epoch; take last"
        if network.target == "multilabel":
            yield f"{place}.target: temperatures have no atoms; take multiclass or ordinal"
    for place, one in named.items():
        has = (*weights_of(one.architecture), *(() if place == where else ("simulated",)))
        if one.weights not in (*has, "none"):
            known = ", ".join(has)
            yield f"{place}: no weights {one.weights!r} of {one.architecture} here; take {known} or none"


def audit_agrees(settings: Settings) -> Iterator[str]:
    """Compare what the audit asks for with what is known of rows here."""
    asked = settings.get("audit", ManifestAuditParams)
    if asked.order not in (SAMPLE_ID, NO_ORDER):
        yield f"audit.order: {asked.order!r}: samples come in the order of their numbers: {SAMPLE_ID}"
    for name in asked.nuisance:
        if name not in NUISANCE_COLUMNS:
            yield f"audit.nuisance: {name!r} is not known here; {nearest(name, NUISANCE_COLUMNS)}"


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
        "variants": VariantsParams,
        "network": NetworkParams,
        "audit": ManifestAuditParams,
        "latent": LatentParams,
        "attribution": AttributionParams,
        "scoring": ScoringParams,
        "tracking": ModelTrackingParams,
        "promotion": PromotionParams,
    },
    rules=(models_agree, network_agrees, audit_agrees),
    layout=LAYOUT,
    source=LAYOUT.tables,
    cohort=Later(f"{HERE}.cohorts", "read_cohort"),
    task={"name": "ordered-classes"},
    sections=Later(f"{HERE}.report", "report_of"),
    verbs=(HERE,),
)
