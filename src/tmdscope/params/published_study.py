"""Sections of the study on the authors' published features."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tmdscope.params.reading import Params, Seed


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
