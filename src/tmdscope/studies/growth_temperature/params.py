"""Sections of this study alone."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tmdscope.params.common import Key
from tmdscope.params.experiments import BackboneParams, ExperimentParams
from tmdscope.params.families import AnyFamily, FramedSearchParams, MlpFamily
from tmdscope.params.images import FolderParams, PrepareParams
from tmdscope.params.reading import Params, Seed

PolicyName = Literal["aug1", "aug2", "aug3", "aug4", "aug1-paper-defects", "aug2-paper-defects"]
"""Augmentations of the MoS2 paper, and two as its released code did them."""

Unit = Literal["C", "K", "F"]

_OF_CELSIUS: Mapping[Unit, tuple[float, float]] = {"C": (1.0, 0.0), "K": (1.0, 273.15), "F": (1.8, 32.0)}
"""Size of a degree, and zero Celsius, in each unit."""

ARCHIVE: Literal["growth-temperature"] = "growth-temperature"
"""The archive's record of images with temperatures."""


class FramingParams(Params):
    """Section `framing`: temperatures as classes, in an order, or as numbers with bins."""

    unit: Unit = Field(description="of temperatures and edges")
    edges: list[float] = Field(
        description="between bins of numbers; one on an edge is below it; empty: midway between temperatures"
    )

    @model_validator(mode="after")
    def _edges_rise(self) -> Self:
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"edges {self.edges} must rise")
        return self


def in_unit(celsius: float, unit: Unit) -> float:
    """Give a temperature in a unit."""
    degree, zero = _OF_CELSIUS[unit]
    return round(celsius * degree + zero, 9)


def edges_problem(edges: Sequence[float], levels: Sequence[float]) -> str | None:
    """Say why edges do not part some temperatures, both rising, and the remedy; None where they do."""
    if len(edges) == len(levels) - 1 and all(
        low <= edge < high for edge, (low, high) in zip(edges, pairwise(levels), strict=True)
    ):
        return None
    told = ", ".join(f"{level:g}" for level in levels)
    remedy = "name one between every two, or [] for midway"
    return f"edges {list(edges)} do not part the temperatures {told}: {remedy}"


class ModelsParams(Params):
    """Section `models`: what is compared, by a name of the user's, each searched in every outer fold."""

    seed: Seed
    outer_folds: int = Field(ge=2, le=100, description="every image is predicted by one that never saw it")
    inner_folds: int = Field(ge=2, le=100, description="of what an outer fold may see; these choose settings")
    searches: dict[Key, FramedSearchParams] = Field(min_length=1)


class HonestyParams(Params):
    """Section `honesty`: what tells a score from chance, and from the order in which samples were grown."""

    flips: int = Field(ge=100, le=1_000_000, description="draws of signs for every two models")
    permutations: int = Field(ge=1, le=100_000, description="of the temperatures among samples")
    method: Annotated[AnyFamily, Field(discriminator="family")] = Field(
        description="with fixed settings, that permuted temperatures are given to"
    )
    blocks: int = Field(ge=2, le=100, description="of sample numbers, equal in samples, each held out")
    held_out: list[Key] = Field(min_length=1, description="models that predict held-out blocks")
    seed: Seed


class ImagesParams(Params):
    """Section `images`: a user's own images with a column of growth temperatures, or the archive's."""

    source: Literal["none", "folder", "archive"] = Field(description="where images come from; none: not run")
    folder: FolderParams
    files: str = Field(min_length=1, description="which of the archive's files, as a glob: `*` is all of use")
    prepare: PrepareParams

    @property
    def origin(self) -> str:
        """The source in one word: ``folder``, or the archive's record."""
        return ARCHIVE if self.source == "archive" else self.source


class NetworkParams(Params):
    """Section `network`: the registered model, a network on images."""

    source: Literal["simulated", "images"] = Field(description="whose images it is trained on")
    training: ExperimentParams


class LeakParams(Params):
    """Section `leak`: a warning, the features of one fold's network for all folds, as in the paper."""

    enabled: bool = Field(description="show what the slip does to scores; off costs nothing")
    network: MlpFamily = Field(description="whose first hidden layer gives the features; the paper's has 100")
    method: Annotated[AnyFamily, Field(discriminator="family")] = Field(description="on these features")
    seed: Seed


class VariantsParams(Params):
    """Section `variants`: depth of features, pretraining domain and augmentation, on images."""

    enabled: bool = Field(description="off costs nothing")
    source: Literal["simulated", "images"] = Field(description="whose images")
    backbone: BackboneParams = Field(description="frozen")
    stages: list[str] = Field(max_length=20, description="whose maps are features beside the pool")
    variance: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        max_length=5, description="shares that principal components keep, fitted inside each fold"
    )
    others: list[BackboneParams] = Field(max_length=10, description="to compare with")
    policies: list[PolicyName] = Field(max_length=6, description="augmentations by the paper's name")
    copies: int = Field(ge=1, le=100, description="of each image of the commonest temperature")
    crop_share: float = Field(gt=0, le=1, description="side of a crop in that of its image")
    methods: dict[Key, Annotated[AnyFamily, Field(discriminator="family")]] = Field(
        min_length=1, description="with fixed settings"
    )
    networks: dict[Key, ExperimentParams] = Field(
        max_length=10, description="whole ones, trained inside each fold under each policy"
    )
    seed: Seed


class SimulatedGrowthParams(Params):
    """Section `simulated`: scans of MoS2 by the simulator, driven by a growth temperature."""

    images: int = Field(ge=20, le=1_000_000, description="number of images")
    samples: int = Field(ge=20, le=1_000_000, description="number of samples the images are taken from")
    size_px: int = Field(ge=32, le=4096, description="rows and columns of a height map and of its image")
    frame_nm: float = Field(gt=0, le=1e6, description="width of a scan in nm")
    temperatures: list[Annotated[float, Field(ge=600, le=1300)]] = Field(
        min_length=2, max_length=100, description="in C, that samples are grown at, each as often, rising"
    )
    times_min: list[Annotated[float, Field(gt=0, le=600)]] = Field(
        min_length=2, max_length=2, description="shortest and longest growth; a nuisance"
    )
    planes: list[Literal["c", "a", "r"]] = Field(
        min_length=1, max_length=3, description="of the substrate; a nuisance"
    )
    spread: float = Field(
        ge=0, le=3, description="between samples, on what temperature sets: lognormal sigma"
    )
    depends: bool = Field(description="false: images do not depend on temperature, so that no model can tell")
    prepare: PrepareParams
    seed: Seed

    @model_validator(mode="after")
    def _ranges_rise(self) -> Self:
        if self.images < self.samples:
            raise ValueError(f"{self.images} images cannot come from {self.samples} samples")
        for name in ("temperatures", "times_min"):
            values = getattr(self, name)
            if sorted(set(values)) != values:
                raise ValueError(f"{name} {values} must rise")
        return self
