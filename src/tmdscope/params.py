"""Typed settings: one frozen model per section of a `params.yaml`.

A stage parses only its own sections. Unknown keys are refused with their path and the nearest known
key; every number has a range; nothing here has a default that a user could mistake for a choice made
in `params.yaml`, except switches that profile `paper` leaves off.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tmdscope.materials import MATERIALS, atoms_of, nearest
from tmdscope.stage import UserError

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Architecture = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
PrecisionName = Literal["auto", "fp32", "bf16"]
WeightsName = Literal["imagenet-v1", "imagenet-v2", "micronet", "simulated", "none"]


class ParamsError(UserError):
    """The settings in a `params.yaml` are wrong; the message names each key and what to do."""


class Params(BaseModel):
    """Base of every section: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Strategy(StrEnum):
    """How a backbone is used."""

    FINETUNE = "finetune"
    PARTIAL = "partial"
    FEATURES = "features"
    SCRATCH = "scratch"


class SimulatedParams(Params):
    """Simulated scans: class shares as in the paper's Table 1."""

    images: int = Field(ge=10, le=10_000_000, description="number of images")
    samples: int = Field(ge=10, le=10_000_000, description="number of samples the images are taken from")
    size_px: int = Field(ge=16, le=4096, description="rows and columns of a height map")
    frame_nm: float = Field(gt=0, le=1e6, description="width of a scan in nm")
    seed: Seed

    @model_validator(mode="after")
    def _images_suffice(self) -> Self:
        if self.images < self.samples:
            raise ValueError(f"{self.images} images cannot come from {self.samples} samples")
        return self


class FolderParams(Params):
    """A user's own images: a folder with a manifest CSV (path, sample_id, material[, pixel_size_nm])."""

    path: str = Field(min_length=1, description="the folder; relative paths start at params.yaml")
    manifest: str = Field(min_length=1, description="name of the CSV inside the folder")


class ArchiveParams(Params):
    """A published archive of images, fetched by its DOI."""

    record: Literal["tmd-afm", "growth-temperature"]
    files: str = Field(min_length=1, description="which of its files, as a glob: `*` is all that are of use")


class DataParams(Params):
    """Section `data`: where images come from and which classes they may have."""

    source: Literal["simulated", "folder", "archive"]
    classes: list[str] = Field(min_length=2, max_length=1000)
    simulated: SimulatedParams
    folder: FolderParams
    archive: ArchiveParams | None = None

    @model_validator(mode="after")
    def _archive_is_named(self) -> Self:
        if self.source == "archive" and self.archive is None:
            raise ValueError("source 'archive' needs data.archive, with the keys record and files")
        return self

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        repeated = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if repeated:
            raise ValueError(f"classes named twice: {', '.join(repeated)}")
        if self.source == "simulated":
            unknown = [name for name in self.classes if name not in MATERIALS]
            if unknown:
                raise ValueError(
                    f"the simulator does not know {unknown[0]!r}; {nearest(unknown[0], MATERIALS)}"
                )
        return self


class PrepareParams(Params):
    """Section `prepare`: from heights or pictures to 8-bit images."""

    size_px: int = Field(ge=16, le=4096, description="rows and columns of a prepared image")
    percentiles: list[float] = Field(min_length=2, max_length=2, description="black and white point in %")

    @model_validator(mode="after")
    def _percentiles_rise(self) -> Self:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles {low}, {high} must rise within 0..100")
        return self


class PretrainParams(Params):
    """Section `pretrain`: a backbone that learns the simulator's true physical quantities."""

    architecture: Architecture
    images: int = Field(ge=32, le=10_000_000, description="simulated images to train on")
    size_px: int = Field(ge=32, le=4096, description="rows and columns of an image")
    frame_nm: float = Field(gt=0, le=1e6, description="width of a scan in nm")
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2, le=4096)
    learning_rate: float = Field(gt=0, le=1)
    seed: Seed


class FoldsParams(Params):
    """Folds, stratified and grouped by sample, not shuffled."""

    test_folds: int = Field(ge=2, le=100, description="fold 0 of so many is the held-out test")
    folds: int = Field(ge=2, le=100, description="cross-validation folds on the rest")


class SplitParams(FoldsParams):
    """Section `split` of the main study."""

    test: Literal["folds", "paper"] = Field(
        default="folds", description="held-out test: fold 0 of `test_folds`, or the archive's authors' own"
    )


class FeaturesParams(Params):
    """Section `features`: the frozen backbone whose features are stored."""

    architecture: Architecture
    weights: WeightsName
    batch_size: int = Field(ge=1, le=4096)
    flips: bool = Field(description="store the features of every image's flips too, for training heads")
    rotations: bool = Field(default=False, description="store those of quarter turns as well")
    precision: PrecisionName = "auto"

    @model_validator(mode="after")
    def _rotations_flip(self) -> Self:
        _require_flips(self.flips, self.rotations)
        return self

    @property
    def symmetries(self) -> int:
        """How many versions of an image are stored: 1, 4 with flips, 8 with rotations."""
        return _symmetries(self.flips, self.rotations)


class ExperimentParams(Params):
    """One entry of section `experiments`: a cross-validated model."""

    strategy: Strategy = Field(strict=False)
    target: Literal["multiclass", "multilabel", "ordinal"]
    architecture: Architecture
    weights: WeightsName
    train_from: Literal["layer1", "layer2", "layer3", "layer4"] | None = Field(
        default=None, description="strategy `partial`: the first trained layer; those before it are frozen"
    )
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=2, le=4096)
    learning_rate: float = Field(gt=0, le=1)
    dropout: float = Field(ge=0, lt=1)
    flips: bool = Field(description="flip training images left-right and up-down at 50 % each")
    checkpoint: Literal["improves-both", "paper", "last"]
    seed: Seed
    rotations: bool = Field(default=False, description="rotate training images by quarter turns too")
    optimiser: Literal["adam", "adamw"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    schedule: Literal["constant", "cosine"] = "constant"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    early_stopping: int = Field(default=0, ge=0, description="epochs without a kept one; 0 is never")
    precision: PrecisionName = "auto"

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if (self.strategy is Strategy.SCRATCH) != (self.weights == "none"):
            raise ValueError(
                f"strategy {self.strategy.value!r} with weights {self.weights!r}: "
                "'scratch' goes with weights 'none', and only 'scratch' does"
            )
        if (self.strategy is Strategy.PARTIAL) != (self.train_from is not None):
            raise ValueError(
                f"strategy {self.strategy.value!r} with train_from {self.train_from!r}: "
                "'partial' names the first layer that is trained, and only 'partial' does"
            )
        _require_flips(self.flips, self.rotations)
        return self

    @property
    def symmetries(self) -> int:
        """How many versions of an image training sees: 1, 4 with flips, 8 with rotations."""
        return _symmetries(self.flips, self.rotations)


class TrackingParams(Params):
    """Section `tracking`: names in MLflow."""

    study: str = Field(min_length=1, max_length=200, description="MLflow experiment")
    model: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^/:']+$",
        description="registered model; MLflow's addresses and searches hold no slash, colon or apostrophe",
    )


class DescribeParams(Params):
    """Section `describe`: physical descriptors of the prepared images (PROTOCOL of the paper's code)."""

    gaussian_sigma_px: float = Field(gt=0, le=100)
    opening_radius_px: int = Field(ge=0, le=100)


class LatentParams(Params):
    """Section `latent`: what the best model's embedding has to do with the descriptors."""

    alias: str = Field(min_length=1, description="alias of the registered model to pull")
    components: int = Field(ge=2, le=100, description="principal components kept")
    batch_size: int = Field(ge=1, le=4096)


class ScoringParams(Params):
    """Section `scoring`: 95 % intervals bootstrapped by sample."""

    bootstrap: int = Field(ge=100, le=1_000_000, description="resamples")
    seed: Seed


class ReportParams(Params):
    """Section `report`: pictures."""

    images_per_class: int = Field(ge=1, le=20)


class FetchParams(Params):
    """Section `fetch` of the published study: the authors' repository at a pinned commit."""

    base_url: str = Field(pattern=r"^https?://")
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")


class MlpParams(Params):
    """The paper's ImageNet* classifier: two hidden layers on stored features."""

    hidden: list[int] = Field(min_length=1, max_length=10)
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=2, le=4096)
    learning_rate: float = Field(gt=0, le=1)
    dropout: float = Field(ge=0, lt=1)
    checkpoint: Literal["improves-both", "paper", "last"]


class SvcParams(Params):
    """Support vector classifier, RBF kernel, on L2-normalised and standardised features."""

    c: float = Field(gt=0, le=1e6)


class LogisticParams(Params):
    """Logistic regression on standardised features."""

    c: float = Field(gt=0, le=1e6)


class PublishedTrackingParams(Params):
    """Section `tracking` of the published study, which registers no model."""

    study: str = Field(min_length=1, max_length=200, description="MLflow experiment")


class PublishedLatentParams(Params):
    """Section `latent` of the published study: what the authors' embedding has to do with descriptors."""

    components: int = Field(ge=2, le=100, description="principal components kept")


class ClassifiersParams(Params):
    """Section `classifiers` of the published study."""

    mlp: MlpParams
    svc: SvcParams
    logistic: LogisticParams
    seed: Seed


class CarryoverParams(MlpParams):
    """Section `carryover` of the published study: that classifier, hidden layers kept from fold to fold."""

    enabled: bool = Field(description="show what the slip does to validation scores; off costs nothing")
    seeds: list[Seed] = Field(min_length=1, max_length=100)
    early_stopping: int = Field(ge=0, description="epochs without a kept one; 0 is never")

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds} hold one twice: it would count twice in the mean")
        return self


Section = TypeVar("Section", bound=Params)


def read_params(path: Path) -> dict[str, Any]:
    """Read a whole `params.yaml` without checking its sections.

    Parameters
    ----------
    path : Path
        The YAML file.

    Returns
    -------
    dict
        Section name to its plain content.

    Raises
    ------
    ParamsError
        The file is missing, is not YAML, or holds no mapping.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise ParamsError(f"{path} does not exist; run from the folder that holds it") from error
    except YAMLError as error:
        raise ParamsError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path} must hold sections, it holds a {type(content).__name__}")
    return content


def read_section(name: str, model: type[Section], path: Path = Path("params.yaml")) -> Section:
    """Read and check one section of a `params.yaml`.

    Parameters
    ----------
    name : str
        Section; dots go deeper (``experiments.finetune-multiclass``).
    model : type
        The section's model.
    path : Path, optional
        The YAML file.

    Returns
    -------
    Params
        The checked, frozen section.

    Raises
    ------
    ParamsError
        The section is missing or wrong; every problem is listed with its key's path.
    """
    content: Any = read_params(path)
    for depth, key in enumerate(name.split(".")):
        known = list(content) if isinstance(content, Mapping) else []
        if key not in known:
            where = ".".join(name.split(".")[: depth + 1])
            raise ParamsError(f"{path} has no section {where!r}; {nearest(key, [str(k) for k in known])}")
        content = content[key]
    return parse_section(name, content, model, path.as_posix())


def read_experiments(path: Path = Path("params.yaml")) -> dict[str, ExperimentParams]:
    """Read and check every experiment.

    Parameters
    ----------
    path : Path, optional
        The YAML file.

    Returns
    -------
    dict
        Experiment name to its settings, in the file's order.

    Raises
    ------
    ParamsError
        The section is missing, empty, or an experiment is wrong.
    """
    content = read_params(path).get("experiments")
    if not isinstance(content, dict) or not content:
        raise ParamsError(f"{path} has no section 'experiments' with at least one experiment")
    return {
        name: parse_section(f"experiments.{name}", entry, ExperimentParams, path.as_posix())
        for name, entry in content.items()
    }


def parse_section(name: str, content: Any, model: type[Section], source: str) -> Section:
    """Check one section's plain content.

    Parameters
    ----------
    name : str
        Section name, for messages.
    content : Any
        What the YAML held.
    model : type
        The section's model.
    source : str
        File name, for messages.

    Returns
    -------
    Params
        The checked, frozen section.

    Raises
    ------
    ParamsError
        Every problem, each with the path of its key.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_explain(name, item, model) for item in error.errors()]
        raise ParamsError(f"{source}: " + "; ".join(problems)) from error


def require_formulae(classes: list[str]) -> tuple[str, ...]:
    """Check that multilabel targets make sense for some classes.

    Parameters
    ----------
    classes : list of str
        Class names.

    Returns
    -------
    tuple of str
        The atoms that the targets are made of.

    Raises
    ------
    ParamsError
        A class is not a chemical formula, or two hold the same atoms.
    """
    try:
        return atoms_of(classes)
    except ValueError as error:
        raise ParamsError(
            f"multilabel targets need classes that are chemical formulae: {error}; "
            "set the experiment's target to 'multiclass'"
        ) from error


def _require_flips(flips: bool, rotations: bool) -> None:
    if rotations and not flips:
        raise ValueError("rotations go with flips: set flips to true")


def _symmetries(flips: bool, rotations: bool) -> int:
    return 8 if rotations else 4 if flips else 1


def _explain(section: str, item: Any, model: type[BaseModel]) -> str:
    location = item["loc"]
    where = ".".join([section, *map(str, location)])
    if item["type"] == "extra_forbidden":
        return f"unknown key {where!r}; {nearest(str(location[-1]), _keys_at(model, location[:-1]))}"
    if item["type"] == "missing":
        return f"missing key {where!r}"
    value = "" if isinstance(item["input"], dict) else f" (got {item['input']!r})"
    return f"{where}: {item['msg']}{value}"


def _keys_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
