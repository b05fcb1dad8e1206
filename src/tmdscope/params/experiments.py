"""Sections `features` and `experiments` of a study on images: networks and how they are trained."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from tmdscope.materials import atoms_of
from tmdscope.params.architectures import Architecture, WeightsName
from tmdscope.params.reading import Params, ParamsError, Seed, parse_section, read_params

PrecisionName = Literal["auto", "fp32", "bf16"]


class Strategy(StrEnum):
    """How a backbone is used."""

    FINETUNE = "finetune"
    PARTIAL = "partial"
    FEATURES = "features"
    SCRATCH = "scratch"


class BackboneParams(Params):
    """A network, and what it was trained on."""

    architecture: Architecture = Field(description="of the backbone")
    weights: WeightsName = Field(description="what it was trained on; `none`: random numbers, for comparison")


class FeaturesParams(Params):
    """Section `features`: the frozen backbones whose features are stored."""

    backbones: list[BackboneParams] = Field(
        min_length=1, max_length=100, description="stages `audit` and `latent` look through the first"
    )
    batch_size: int = Field(ge=1, le=4096, description="images at a time")
    flips: bool = Field(description="store the features of every image's flips too, for training heads")
    rotations: bool = Field(default=False, description="store those of quarter turns as well")
    precision: PrecisionName = Field(
        default="auto", description="of the numbers; `auto`: bf16 where it is fast"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _require_flips(self.flips, self.rotations)
        for number, backbone in enumerate(self.backbones):
            if backbone in self.backbones[:number]:
                told = f"{backbone.architecture} with weights {backbone.weights}"
                raise ValueError(f"backbones hold {told} twice")
        return self

    @classmethod
    def behind(cls, training: "ExperimentParams", batch_size: int = 64) -> Self:
        """Ask for what one experiment on stored features reads."""
        backbone = BackboneParams(architecture=training.architecture, weights=training.weights)
        symmetries = {name: getattr(training, name) for name in ("flips", "rotations", "precision")}
        return cls(backbones=[backbone], batch_size=batch_size, **symmetries)

    @property
    def symmetries(self) -> int:
        """How many versions of an image are stored: 1, 4 with flips, 8 with rotations."""
        return _symmetries(self.flips, self.rotations)


class ExperimentParams(Params):
    """One entry of section `experiments`: a cross-validated model."""

    strategy: Strategy = Field(strict=False, description="which layers are trained, and from what")
    target: Literal["multiclass", "multilabel", "ordinal"] = Field(description="what the outputs stand for")
    architecture: Architecture = Field(description="of the backbone")
    weights: WeightsName = Field(description="what the backbone starts from")
    train_from: str | None = Field(
        default=None,
        max_length=200,
        description="strategy `partial`: the first trained stage (`layer1` to `layer4` of a ResNet, "
        "`blocks.0` and on of an EfficientNet); those before it are frozen",
    )
    epochs: int = Field(ge=1, le=100_000, description="passes over the training part")
    batch_size: int = Field(ge=2, le=4096, description="images per step")
    learning_rate: float = Field(gt=0, le=1, description="of the optimiser, at the start")
    dropout: float = Field(
        ge=0,
        lt=1,
        description="share of the head's 100 values set to 0 in training; and after small-cnn's poolings",
    )
    flips: bool = Field(description="flip training images left-right and up-down at 50 % each")
    checkpoint: Literal["improves-both", "paper", "last"] = Field(description="which epoch is kept")
    seed: Seed
    rotations: bool = Field(default=False, description="rotate training images by quarter turns too")
    optimiser: Literal["adam", "adamw"] = Field(default="adam", description="how steps follow from gradients")
    weight_decay: float = Field(default=0.0, ge=0, le=1, description="pull of the weights towards 0")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant", description="of the learning rate over the epochs"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of a target that goes to all outputs, in training"
    )
    early_stopping: int = Field(default=0, ge=0, description="epochs without a kept one; 0 is never")
    precision: PrecisionName = Field(
        default="auto", description="of the numbers; `auto`: bf16 where it is fast"
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        random = {Strategy.SCRATCH: (True,), Strategy.FEATURES: (True, False)}.get(self.strategy, (False,))
        if (self.weights == "none") not in random:
            raise ValueError(
                f"strategy {self.strategy.value!r} with weights {self.weights!r}: "
                "'scratch' goes with weights 'none', and only 'scratch' and 'features' do"
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


def read_experiments(path: Path = Path("params.yaml")) -> dict[str, ExperimentParams]:
    """Read and check every experiment, in the file's order."""
    content = read_params(path).get("experiments")
    if not isinstance(content, dict) or not content:
        raise ParamsError(f"{path} has no section 'experiments' with at least one experiment")
    return {
        name: parse_section(f"experiments.{name}", entry, ExperimentParams, path.as_posix())
        for name, entry in content.items()
    }


def require_formulae(
    classes: Sequence[str], remedy: str = "set the experiment's target to 'multiclass'"
) -> tuple[str, ...]:
    """List the atoms that multilabel targets of some classes are made of.

    `ParamsError` where a class is not a chemical formula, or two hold the same atoms.
    """
    try:
        return atoms_of(classes)
    except ValueError as error:
        raise ParamsError(
            f"multilabel targets need classes that are chemical formulae: {error}; {remedy}"
        ) from error


def _require_flips(flips: bool, rotations: bool) -> None:
    if rotations and not flips:
        raise ValueError("rotations go with flips: set flips to true")


def _symmetries(flips: bool, rotations: bool) -> int:
    return 8 if rotations else 4 if flips else 1
