"""Sections that more than one study has."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tmdscope.address import holds_secret
from tmdscope.names import DOTTED, name_problem
from tmdscope.params.reading import Params, Seed


def _refused(problem_of: Callable[[str], str | None]) -> AfterValidator:
    def check(text: str) -> str:
        if problem := problem_of(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def _secret_problem(address: str) -> str | None:
    told = "it holds a password or token, which git and dvc.lock would keep: take it out"
    return told if holds_secret(address) else None


Name = Annotated[str, _refused(lambda name: name_problem(name, DOTTED))]
"""Of a study or of a registered model."""

Key = Annotated[str, _refused(name_problem)]
"""Of an entry that a person names."""

Address = Annotated[str, _refused(_secret_problem)]
"""Of a server, as everybody may read it."""


ElementTable = Literal[
    "magpie", "mat2vec", "matscholar", "megnet16", "oliynyk", "skipatom", "xenonpy", "mace_mp0", "orb_v2"
]
"""Element properties and embeddings that ElementEmbeddings ships, by its names."""


class FoldsParams(Params):
    """Folds, stratified and grouped by sample, not shuffled."""

    test_folds: int = Field(ge=2, le=100, description="fold 0 of so many is the held-out test")
    folds: int = Field(ge=2, le=100, description="cross-validation folds on the rest")


class TrackingParams(Params):
    """Section `tracking`: names in MLflow."""

    study: Name = Field(description="MLflow experiment")


class ScoringParams(Params):
    """Section `scoring`: 95 % intervals bootstrapped by sample."""

    bootstrap: int = Field(ge=100, le=1_000_000, description="resamples")
    seed: Seed


class TrainingParams(Params):
    """How a network on stored features is trained."""

    epochs: int = Field(ge=1, le=100_000, description="passes over the training part")
    batch_size: int = Field(ge=2, le=4096, description="images per step")
    learning_rate: float = Field(gt=0, le=1, description="of Adam")
    dropout: float = Field(ge=0, lt=1, description="share of hidden values set to 0 in training")
    checkpoint: Literal["improves-both", "paper", "last"] = Field(description="which epoch is kept")


class LatentAnalysisParams(Params):
    """What the analysis of an embedding asks for, in every study."""

    components: int = Field(ge=2, le=100, description="principal components kept")
    folds: int = Field(ge=2, le=100, description="folds of samples of the cross-validated regression")
    false_discovery_rate: float = Field(
        gt=0, lt=1, description="of correlations called found, over the table of descriptors and components"
    )
