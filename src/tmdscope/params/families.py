"""Families of methods on features: their settings, and spaces that searches draw them from."""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from tmdscope.materials import nearest
from tmdscope.params.common import Key, TrainingParams
from tmdscope.params.reading import Params, ParamsError, Seed, parse_section
from tmdscope.params.search import Categorical, Space, SpaceParams, check_conditions, check_value


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
    pca: float | None = Field(
        default=None, gt=0, lt=1, description="share of the variance that principal components keep, last"
    )


class MlpFamily(FamilyParams):
    """Hidden layers, trained for a fixed number of epochs, classes oversampled to the largest."""

    family: Literal["mlp"]
    hidden: int = Field(ge=0, le=4096, description="width of the hidden layer; 0 is none")
    second: int = Field(default=0, ge=0, le=4096, description="width of a second one; 0 is none")
    ordinal: Literal["ordinal", "coral"] = Field(
        default="ordinal", description="how classes in an order become outputs: NNRank, or CORAL"
    )
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


class KernelParams(FamilyParams):
    """Families with a kernel."""

    gamma: float = Field(gt=0, le=1e6, description="of the kernel, in units of 1 / (values x variance)")
    kernel: Literal["rbf", "poly", "linear"] = "rbf"
    degree: int = Field(default=2, ge=1, le=20, description="of a polynomial kernel")
    coef0: float = Field(default=1.0, ge=0, le=1e3, description="added in a polynomial kernel")


class SvcFamily(KernelParams):
    """Support vector classifier; of numbers, support vector regression on standardised ones."""

    family: Literal["svc"]
    svc_c: float = Field(gt=0, le=1e9, description="inverse strength of the regularisation")
    balanced: bool = Field(description="whether rare classes weigh more")
    epsilon: float = Field(
        default=0.1, ge=0, le=10, description="error that costs nothing, in standard deviations of numbers"
    )
    steps: int = Field(default=-1, ge=-1, description="of the solver at most; -1 is any number")


class KernelRidgeFamily(KernelParams):
    """Ridge regression with a kernel; of classes on -1 and +1 for each, and the largest is the class."""

    family: Literal["kernel_ridge"]
    alpha: float = Field(gt=0, le=1e6, description="strength of the regularisation")
    balanced: bool = Field(description="whether rare classes weigh more")


class NeighboursParams(FamilyParams):
    """Families that ask training images near by."""

    votes: Literal["uniform", "distance"] = Field(description="whether nearer neighbours count more")
    minkowski: int = Field(default=2, ge=1, le=10, description="exponent of the distance; 2 is Euclid's")


class KnnFamily(NeighboursParams):
    """Nearest neighbours."""

    family: Literal["knn"]
    neighbours: int = Field(ge=1, le=10_000)


class RadiusFamily(NeighboursParams):
    """All neighbours within a radius; without any the class is invalid, a number the training mean."""

    family: Literal["radius"]
    radius: float = Field(gt=0, le=100, description="in median distances between training images")


class RidgeFamily(FamilyParams):
    """Linear ridge regression; of classes on -1 and +1 for each, as the MoS2 paper's "KRC" is."""

    family: Literal["ridge"]
    ridge_alpha: float = Field(gt=0, le=1e9, description="strength of the regularisation")
    balanced: bool = Field(default=False, description="whether rare classes weigh more")


class GaussianProcessFamily(FamilyParams):
    """Gaussian process, squared exponential kernel; of classes one against the rest."""

    family: Literal["gaussian_process"]
    length: float = Field(gt=0, le=100, description="of the kernel, in median distances of training images")
    amplitude: float = Field(gt=0, le=1e4, description="variance of the kernel")
    noise: float = Field(
        default=0.1, gt=0, le=100, description="variance of the noise of standardised numbers"
    )


class TreeParams(FamilyParams):
    """Families of decision trees."""

    considered: Literal["all", "sqrt", "log2"] = Field(description="how many features a node considers")


class TreeFamily(TreeParams):
    """One decision tree."""

    family: Literal["tree"]
    criterion: Literal["gini", "entropy"] = Field(description="of a node's purity; of classes")
    split_share: float = Field(gt=0, le=1, description="share of the images that a node needs to be split")
    balanced: bool = Field(default=False, description="whether rare classes weigh more")


class BoostingFamily(TreeParams):
    """Gradient boosting of decision trees."""

    family: Literal["boosting"]
    trees: int = Field(ge=1, le=10_000)
    rate: float = Field(gt=0, le=1, description="share of a tree's correction that is taken")
    depth: int = Field(ge=1, le=50, description="of a tree")
    split_images: int = Field(ge=2, le=10_000, description="images that a node needs to be split")


AnyFamily = (
    MlpFamily
    | CnnFamily
    | LogisticFamily
    | SvcFamily
    | KernelRidgeFamily
    | KnnFamily
    | RadiusFamily
    | RidgeFamily
    | GaussianProcessFamily
    | TreeFamily
    | BoostingFamily
)

FAMILIES: Mapping[str, type[AnyFamily]] = {
    "mlp": MlpFamily,
    "cnn": CnnFamily,
    "logistic": LogisticFamily,
    "svc": SvcFamily,
    "kernel_ridge": KernelRidgeFamily,
    "knn": KnnFamily,
    "radius": RadiusFamily,
    "ridge": RidgeFamily,
    "gaussian_process": GaussianProcessFamily,
    "tree": TreeFamily,
    "boosting": BoostingFamily,
}
"""Families of methods by name."""

Framing = Literal["nominal", "ordinal", "regression"]
"""Classes without an order; in an order, each asked whether it is reached; or numbers."""

FRAMINGS: tuple[Framing, ...] = ("nominal", "ordinal", "regression")


class MethodsParams(Params):
    """Section `methods`: what is cross-validated, by a name of the user's."""

    families: dict[Key, Annotated[AnyFamily, Field(discriminator="family")]] = Field(min_length=1)
    seed: Seed


class FamilySearchParams(SpaceParams):
    """Section `search`: one search over families and transforms per outer fold."""

    @model_validator(mode="after")
    def _space_is_of_families(self) -> Self:
        check_family_space(self.space, "search", {})
        return self


class FramedSearchParams(SpaceParams):
    """A search over the settings of a method, which may depend on the framing (``when: {framing: ...}``)."""

    framings: list[Framing] = Field(min_length=1, max_length=len(FRAMINGS))
    select: dict[Framing, str] = Field(description="framing to the metric of the inner folds that decides")

    @model_validator(mode="after")
    def _space_is_of_families(self) -> Self:
        if len(set(self.framings)) < len(self.framings) or set(self.framings) != set(self.select):
            raise ParamsError(
                f"select must name a metric for each of the framings {', '.join(self.framings)}"
            )
        check_family_space(self.space, "search", {"framing": self.framings})
        return self


def check_family_space(space: Space, where: str, known: Mapping[str, Any]) -> None:
    """Check that every draw is a family with all of its settings and no other's.

    Settings with a default need not be drawn. The keys of `known` have a value beside those of the space.
    """
    drawn = space.get("family")
    if not isinstance(drawn, Categorical) or drawn.when:
        raise ParamsError(f"{where}.space must hold 'family', a categorical without a condition")
    unknown = [str(name) for name in drawn.choices if name not in FAMILIES]
    if unknown:
        raise ParamsError(
            f"{where}.space.family: unknown {unknown[0]!r}; {nearest(unknown[0], list(FAMILIES))}"
        )
    check_conditions(space, known, where)
    models = {str(name): FAMILIES[str(name)] for name in drawn.choices}
    fields: dict[str, FieldInfo] = {}
    for model in models.values():
        fields |= model.model_fields
    for key in space:
        if key not in fields:
            raise ParamsError(f"{where}.space: no family has {key!r}; {nearest(key, list(fields))}")
    for key, field in fields.items():
        users = {name: model for name, model in models.items() if key in model.model_fields}
        if key not in space:
            if not field.is_required():
                continue
            raise ParamsError(f"{where}.space lacks {key!r}, a setting of {', '.join(users)}")
        place, dimension = f"{where}.space.{key}", space[key]
        asked = {str(name) for name in dimension.when.get("family", list(models))}
        conditions = set(dimension.when) - {"family"}
        if asked != set(users) or (conditions and field.is_required()):
            raise ParamsError(f"{place}: it must be drawn for {', '.join(users)} and no other family")
        for model, value in product(users.values(), dimension.ends if key != "family" else ()):
            check_value(place, model, {key: value}, key)


def read_family(settings: Mapping[str, Any]) -> AnyFamily:
    """Check the settings of one classifier: ``family``, its own, those of the transforms, no other's."""
    name = str(settings.get("family"))
    if name not in FAMILIES:
        raise ParamsError(f"unknown family {name!r}; {nearest(name, list(FAMILIES))}")
    made: AnyFamily = parse_section("search", dict(settings), FAMILIES[name], "the settings of a trial")
    return made
