"""Sections of a study on images, beside `features` and `experiments`."""

from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tmdscope.alike import find_alike, tell_alike
from tmdscope.materials import MATERIALS, nearest
from tmdscope.names import text_problem
from tmdscope.params.architectures import Architecture
from tmdscope.params.common import Address, FoldsParams, LatentAnalysisParams, Name, TrackingParams
from tmdscope.params.reading import Params, Seed


class SimulatedParams(Params):
    """Simulated scans: class shares as in the paper's Table 1."""

    images: int = Field(ge=10, le=10_000_000, description="number of images")
    samples: int = Field(ge=10, le=10_000_000, description="number of samples the images are taken from")
    size_px: int = Field(ge=16, le=4096, description="rows and columns of a height map")
    frame_nm: float = Field(gt=0, le=1e6, description="width of a scan in nm")
    flaws: bool = Field(
        default=False, description="whether films have islands of many layers, wrinkles, cracks and pinholes"
    )
    seed: Seed

    @model_validator(mode="after")
    def _images_suffice(self) -> Self:
        if self.images < self.samples:
            raise ValueError(f"{self.images} images cannot come from {self.samples} samples")
        return self


class FolderParams(Params):
    """A user's own images: a folder with a manifest CSV (path, sample_id, label[, ...])."""

    path: str = Field(min_length=1, description="the folder; relative paths start at params.yaml")
    manifest: str = Field(min_length=1, description="name of the CSV inside the folder")
    channel: str = Field(
        default="", description="channel of scans whose line names none; empty: the rule in docs/data.md"
    )

    @field_validator("manifest")
    @classmethod
    def _manifest_lies_inside(cls, name: str) -> str:
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("it is not inside data.folder.path, which is what DVC watches: move it there")
        return name


class ArchiveParams(Params):
    """A published archive of images, fetched by its DOI."""

    record: Literal["tmd-afm", "growth-temperature"] = Field(description="of which paper")
    files: str = Field(min_length=1, description="which of its files, as a glob: `*` is all that are of use")


class DataParams(Params):
    """Section `data`: where images come from and which classes they may have."""

    source: Literal["simulated", "folder", "archive"] = Field(description="where images come from")
    classes: list[str] = Field(min_length=2, max_length=1000, description="their names, in class order")
    simulated: SimulatedParams
    folder: FolderParams
    archive: ArchiveParams | None = None

    @property
    def origin(self) -> str:
        """The source in one word: ``simulated``, ``folder``, or an archive's record."""
        return self.archive.record if self.source == "archive" and self.archive else self.source

    @model_validator(mode="after")
    def _source_is_described_and_classes_differ(self) -> Self:
        if self.source == "archive" and self.archive is None:
            raise ValueError("source 'archive' needs data.archive, with the keys record and files")
        repeated = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if repeated:
            raise ValueError(f"classes named twice: {', '.join(repeated)}")
        for problem in filter(None, map(text_problem, self.classes)):
            raise ValueError(f"class {problem}")
        if alike := find_alike(self.classes):
            raise ValueError(tell_alike("classes", alike[0]))
        if self.source == "simulated":
            unknown = [name for name in self.classes if name not in MATERIALS]
            if unknown:
                raise ValueError(
                    f"the simulator does not know {unknown[0]!r}; {nearest(unknown[0], MATERIALS)}"
                )
        return self


LevellingStep = Literal[
    "plane",
    "surface",
    "row_medians",
    "row_parabolas",
    "scars",
    "median",
    "row_differences",
    "row_jumps",
    "masked_surface",
    "masked_rows",
    "facets",
    "three_points",
]

Point = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2, max_length=2)]


class LevellingParams(Params):
    """Section `prepare.levelling`: what is done to heights before they become grey values."""

    crop_nm: Annotated[float, Field(gt=0, le=1e6)] | Literal["whole"] = Field(
        description="side in nm of the centre that is used; `whole`: the largest centred square"
    )
    steps: list[LevellingStep] = Field(
        max_length=20, description="levelling steps in their order (tmdscope.scan.level.STEPS)"
    )
    points: list[Point] = Field(
        default=[[0.05, 0.05], [0.95, 0.05], [0.05, 0.95]],
        min_length=3,
        max_length=3,
        description="of step `three_points`: x and y as shares of width and height from the upper left",
    )

    @field_validator("points")
    @classmethod
    def _points_span_a_plane(cls, points: list[list[float]]) -> list[list[float]]:
        (x, y), (ax, ay), (bx, by) = points
        if abs((ax - x) * (by - y) - (ay - y) * (bx - x)) < 1e-3:
            raise ValueError(f"points {points} lie on one line: move one of them aside")
        return points

    @property
    def side_nm(self) -> float | None:
        """Side in nm of the centre that is used; None for the largest centred square."""
        return None if self.crop_nm == "whole" else self.crop_nm


class PrepareParams(Params):
    """Section `prepare`: from heights or pictures to 8-bit images."""

    size_px: int = Field(ge=16, le=4096, description="rows and columns of a prepared image")
    percentiles: list[float] = Field(min_length=2, max_length=2, description="black and white point in %")
    levelling: LevellingParams = Field(
        default=LevellingParams(crop_nm="whole", steps=["plane", "row_medians"]),
        description="absent in models of earlier versions, whose heights were levelled so",
    )

    @model_validator(mode="after")
    def _percentiles_rise(self) -> Self:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles {low}, {high} must rise within 0..100")
        return self

    def cropped_to(self, side_nm: float) -> Self:
        """Give the same preparation of a centre of some size."""
        levelling = self.levelling.model_copy(update={"crop_nm": side_nm})
        return self.model_copy(update={"levelling": levelling})


class PretrainParams(Params):
    """Section `pretrain`: a backbone that learns the simulator's true physical quantities."""

    architecture: Architecture = Field(description="of the backbone")
    images: int = Field(ge=32, le=10_000_000, description="simulated images to train on")
    size_px: int = Field(ge=32, le=4096, description="rows and columns of an image")
    frame_nm: float = Field(gt=0, le=1e6, description="width of a scan in nm")
    epochs: int = Field(ge=1, le=10_000, description="passes over these images")
    batch_size: int = Field(ge=2, le=4096, description="images per step")
    learning_rate: float = Field(gt=0, le=1, description="of Adam")
    seed: Seed


class SplitParams(FoldsParams):
    """Section `split` of images."""

    test: Literal["folds", "paper"] = Field(
        default="folds", description="held-out test: fold 0 of `test_folds`, or the archive's authors' own"
    )


class ModelTrackingParams(TrackingParams):
    """Section `tracking` of a study whose models are registered."""

    model: Name = Field(description="registered model")


class PromotionParams(Params):
    """Section `promotion`: the gate before the alias `production`; read by the command, not by a stage."""

    margin: float = Field(
        ge=0,
        le=1,
        description="how much worse than production a version's primary score may be, at 95 % confidence",
    )


class DescribeParams(Params):
    """Section `describe`: descriptors of the prepared images."""

    gaussian_sigma_px: float = Field(gt=0, le=100, description="smoothing of the paper's descriptors")
    opening_radius_px: int = Field(ge=0, le=100, description="disc that opens the paper's domains")
    interval_scans: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="simulated for the intervals of physical descriptors, 40 at least; 0: no intervals",
    )

    @field_validator("interval_scans")
    @classmethod
    def _enough(cls, count: int) -> int:
        if 0 < count < 40:
            raise ValueError("too few for an interval: ask for 40 at least, or 0 for no intervals")
        return count


class ComputeParams(Params):
    """Section `compute`: where stages that work image by image do so; results are the same everywhere."""

    scheduler: Address = Field(
        default="", pattern=r"^((tcp|tls)://\S+)?$", description="of a Dask cluster; empty: this machine"
    )


class LatentParams(LatentAnalysisParams):
    """Section `latent`: what the best model's embedding has to do with the descriptors."""

    alias: Literal["best", "production", "previous"] = Field(description="of the registered model to pull")
    batch_size: int = Field(ge=1, le=4096, description="images at a time")
    after_relu: bool = Field(description="the embedding after its ReLU; the paper's is before")


class AttributionParams(Params):
    """Section `attribution`: where in an image a registered model finds its reasons."""

    alias: Literal["best", "production", "previous"] = Field(description="of the registered model to pull")
    layer: str = Field(
        max_length=200,
        description="stage of the network whose maps are shown; `last`: its last, a ResNet's `layer4`",
    )
    images_per_class: int = Field(
        ge=1, le=100, description="held-out, correctly predicted images that are occluded and shown"
    )
    patch_px: int = Field(ge=1, le=4096, description="side of the occluding square")
    stride_px: int = Field(ge=1, le=4096, description="from one square to the next")
    grey: int = Field(ge=0, le=255, description="grey value of the square")
    batch_size: int = Field(ge=1, le=4096, description="images, or occluded copies of one, at a time")
    tolerance_px: int = Field(ge=0, le=100, description="by which the simulator's true features are widened")
    seed: Seed

    @model_validator(mode="after")
    def _squares_cover(self) -> Self:
        if self.stride_px > self.patch_px:
            raise ValueError(f"stride_px {self.stride_px} above patch_px {self.patch_px} leaves gaps")
        return self


class ReportParams(Params):
    """Section `report`: pictures."""

    images_per_class: int = Field(ge=1, le=20, description="shown of every class")
