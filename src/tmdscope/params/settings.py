"""All sections of a study together: each by its model, then what one says against another; nothing is run.

Every problem is found at once. A rule that needs a section which is wrong itself waits until that is mended.
"""

from collections.abc import Mapping, Sequence
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
from tmdscope.params.search import SearchParams, check_search
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

    Raises
    ------
    ParamsError
        A section is missing, unknown or wrong, or two exclude each other; every problem, one to a line.
    """
    settings, problems = _parse(content, models, source)
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
        with _Noting(problems):
            where = f"experiments.{name}"
            settings.experiments[name] = parse_section(where, entry, ExperimentParams, source)
    for name, entry in searches.items():
        with _Noting(problems):
            search = parse_section(f"searches.{name}", entry, SearchParams, source)
            if name not in experiments or name in settings.experiments:
                check_search(name, search, experiments, source)
            settings.searches[name] = search
    return problems


def _parse(
    content: Mapping[str, Any], models: Mapping[str, type[Params]], source: str
) -> tuple[Settings, list[str]]:
    problems = [
        f"{source}: unknown section {str(name)!r}; {nearest(str(name), list(models))}"
        for name in content
        if name not in models
    ]
    settings = Settings()
    for name, model in models.items():
        if name in NAMED:
            continue
        if name not in content:
            problems.append(f"{source}: section {name!r} is missing")
            continue
        with _Noting(problems):
            settings.sections[name] = parse_section(name, content[name], model, source)
    return settings, problems


class _Noting:
    """Note what is wrong and go on."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, UserError):
            self._problems.append(str(error))
        return isinstance(error, UserError)
