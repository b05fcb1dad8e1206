"""Section `searches`: what Optuna varies, how many trials it has, and when it gives one up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tmdscope.files import broken
from tmdscope.layout import TUNED
from tmdscope.materials import nearest
from tmdscope.names import name_problem
from tmdscope.params.experiments import ExperimentParams, read_experiments
from tmdscope.params.reading import Params, ParamsError, Seed, parse_section, read_params
from tmdscope.record import JsonRecord

Value = str | int | float | bool
SamplerName = Literal["tpe", "gp", "cma-es", "random"]

BEST_PARAMS = "best_params.yaml"
"""Name of the file with the settings that a search found."""

SEARCHED = "search.json"
"""Name of the record of a search: what it found, and how."""

_TAKEN = ("target", "seed", "precision")
"""Settings of an experiment that say what is asked, not how well it is answered."""


class _Conditional(Params):
    when: dict[str, list[Value]] = Field(
        default_factory=dict, description="other settings and the values with which this one has a meaning"
    )


class Categorical(_Conditional):
    """One of some values, in no order."""

    kind: Literal["categorical"]
    choices: list[Value] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _choices_differ(self) -> Self:
        if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"choices {self.choices} hold one twice")
        return self

    @property
    def ends(self) -> list[Value]:
        """Values that stand for all: every choice."""
        return list(self.choices)


class _Range(_Conditional):
    @property
    def ends(self) -> list[Value]:
        """Values that stand for all: the lowest and the highest."""
        low, high = getattr(self, "low"), getattr(self, "high")  # noqa: B009 (each kind has its own type)
        return [low, high]

    @model_validator(mode="after")
    def _ends_rise(self) -> Self:
        low, high = self.ends
        if not low < high:  # type: ignore[operator]
            raise ValueError(f"low {low} must be below high {high}")
        return self


class Uniform(_Range):
    """A number, all parts of the range alike."""

    kind: Literal["uniform"]
    low: float
    high: float


class LogUniform(_Range):
    """A number above 0, all orders of magnitude alike."""

    kind: Literal["log-uniform"]
    low: float = Field(gt=0)
    high: float


class Whole(_Range):
    """A whole number, both ends included."""

    kind: Literal["int"]
    low: int
    high: int


Dimension = Annotated[Categorical | Uniform | LogUniform | Whole, Field(discriminator="kind")]
Space = Mapping[str, Dimension]


class SpaceParams(Params):
    """What every search has: a space, a sampler and a number of trials."""

    trials: int = Field(ge=1, le=1_000_000, description="finished trials: complete, pruned or failed")
    sampler: SamplerName = Field(description="how the next settings are chosen")
    startup: int = Field(ge=1, le=100_000, description="trials drawn at random before the sampler learns")
    seed: Seed
    prune_folds: float = Field(
        ge=0, lt=1, description="a trial ends when worse than the best one over its folds, with p below this"
    )
    space: dict[str, Dimension] = Field(
        min_length=1, max_length=100, description="setting to the range or choices that it is drawn from"
    )


class SearchParams(SpaceParams):
    """One entry of section `searches`: an experiment whose settings are varied."""

    together: int = Field(
        ge=1, le=1000, description="trials that train at once; above 1 for strategy `features` only"
    )
    prune_epochs: Literal["median", "halving", "none"] = Field(
        description="when a trial ends within a fold; trials that train together are not"
    )


def read_search(name: str, path: Path = Path("params.yaml")) -> tuple[SearchParams, ExperimentParams]:
    """Read and check a search and the experiment that it varies, as it stands."""
    if problem := name_problem(name):
        raise ParamsError(f"{path}: searches: {problem}")
    content = read_params(path)
    searches, experiments = (content.get(key) or {} for key in ("searches", "experiments"))
    if name not in searches:
        raise ParamsError(
            f"{path} has no search of {name!r} in section 'searches'; {nearest(name, list(searches))}"
        )
    return parse_search(name, searches[name], experiments, path.as_posix())


def parse_search(
    name: str, content: Any, experiments: Mapping[str, Any], source: str
) -> tuple[SearchParams, ExperimentParams]:
    """Check a search, also against the experiment that it varies, and give both.

    `ParamsError` where there is no such experiment, or it is wrong; the space varies an unknown setting, or
    one that a search must leave alone, or gives it a value that it cannot have; a condition names what is
    neither varied before nor set; trials that cannot train together are asked to.
    """
    where = f"{source}: searches.{name}"
    search = parse_section(f"searches.{name}", content, SearchParams, source)
    if name not in experiments:
        raise ParamsError(f"{where} names no experiment; {nearest(name, list(experiments))}")
    experiment = parse_section(f"experiments.{name}", experiments[name], ExperimentParams, source)
    check_search(where, search, experiment)
    return search, experiment


def check_search(where: str, search: SearchParams, experiment: ExperimentParams) -> None:
    """Check a search against the experiment that it varies, as `parse_search` does."""
    base = experiment.model_dump(mode="json")
    free = [key for key in ExperimentParams.model_fields if key not in _TAKEN]
    for key, dimension in search.space.items():
        if key not in free:
            raise ParamsError(f"{where}.space: {key!r} cannot be varied; {nearest(key, free)}")
        for value in dimension.ends:
            check_value(f"{where}.space.{key}", ExperimentParams, {**base, key: value}, key)
    check_conditions(search.space, ExperimentParams.model_fields, where)
    varied = search.space.get("strategy")
    strategies = set(map(str, varied.ends)) if varied is not None else {experiment.strategy.value}
    if search.together > 1 and strategies != {"features"}:
        raise ParamsError(
            f"{where}.together: {search.together} trials at once go with strategy 'features' only, "
            f"not {', '.join(sorted(map(repr, strategies)))}: set it to 1"
        )


def check_conditions(space: Space, settings: Mapping[str, Any], where: str) -> None:
    """Check that every condition of a space names something with a value by then, and one that it can have.

    The keys of `settings` are what has a value without being varied.
    """
    names = list(space)
    for position, (key, dimension) in enumerate(space.items()):
        for other, values in dimension.when.items():
            if other in names[position:] or (other not in space and other not in settings):
                known = [*names[:position], *(name for name in settings if name not in names)]
                raise ParamsError(
                    f"{where}.space.{key}.when: {other!r} is neither set nor varied before {key!r}; "
                    f"{nearest(other, known)}"
                )
            before = space.get(other)
            never = [v for v in values if isinstance(before, Categorical) and v not in before.choices]
            if never:
                raise ParamsError(f"{where}.space.{key}.when: {other!r} is never {never[0]!r}")


def check_value(where: str, model: type[Params], settings: Mapping[str, Any], key: str) -> None:
    """Check one of some settings; what is wrong with the others is not asked."""
    try:
        model.model_validate(settings)
    except ValidationError as error:
        for item in error.errors():
            if item["loc"][:1] == (key,):
                raise ParamsError(f"{where}: {item['msg']} (got {settings[key]!r})") from error


@dataclass(frozen=True)
class Searched(JsonRecord):
    """``search.json``: what the search of an experiment found; `trial`, `value`, `folds` are of the best.

    `selection` is the score of what is found with each fold left out of the choice; `epochs` are of all
    trials.
    """

    study: str
    sampler: str
    seed: int
    images: int
    value: float
    folds: list[float]
    selection: float | None
    trial: int
    settings: dict[str, Value]
    progress: dict[str, int]
    epochs: int
    importance: dict[str, float]
    space: dict[str, Dimension]


def experiment_of(study: str, path: Path = Path("params.yaml")) -> str:
    """Say which experiment a study varies; its name begins with that of the experiment, or is it."""
    known = list(read_searches(path))
    meant = [name for name in known if study == name or study.rpartition("-")[0] == name]
    if not meant:
        raise ParamsError(f"{path}: section 'searches' has none for study {study!r}; {nearest(study, known)}")
    return meant[0]


def read_searches(path: Path = Path("params.yaml")) -> dict[str, SearchParams]:
    """Read every search, in the file's order, by the experiment that is varied; empty where there is none."""
    searches = read_params(path).get("searches")
    if not isinstance(searches, Mapping):
        raise ParamsError(f"{path} has no section 'searches'; `searches: {{}}` is none")
    return {name: read_search(name, path)[0] for name in searches}


def read_best_params(path: Path) -> ExperimentParams:
    """Read an experiment with the settings that a search found, from the ``best_params.yaml`` it wrote."""
    found, name = Searched.read(path.with_name(SEARCHED), files=[path]), path.parent.name
    if found.study.rpartition("-")[0] != name:
        raise broken(path.with_name(SEARCHED), f"is of study {found.study!r}, not of {name!r}")
    return parse_section("best_params", read_params(path), ExperimentParams, path.as_posix())


def read_all_experiments(searches: Path, path: Path = Path("params.yaml")) -> dict[str, ExperimentParams]:
    """Read the experiments of the section, then the tuned ones from a folder for every search."""
    tuned = {
        tuned_name(name): read_best_params(searches / name / BEST_PARAMS) for name in read_searches(path)
    }
    return {**read_experiments(path), **tuned}


def tuned_name(experiment: str) -> str:
    """Name an experiment that takes what its search found."""
    return experiment + TUNED
