"""All sections of a study together: each by its model, then what one says against another; nothing is run.

Every problem is found at once. A rule that needs a section which is wrong itself waits until that is mended.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.audit import AuditParams, ManifestAuditParams
from tmdscope.params.common import FoldsParams, ScoringParams, TrackingParams
from tmdscope.params.experiments import ExperimentParams, FeaturesParams
from tmdscope.params.families import FamilySearchParams, MethodsParams
from tmdscope.params.images import (
    AttributionParams,
    ComputeParams,
    DataParams,
    DescribeParams,
    LatentParams,
    ModelTrackingParams,
    PrepareParams,
    PretrainParams,
    PromotionParams,
    ReportParams,
    SplitParams,
)
from tmdscope.params.reading import Params, ParamsError, parse_section
from tmdscope.params.rules import RULES, Rule, Settings, WrongSectionError, name_problems
from tmdscope.params.search import SearchParams, parse_search
from tmdscope.params.sequential import SequentialParams

NAMED: Mapping[str, type[Params]] = {"experiments": ExperimentParams, "searches": SearchParams}
"""The sections whose keys are names that a person gives, and the model of an entry."""

IMAGE_SECTIONS: Mapping[str, type[Params]] = {
    "data": DataParams,
    "prepare": PrepareParams,
    "pretrain": PretrainParams,
    "split": SplitParams,
    "features": FeaturesParams,
    **NAMED,
    "sequential": SequentialParams,
    "audit": ManifestAuditParams,
    "scoring": ScoringParams,
    "tracking": ModelTrackingParams,
    "promotion": PromotionParams,
    "describe": DescribeParams,
    "compute": ComputeParams,
    "latent": LatentParams,
    "attribution": AttributionParams,
    "report": ReportParams,
}
"""Every section of a study on images, and its model."""

TABLE_SECTIONS: Mapping[str, type[Params]] = {
    "split": FoldsParams,
    "methods": MethodsParams,
    "pooled": FoldsParams,
    "search": FamilySearchParams,
    "audit": AuditParams,
    "scoring": ScoringParams,
    "tracking": TrackingParams,
}
"""Every section that all studies on a table of features have, and its model."""


def check_settings(
    content: Mapping[str, Any],
    source: str,
    models: Mapping[str, type[Params]] = IMAGE_SECTIONS,
    rules: Sequence[Rule] = RULES,
) -> Settings:
    """Check all the settings of a study at once.

    `ParamsError` where a section is missing, unknown or wrong, or two exclude each other: every problem, one
    to a line.
    """
    settings = Settings()
    problems = [
        f"{source}: unknown section {str(name)!r}; {nearest(str(name), list(models))}"
        for name in content
        if name not in models
    ]
    for name in [name for name in models if name not in NAMED]:
        if name not in content:
            problems.append(f"{source}: section {name!r} is missing")
            continue
        with _noting(problems):
            settings.sections[name] = parse_section(name, content[name], models[name], source)
    if NAMED.keys() <= models.keys():
        problems += _read_named(settings, content, source)
    for rule in rules:
        try:
            problems += [f"{source}: {problem}" for problem in rule(settings)]
        except WrongSectionError:
            continue
    if problems:
        raise ParamsError("\n".join(dict.fromkeys(problems)))
    return settings


def _read_named(settings: Settings, content: Mapping[str, Any], source: str) -> list[str]:
    """Read the entries that a person names, and say what is wrong with them."""
    problems = list[str]()
    experiments, searches = (content.get(name) for name in NAMED)
    if not isinstance(experiments, Mapping) or not experiments:
        problems.append(f"{source}: section 'experiments' must name at least one experiment")
        experiments = {}
    if not isinstance(searches, Mapping):
        problems.append(f"{source}: section 'searches' is missing; `searches: {{}}` is none")
        searches = {}
    problems += [f"{source}: {problem}" for problem in name_problems(experiments, searches)]
    for name, entry in experiments.items():
        with _noting(problems):
            where = f"experiments.{name}"
            settings.experiments[name] = parse_section(where, entry, ExperimentParams, source)
    for name, entry in searches.items():
        with _noting(problems):
            settings.searches[name], _ = parse_search(name, entry, experiments, source)
    return problems


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Note what is wrong and go on."""
    try:
        yield
    except UserError as error:
        problems.append(str(error))
