"""Section `audit`: how a study's score is questioned."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tmdscope.params.reading import Params, Seed

Share = Annotated[float, Field(gt=0, le=1)]


class AuditParams(Params):
    """Section `audit`: held-out campaigns, their controls, and the learning curve."""

    folds: int = Field(ge=2, le=100, description="outer folds of the scores that campaigns are compared with")
    blocks: int = Field(ge=2, le=100, description="blocks of the order column, equal in samples")
    gap_quantile: float = Field(
        gt=0, lt=1, description="a step of the order above this quantile of all steps ends a run"
    )
    embargo: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        min_length=1, description="samples before and after a held-out one that do not train either"
    )
    draws: int = Field(ge=1, le=1000, description="matched training sets for every held-out sample")
    arrangements: int = Field(
        ge=2, le=1000, description="of the samples without campaigns, for the luck of one training set"
    )
    permutations: int = Field(ge=19, le=1_000_000, description="of early and late, for the null")
    shares: list[Share] = Field(min_length=4, description="of the training samples, for the learning curve")
    near_quantile: float = Field(
        gt=0, lt=1, description="of the likeness of images of one sample; above it images are near duplicates"
    )
    few_samples: int = Field(ge=1, description="a class with fewer samples is said to rest on few")
    most_images: int = Field(
        default=6000,
        ge=100,
        le=10_000,
        description="images audited at most, of more some are drawn; memory grows with its square",
    )
    seed: Seed

    @model_validator(mode="after")
    def _shares_rise_to_one(self) -> Self:
        if sorted(set(self.shares)) != self.shares or self.shares[-1] != 1:
            raise ValueError(f"shares {self.shares} must rise and end with 1")
        if sorted(set(self.embargo)) != self.embargo:
            raise ValueError(f"embargo {self.embargo} must rise")
        return self


class ManifestAuditParams(AuditParams):
    """Section `audit` of a study with a manifest: which columns tell the order, and what must not matter."""

    order: str = Field(
        min_length=1, description="column of numbers or dates; sample_id: the number in it; none: not known"
    )
    nuisance: list[str] = Field(description="columns that should not matter: instrument, operator ...")
