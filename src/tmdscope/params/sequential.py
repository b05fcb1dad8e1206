"""Section `sequential`: materials that are added one after another, and what each stage is compared with."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tmdscope.materials import nearest
from tmdscope.params.common import TrainingParams
from tmdscope.params.experiments import ExperimentParams, Strategy, require_formulae
from tmdscope.params.reading import Params, ParamsError, Seed

Encoding = Literal["multiclass", "multilabel"]
Volume = Literal["full"] | Annotated[int, Field(ge=4, le=1_000_000)]

PAPER_PARTS = {64: (57, 7), 32: (28, 4), 16: (13, 3), 8: (6, 2)}
"""Training and validation images of the paper's volumes."""

_VARIED = ("target", "seed")
"""Settings of an experiment that a sequence varies itself."""


class SequenceParams(Params):
    """What every sequence has: an order of materials, encodings, volumes and seeds."""

    enabled: bool = Field(description="off costs nothing")
    order: list[str] = Field(description="classes in the order of their coming; empty: as the data has them")
    first: int = Field(ge=2, le=1000, description="how many of them the first stage has")
    encodings: list[Encoding] = Field(min_length=1, description="targets, each a sequence of its own")
    volumes: list[Volume] = Field(
        min_length=1, description="images of the added class in train and val: `full`, or a number"
    )
    reduce_by: Literal["sample", "image"] = Field(
        description="what a volume is drawn from: whole samples, or images of all samples as in the paper"
    )
    draw_seed: Seed = Field(description="of that drawing")
    start: Literal["fold", "paper"] = Field(
        description="a stage starts from the same fold's model, or all folds from one fold's, which leaks"
    )
    paper_fold: int = Field(ge=0, description="the one fold of start `paper`, from 0")
    measure_leak: bool = Field(description="run the other start at full volume too and say what it changes")
    head: Literal["grow", "paper"] = Field(
        description="known outputs keep their weights and atoms that all classes share wait, or the paper's: "
        "multiclass draws the last layer anew, and multilabel trains every atom from the start"
    )
    seeds: list[Seed] = Field(
        min_length=1, max_length=1000, description="of the training, each a sequence of its own"
    )

    @model_validator(mode="after")
    def _lists_hold_what_is_needed_once(self) -> Self:
        for key in ("order", "encodings", "volumes", "seeds"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} {values} hold one twice")
        if "full" not in self.volumes:
            raise ValueError("volumes must hold 'full': every stage starts from the full stage before it")
        return self

    def order_of(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Give the classes in the order of their coming; ParamsError where it does not fit the data set's."""
        order = tuple(self.order or classes)
        unknown = [name for name in order if name not in classes]
        if unknown:
            raise ParamsError(
                f"sequential.order: the data set has no class {unknown[0]!r}; {nearest(unknown[0], classes)}"
            )
        if len(order) <= self.first:
            raise ParamsError(
                f"sequential: {len(order)} classes, of which the first stage takes {self.first}: none is "
                "left to be added; set sequential.enabled to false"
            )
        if "multilabel" in self.encodings:
            require_formulae(order, "take multilabel out of sequential.encodings")
        return order


def part_sizes(volume: int) -> tuple[int, int]:
    """Split a volume (training, validation) as the paper does; others one in eight, between its own."""
    least = max((val for known, (_, val) in PAPER_PARTS.items() if known <= volume), default=2)
    most = min((val for known, (_, val) in PAPER_PARTS.items() if known >= volume), default=volume)
    val = min(max(round(volume / 8), least), most)
    return volume - val, val


class SequentialParams(SequenceParams):
    """Section `sequential` of a study on images."""

    training: dict[str, Any] = Field(description="as an entry of `experiments`, without target and seed")
    registered: list[Volume] = Field(description="volumes whose stages become registered models")

    @model_validator(mode="after")
    def _training_is_an_experiment(self) -> Self:
        named = [key for key in _VARIED if key in self.training]
        if named:
            raise ValueError(f"training holds {named[0]!r}, which the sequence varies by its own list")
        for encoding in self.encodings:
            try:
                self.experiment(encoding, 0)
            except ValidationError as error:
                problems = [
                    f"{'.'.join(['training', *map(str, entry['loc'])])}: {entry['msg']}"
                    for entry in error.errors()
                ]
                raise ValueError("; ".join(problems)) from error
        missing = [volume for volume in self.registered if volume not in self.volumes]
        if missing:
            raise ValueError(f"registered names volume {missing[0]!r}, which `volumes` does not hold")
        return self

    @property
    def strategy(self) -> Strategy:
        """How the backbone is used."""
        return self.experiment(self.encodings[0], 0).strategy

    def experiment(self, encoding: Encoding, seed: int) -> ExperimentParams:
        """Give the settings of one stage as those of an experiment."""
        return ExperimentParams.model_validate({**self.training, "target": encoding, "seed": seed})


class HeadSequentialParams(SequenceParams):
    """Section `sequential` of a study on a table: heads on its features."""

    training: TrainingParams
