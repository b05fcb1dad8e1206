"""Sections of this study alone."""

from typing import Self

from pydantic import Field, model_validator

from tmdscope.materials import nearest
from tmdscope.params.common import Name
from tmdscope.params.images import ModelTrackingParams
from tmdscope.params.reading import Params, Seed
from tmdscope.stem.crystal import CRYSTALS, Crystal


class SimulateParams(Params):
    """Section `simulate`: frames, and windows around their sites; every condition is drawn anew."""

    crystal: str = Field(description="of which layer: WS2, MoS2, WSe2, MoSe2 or graphene")
    size_px: int = Field(ge=128, le=4096, description="side of a frame")
    noise: list[float] = Field(min_length=1, max_length=20, description="standard deviations, column peaks")
    conditions: int = Field(ge=2, le=1000, description="of frames, for every noise")
    frames: int = Field(ge=1, le=100, description="of a condition")
    per_kind: int = Field(ge=1, le=50, description="defects of every kind in a frame")
    window_conditions: int = Field(ge=2, le=1000, description="of windows, for every noise")
    window_frames: int = Field(ge=1, le=100, description="frames of a condition that windows are cut from")
    window_per_kind: int = Field(ge=1, le=50, description="defects of every kind in such a frame")
    seed: Seed

    @model_validator(mode="after")
    def _crystal_is_known(self) -> Self:
        if self.crystal not in CRYSTALS:
            raise ValueError(f"unknown crystal {self.crystal!r}; {nearest(self.crystal, list(CRYSTALS))}")
        if len(set(self.noise)) < len(self.noise) or min(self.noise) < 0:
            raise ValueError(f"noise {self.noise}: each once, and none below 0")
        return self

    @property
    def layer(self) -> Crystal:
        """The crystal."""
        return CRYSTALS[self.crystal]


class DefectTrackingParams(ModelTrackingParams):
    """Section `tracking`: the network of windows is registered under two names."""

    detector: Name = Field(description="registered model that finds defects; `model` names them")


class DetectorsParams(Params):
    """Section `detectors`: the network that maps defects, trained anew in every fold."""

    steps: int = Field(ge=1, le=100_000, description="of training, a batch of crops each")
    batch: int = Field(ge=1, le=256, description="crops of a step")
    learning_rate: float = Field(gt=0, le=1, description="highest, of a one-cycle schedule")
    width: int = Field(ge=1, le=128, description="of the first layers")
    seed: Seed


class LeakParams(Params):
    """Section `leak`: the seed's way of splitting and scaling, on few originals, beside the honest ones."""

    originals: int = Field(ge=4, le=1000, description="pictures of every class")
    copies: int = Field(ge=2, le=1000, description="of every picture, turned and with noise of their own")
    noise: float = Field(ge=0, le=1, description="standard deviation, column peaks")
    epochs: int = Field(ge=1, le=1000)
    seed: Seed


class MovieParams(Params):
    """Section `movie`: the simulated movie that defects are followed through."""

    frames: int = Field(ge=8, le=100_000)
    size_px: int = Field(ge=128, le=4096, description="side of a frame")
    noise: float = Field(ge=0, le=1, description="standard deviation, column peaks")
    still: int = Field(ge=2, le=1000, description="dopants, which stay")
    mobile: int = Field(ge=2, le=1000, description="of each of two kinds that hop and become one another")
    hop: float = Field(gt=0, lt=1, description="chance to hop from frame to frame")
    change: float = Field(ge=0, lt=1, description="chance to become the other kind")
    drift_px: float = Field(ge=0, le=10, description="of the stage, steady, a frame")
    wander_px: float = Field(ge=0, le=10, description="of the stage, at random, a frame")
    memory: int = Field(ge=0, le=50, description="frames in which a defect may be missed")
    shown: int = Field(ge=1, le=200, description="frames of the movie in the report")
    seed: Seed
