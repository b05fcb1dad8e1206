"""Sections of this study alone."""

from typing import Self

from pydantic import Field, model_validator

from tmdscope.params.common import Address
from tmdscope.params.families import MlpParams
from tmdscope.params.reading import Params, Seed


class FetchParams(Params):
    """Section `fetch`: the authors' repository at a pinned commit."""

    base_url: Address = Field(pattern=r"^https?://")
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")


class SvcParams(Params):
    """Support vector classifier, RBF kernel, on L2-normalised and standardised features."""

    c: float = Field(gt=0, le=1e6)


class LogisticParams(Params):
    """Logistic regression on standardised features."""

    c: float = Field(gt=0, le=1e6)


class ClassifiersParams(Params):
    """Section `classifiers`."""

    mlp: MlpParams
    svc: SvcParams
    logistic: LogisticParams
    seed: Seed


class CarryoverParams(MlpParams):
    """Section `carryover`: that classifier, hidden layers kept from fold to fold."""

    enabled: bool = Field(description="show what the slip does to validation scores; off costs nothing")
    seeds: list[Seed] = Field(min_length=1, max_length=100)
    early_stopping: int = Field(ge=0, description="epochs without a kept one; 0 is never")

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds} hold one twice: it would count twice in the mean")
        return self
