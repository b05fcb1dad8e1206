"""All sections of a study together: each by its model, then what one says against another; nothing is run.

Every problem is found at once. A rule that needs a section which is wrong itself waits until that is mended.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.audit import AuditParams, ManifestAuditParams
from tmdscope.params.common import FoldsParams, LatentAnalysisParams, ScoringParams
from tmdscope.params.experiments import ExperimentParams, FeaturesParams
from tmdscope.params.materials_study import (
    AttributionParams,
    ComputeParams,
    DataParams,
    DescribeParams,
    LatentParams,
    PrepareParams,
    PretrainParams,
    PromotionParams,
    ReportParams,
    SplitParams,
    TrackingParams,
)
from tmdscope.params.published_study import (
    CarryoverParams,
    ClassifiersParams,
    FamilySearchParams,
    FetchParams,
    PublishedTrackingParams,
)
from tmdscope.params.reading import Params, ParamsError, parse_section, read_params
from tmdscope.params.rules import RULES, Rule, Study, WrongSectionError, name_problems, sequence_of_the_paper
from tmdscope.params.search import SearchParams, check_search
from tmdscope.params.sequential import PublishedSequentialParams, SequentialParams

REPLACED = ("experiments", "searches")
"""The sections whose keys are names that a person gives."""

SECTIONS: Mapping[str, type[Params]] = {
    "data": DataParams,
    "prepare": PrepareParams,
    "pretrain": PretrainParams,
    "split": SplitParams,
    "features": FeaturesParams,
    "sequential": SequentialParams,
    "audit": ManifestAuditParams,
    "scoring": ScoringParams,
    "tracking": TrackingParams,
    "promotion": PromotionParams,
    "describe": DescribeParams,
    "compute": ComputeParams,
    "latent": LatentParams,
    "attribution": AttributionParams,
    "report": ReportParams,
}
"""Every other section of the main study, and its model."""

PUBLISHED_SECTIONS: Mapping[str, type[Params]] = {
    "fetch": FetchParams,
    "split": FoldsParams,
    "classifiers": ClassifiersParams,
    "pooled": FoldsParams,
    "carryover": CarryoverParams,
    "search": FamilySearchParams,
    "sequential": PublishedSequentialParams,
    "audit": AuditParams,
    "scoring": ScoringParams,
    "tracking": PublishedTrackingParams,
    "latent": LatentAnalysisParams,
}
"""Every section of the study on the authors' features, and its model."""


def check_study(content: Mapping[str, Any], source: str) -> Study:
    """Check all the settings of the main study at once.

    Raises
    ------
    ParamsError
        A section is missing, unknown or wrong, or two exclude each other; every problem, one to a line.
    """
    study, problems = _parse(content, SECTIONS, REPLACED, source)
    experiments, searches = (content.get(name) for name in REPLACED)
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
            study.experiments[name] = parse_section(where, entry, ExperimentParams, source)
    for name, entry in searches.items():
        with _Noting(problems):
            search = parse_section(f"searches.{name}", entry, SearchParams, source)
            if name not in experiments or name in study.experiments:
                check_search(name, search, experiments, source)
            study.searches[name] = search
    return _require(study, problems, RULES, source)


def check_published_study(content: Mapping[str, Any], source: str) -> Study:
    """Check all the settings of the study on the authors' features at once, as `check_study`."""
    study, problems = _parse(content, PUBLISHED_SECTIONS, (), source)
    return _require(study, problems, [sequence_of_the_paper], source)


def read_study(path: Path = Path("params.yaml")) -> Study:
    """Read and check all the settings of the main study."""
    return check_study(read_params(path), path.as_posix())


def read_published_study(path: Path) -> Study:
    """Read and check all the settings of the study on the authors' features."""
    return check_published_study(read_params(path), path.as_posix())


def read_either_study(path: Path) -> Study:
    """Read and check the settings of whichever study a file is of."""
    published = (set(PUBLISHED_SECTIONS) - set(SECTIONS)) & set(read_params(path))
    return read_published_study(path) if published else read_study(path)


def _parse(
    content: Mapping[str, Any], models: Mapping[str, type[Params]], named: Iterable[str], source: str
) -> tuple[Study, list[str]]:
    known = [*models, *named]
    problems = [
        f"{source}: unknown section {str(name)!r}; {nearest(str(name), known)}"
        for name in content
        if name not in known
    ]
    study = Study()
    for name, model in models.items():
        if name not in content:
            problems.append(f"{source}: section {name!r} is missing")
            continue
        with _Noting(problems):
            study.sections[name] = parse_section(name, content[name], model, source)
    return study, problems


def _require(study: Study, problems: list[str], rules: Iterable[Rule], source: str) -> Study:
    for rule in rules:
        try:
            problems += [f"{source}: {problem}" for problem in rule(study)]
        except WrongSectionError:
            continue
    if problems:
        raise ParamsError("\n".join(dict.fromkeys(problems)))
    return study


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
