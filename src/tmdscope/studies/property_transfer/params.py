"""Sections of this study alone."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tmdscope.materials import nearest
from tmdscope.params.common import Address, ElementTable
from tmdscope.params.reading import Params, ParamsError, Seed
from tmdscope.params.search import SpaceParams, check_value


class SimulatedParams(Params):
    """Made compounds with a known truth."""

    compounds: int = Field(ge=60, le=100_000, description="with both properties")
    wide: int = Field(ge=60, le=1_000_000, description="further ones with the cheap property alone")
    scatter: float = Field(ge=0, le=10, description="of the cheap property, in eV, that no formula tells")
    noise: float = Field(ge=0, le=10, description="of the dear property, in eV")
    seed: Seed


class CsvParams(Params):
    """A user's own table: a row per compound, or several that are brought together by their median."""

    path: str = Field(min_length=1, description="of the file")
    formula: str = Field(min_length=1, description="column of the formula")
    dear: str = Field(min_length=1, description="column of the property that is to be predicted")
    cheap: str = Field(min_length=1, description="column of the property that helps")

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if len({self.formula, self.dear, self.cheap}) < 3:
            raise ValueError(
                f"formula, dear and cheap must be three columns, they are {self.formula!r}, "
                f"{self.dear!r} and {self.cheap!r}"
            )
        return self


class TablesParams(Params):
    """Section `tables`: where the properties come from."""

    source: Literal["available", "simulated", "published", "csv"] = Field(
        description="`available`: published where their folder is named, else simulated"
    )
    unit: str = Field(min_length=1, max_length=20, description="of both properties")
    zeros: bool = Field(description="whether compounds whose dear property is 0 are kept")
    base_url: Address = Field(
        pattern=r"^https?://", description="of published files as their repositories hold them, or a mirror"
    )
    simulated: SimulatedParams
    csv: CsvParams | None = None

    @model_validator(mode="after")
    def _source_is_described(self) -> Self:
        if self.source == "csv" and self.csv is None:
            raise ValueError("source 'csv' needs tables.csv, with the keys path, formula, dear and cheap")
        return self


class WaysParams(Params):
    """Section `ways`: the regressor inside every way, and the element tables that it sees."""

    regressor: Literal[
        "forest", "extra_trees", "boosting", "kernel_ridge", "svr", "gaussian_process", "ridge"
    ]
    tables: list[ElementTable] = Field(min_length=1, description="of ElementEmbeddings, by its names")
    folds: int = Field(ge=2, le=20, description="in which training rows are predicted as new ones are")
    seed: Seed


class CurvesParams(Params):
    """Section `curves`: error against the number of compounds whose dear property is known."""

    labels: list[int] = Field(min_length=1, description="rising; all of them come last by themselves")
    draws: int = Field(ge=1, le=100, description="of these compounds, the same for every way")
    folds: int = Field(ge=2, le=20, description="outer folds: every compound is predicted once a draw")
    seed: Seed

    @model_validator(mode="after")
    def _labels_rise(self) -> Self:
        if self.labels != sorted(set(self.labels)) or self.labels[0] < 10:
            raise ValueError(f"labels {self.labels} must rise from 10 or more")
        return self


class TreesParams(Params):
    """What `benchmark.search.space` varies of the trees."""

    max_features: float = Field(gt=0, le=1, description="share of the inputs that a node considers")
    min_samples_leaf: int = Field(ge=1, le=100, description="compounds of a leaf")


class BenchmarkParams(Params):
    """Section `benchmark`: a table with official folds, and a wide one of the cheap property."""

    enabled: bool = Field(description="off costs nothing")
    trees: int = Field(ge=10, le=2000, description="of every forest")
    inner_trees: int = Field(ge=10, le=2000, description="of those that a search tries")
    inner_folds: int = Field(ge=2, le=10, description="of every outer fold, by which a search chooses")
    rounds: int = Field(ge=10, le=2000, description="of boosting on the wide table")
    seed: Seed
    search: SpaceParams = Field(description="of the trees, one in every outer fold; see section `search`")

    @model_validator(mode="after")
    def _space_is_of_trees(self) -> Self:
        space, known = self.search.space, list(TreesParams.model_fields)
        for key, dimension in space.items():
            if key not in known:
                raise ParamsError(f"search.space: trees have no {key!r}; {nearest(key, known)}")
            if dimension.when:
                raise ParamsError(f"search.space.{key}: it depends on nothing, take `when` out")
            for value in dimension.ends:
                check_value(f"search.space.{key}", TreesParams, {key: value}, key)
        return self


class ReactionsParams(Params):
    """Section `reactions`: simulated reaction paths whose barriers share descriptors."""

    paths: int = Field(ge=40, le=100_000, description="surfaces, each with every barrier of the path")
    steps: int = Field(ge=2, le=10, description="barriers of a path")
    shared: float = Field(
        ge=0, le=1, description="share of the scatter that all barriers of a path have alike"
    )
    draws: int = Field(ge=1, le=100, description="simulated sets")
    seed: Seed
