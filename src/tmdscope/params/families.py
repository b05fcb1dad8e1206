"""Families of methods on features: their settings, and spaces that searches draw them from."""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tmdscope.materials import nearest
from tmdscope.params.common import Key, TrainingParams
from tmdscope.params.reading import Params, ParamsError, Seed, parse_section
from tmdscope.params.search import Categorical, SpaceParams, check_conditions, check_value


class MlpParams(TrainingParams):
    """The paper's ImageNet* classifier: two hidden layers on stored features."""

    hidden: list[int] = Field(min_length=1, max_length=10)


class FamilyParams(Params):
    """Transforms of the features, in this order, before a classifier of some family."""

    power: float = Field(gt=0, le=4, description="exponent of every feature; they are >= 0")
    l2: bool = Field(description="whether each image's features are brought to unit length")
    standardise: bool = Field(
        description="whether each feature gets mean 0 and variance 1 over training images"
    )


class MlpFamily(FamilyParams):
    """One hidden layer, trained for a fixed number of epochs, oversampled to the largest class."""

    family: Literal["mlp"]
    hidden: int = Field(ge=1, le=4096, description="width of the hidden layer")
    learning_rate: float = Field(gt=0, le=1)
    dropout: float = Field(ge=0, lt=1)
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2, le=4096)


class CnnFamily(FamilyParams):
    """A small convolutional network on square images, which the features are the pixels of, row by row.

    Trained for a fixed number of epochs, oversampled to the largest class, each image turned and mirrored at
    random.
    """

    family: Literal["cnn"]
    learning_rate: float = Field(gt=0, le=1)
    dropout: float = Field(ge=0, lt=1, description="share of values set to 0 after each pooling")
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2, le=4096)


class LogisticFamily(FamilyParams):
    """Logistic regression."""

    family: Literal["logistic"]
    logistic_c: float = Field(gt=0, le=1e9, description="inverse strength of the regularisation")
    balanced: bool = Field(description="whether rare classes weigh more")


class SvcFamily(FamilyParams):
    """Support vector classifier, RBF kernel."""

    family: Literal["svc"]
    svc_c: float = Field(gt=0, le=1e9, description="inverse strength of the regularisation")
    gamma: float = Field(gt=0, le=1e6, description="of the kernel, in units of 1 / (values x variance)")
    balanced: bool = Field(description="whether rare classes weigh more")


class KernelRidgeFamily(FamilyParams):
    """Ridge regression, RBF kernel; of classes on -1 and +1 for each, and the largest output is the class."""

    family: Literal["kernel_ridge"]
    alpha: float = Field(gt=0, le=1e6, description="strength of the regularisation")
    gamma: float = Field(gt=0, le=1e6, description="of the kernel, in units of 1 / (values x variance)")
    balanced: bool = Field(description="whether rare classes weigh more")


class KnnFamily(FamilyParams):
    """Nearest neighbours."""

    family: Literal["knn"]
    neighbours: int = Field(ge=1, le=10_000)
    votes: Literal["uniform", "distance"] = Field(description="whether nearer neighbours count more")


class RidgeFamily(FamilyParams):
    """Linear ridge regression, of numbers."""

    family: Literal["ridge"]
    ridge_alpha: float = Field(gt=0, le=1e9, description="strength of the regularisation")


AnyFamily = MlpFamily | CnnFamily | LogisticFamily | SvcFamily | KernelRidgeFamily | KnnFamily | RidgeFamily

FAMILIES: Mapping[str, type[AnyFamily]] = {
    "mlp": MlpFamily,
    "cnn": CnnFamily,
    "logistic": LogisticFamily,
    "svc": SvcFamily,
    "kernel_ridge": KernelRidgeFamily,
    "knn": KnnFamily,
    "ridge": RidgeFamily,
}
"""Families of methods by name."""


class MethodsParams(Params):
    """Section `methods`: what is cross-validated, by a name of the user's."""

    families: dict[Key, Annotated[AnyFamily, Field(discriminator="family")]] = Field(min_length=1)
    seed: Seed


class FamilySearchParams(SpaceParams):
    """Section `search`: one search over families and transforms per outer fold."""

    @model_validator(mode="after")
    def _space_is_of_families(self) -> Self:
        """Check that every draw is a family with all of its settings and no other's."""
        space = self.space
        drawn = space.get("family")
        if not isinstance(drawn, Categorical) or drawn.when:
            raise ParamsError("search.space must hold 'family', a categorical without a condition")
        unknown = [str(name) for name in drawn.choices if name not in FAMILIES]
        if unknown:
            raise ParamsError(
                f"search.space.family: unknown {unknown[0]!r}; {nearest(unknown[0], list(FAMILIES))}"
            )
        check_conditions(space, {}, "search")
        models = {str(name): FAMILIES[str(name)] for name in drawn.choices}
        known = list(dict.fromkeys(key for model in models.values() for key in model.model_fields))
        for key in space:
            if key not in known:
                raise ParamsError(f"search.space: no family has {key!r}; {nearest(key, known)}")
        for key in known:
            users = {name: model for name, model in models.items() if key in model.model_fields}
            if key not in space:
                raise ParamsError(f"search.space lacks {key!r}, a setting of {', '.join(users)}")
            place, dimension = f"search.space.{key}", space[key]
            asked = {str(name) for name in dimension.when.get("family", list(models))}
            if asked != set(users) or not set(dimension.when) <= {"family"}:
                raise ParamsError(f"{place}: it must be drawn for {', '.join(users)} and no other family")
            for model, value in product(users.values(), dimension.ends if key != "family" else ()):
                check_value(place, model, {key: value}, key)
        return self


def read_family(settings: Mapping[str, Any]) -> AnyFamily:
    """Check the settings of one classifier: ``family``, its own, those of the transforms, no other's."""
    name = str(settings.get("family"))
    if name not in FAMILIES:
        raise ParamsError(f"unknown family {name!r}; {nearest(name, list(FAMILIES))}")
    made: AnyFamily = parse_section("search", dict(settings), FAMILIES[name], "the settings of a trial")
    return made
