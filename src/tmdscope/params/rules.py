"""What the sections of a study say against one another, and against the number of samples; nothing is run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tmdscope.errors import UserError
from tmdscope.names import name_problem
from tmdscope.params.architectures import weights_of
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.experiments import (
    BackboneParams,
    ExperimentParams,
    FeaturesParams,
    Strategy,
    require_formulae,
)
from tmdscope.params.images import (
    AttributionParams,
    DataParams,
    LatentParams,
    PrepareParams,
    PretrainParams,
    SplitParams,
)
from tmdscope.params.reading import Params
from tmdscope.params.search import SearchParams, tuned_name
from tmdscope.params.sequential import SequenceParams, SequentialParams, part_sizes

_TAKEN_NAMES = ("sequential", "audit")
"""Names that runs and folders of other stages have."""

_VARIED = ("strategy", "architecture", "weights", "train_from", "flips", "rotations")
"""Settings that a search may vary and other sections speak of."""

_LEAST_SAMPLES = 3
"""Of a class: one each for the held-out test, for training and for validation."""

Section = TypeVar("Section", bound=Params)


class WrongSectionError(LookupError):
    """A rule asks for a section that has problems of its own."""


@dataclass(frozen=True)
class Settings:
    """The sections of a study that are right by themselves; one on a table has no experiments."""

    sections: dict[str, Params] = field(default_factory=dict)
    experiments: dict[str, ExperimentParams] = field(default_factory=dict)
    searches: dict[str, SearchParams] = field(default_factory=dict)

    def get(self, name: str, model: type[Section]) -> Section:
        """Give a section to a rule, which is left out where the section is wrong (WrongSectionError)."""
        found = self.sections.get(name)
        if not isinstance(found, model):
            raise WrongSectionError(name)
        return found

    def trainings(self) -> Iterator[tuple[str, ExperimentParams]]:
        """Give every setting of a network that is trained, after where it stands."""
        for name, entry in self.experiments.items():
            yield f"experiments.{name}", entry
        for name, search in self.searches.items():
            if (base := self.experiments.get(name)) is None:
                continue
            for drawn in _drawn(search, base):
                with suppress(ValueError):  # a trial that fails
                    made = {**base.model_dump(mode="json"), **drawn}
                    yield f"searches.{name}.space.{'+'.join(drawn)}", ExperimentParams.model_validate(made)
        sequential = self.sections.get("sequential")
        if isinstance(sequential, SequentialParams) and sequential.enabled:
            yield "sequential.training", sequential.experiment(sequential.encodings[0], 0)


def _drawn(search: SearchParams, base: ExperimentParams) -> Iterator[dict[str, Any]]:
    """Give every combination that a search may draw of the settings that other sections speak of."""
    found: list[dict[str, Any]] = [{}]
    for key, dimension in search.space.items():
        if key not in _VARIED:
            continue
        settings = base.model_dump(mode="json")
        for drawn in list(found):
            told, asked = {**settings, **drawn}, dimension.when
            if all(told[other] in values for other, values in asked.items() if other in _VARIED):
                if asked.keys() <= set(_VARIED):  # else it may be left as it is
                    found.remove(drawn)
                found += [{**drawn, key: value} for value in dimension.ends]
    yield from filter(None, found)


def sample_problems(
    split: SplitParams,
    audit: ManifestAuditParams,
    latent: LatentParams,
    samples: Mapping[str, int],
    images: int,
) -> list[str]:
    """Compare what the settings ask for with what the data have: every problem with a remedy.

    `samples` maps a class to its number of samples; those that share an identical image count as one.
    """
    total = sum(samples.values())
    problems = [
        f"class {name!r} has {count} sample{'s' * (count != 1)}, {_LEAST_SAMPLES} are needed (one each for "
        "the held-out test, training and validation): add samples, or take the class out of data.classes"
        for name, count in samples.items()
        if count < _LEAST_SAMPLES - 1  # with two, chance decides: the audit of the split says so
    ]
    rest = total
    if split.test == "folds":
        problems += _too_few("split.test_folds", split.test_folds, total)
        rest -= -(-total // split.test_folds)
    problems += _too_few("split.folds", split.folds, rest, " outside of the held-out test")
    problems += _too_few("audit.folds", audit.folds, total)
    problems += _too_few("latent.folds", latent.folds, total)
    if latent.components > images:
        problems.append(
            f"latent.components {latent.components} of {images} images: set it to {images} at most"
        )
    return problems


def volume_problems(
    params: SequenceParams, classes: Sequence[str], images: Mapping[str, tuple[int, int]]
) -> list[str]:
    """Compare the volumes of a sequence with the images that the folds have: every problem with a remedy.

    `images` maps a class to the fewest training and the fewest validation images that a fold has of it.
    """
    if not params.enabled:
        return []
    numbers = [volume for volume in params.volumes if volume != "full"]
    return [
        f"sequential.volumes: {volume} takes {train} training and {val} validation images of {name}, of "
        f"which a fold has {images[name][0]} and {images[name][1]}: lower or remove this volume"
        for name in params.order_of(classes)[params.first :]
        for volume, (train, val) in ((number, part_sizes(number)) for number in numbers)
        if train > images[name][0] or val > images[name][1]
    ]


def _too_few(key: str, folds: int, samples: int, where: str = "") -> list[str]:
    if samples >= folds:
        return []
    lower = f"set it to {samples} at most, or " if samples > 1 else ""
    return [f"{key} is {folds}, but there are {samples} samples{where}: {lower}add samples"]


def name_problems(experiments: Mapping[Any, Any], searches: Mapping[Any, Any]) -> Iterator[str]:
    """Find names that cannot be those of stages, folders and keys, with remedies."""
    for section, entries in (("experiments", experiments), ("searches", searches)):
        yield from (f"{section}: {problem}" for problem in map(name_problem, entries) if problem)
    tuned = {tuned_name(str(name)): name for name in searches}
    seen: dict[str, str] = {}
    for name in map(str, experiments):
        if name in _TAKEN_NAMES:
            yield f"experiments: {name!r} is the name of a stage: call it '{name}-1'"
        if name in tuned:
            yield (
                f"experiments: {name!r} is what the search of {tuned[name]!r} makes: give the experiment "
                "another name"
            )
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            yield f"experiments: {twin!r} and {name!r} are one folder on some disks: rename one"


def _formulae(settings: Settings) -> Iterator[str]:
    """Multilabel targets are atoms."""
    data = settings.get("data", DataParams)
    names = [name for name, entry in settings.experiments.items() if entry.target == "multilabel"]
    if names:
        keys = ", ".join(f"experiments.{name}" for name in names)
        yield from _said(lambda: require_formulae(data.classes, f"set the target of {keys} to multiclass"))


def _sequence(settings: Settings) -> Iterator[str]:
    classes, folds = settings.get("data", DataParams).classes, settings.get("split", SplitParams).folds
    yield from sequence_problems(settings.get("sequential", SequentialParams), classes, folds)


def sequence_problems(params: SequenceParams, classes: Iterable[str], folds: int) -> Iterator[str]:
    """Compare a sequence with the classes and the folds that there are, with remedies."""
    if not params.enabled:
        return
    yield from _said(lambda: params.order_of(list(classes)))
    if (params.measure_leak or params.start == "paper") and params.paper_fold >= folds:
        yield (
            f"sequential.paper_fold is {params.paper_fold}, split.folds gives the folds 0 to {folds - 1}: "
            "name one of them, or set start to fold and measure_leak to false"
        )


def backbones(settings: Settings) -> Iterator[tuple[str, ExperimentParams | BackboneParams]]:
    """Give every backbone that is trained or looked through, after where it stands."""
    yield from settings.trainings()
    stored = settings.get("features", FeaturesParams).backbones
    yield from ((f"features.backbones[{number}]", each) for number, each in enumerate(stored))


def uses_simulated(settings: Settings) -> bool:
    """Say whether anything starts from weights `simulated`, which stage `pretrain` makes."""
    return any(entry.weights == "simulated" for _, entry in backbones(settings))


def _weights(settings: Settings) -> Iterator[str]:
    """Weights are published for some architectures; those called `simulated` are of one."""
    made = settings.get("pretrain", PretrainParams).architecture
    for where, entry in backbones(settings):
        has = weights_of(entry.architecture)
        if entry.weights == "simulated" and entry.architecture != made:
            yield (
                f"{where}: weights 'simulated' are of {made}, not of {entry.architecture}: take another "
                "architecture, other weights, set pretrain.architecture"
            )
        elif entry.weights not in (*has, "simulated", "none"):
            yield (
                f"{where}: there are no weights {entry.weights!r} of {entry.architecture}: take another "
                f"architecture, or {', '.join(has)}"
            )


def _stored_features(settings: Settings) -> Iterator[str]:
    """Strategy `features` reads what stage `features` stored."""
    stored = settings.get("features", FeaturesParams)
    there = {(each.architecture, each.weights) for each in stored.backbones}
    for where, entry in settings.trainings():
        if entry.strategy is not Strategy.FEATURES:
            continue
        if (entry.architecture, entry.weights) not in there:
            yield (
                f"{where}: strategy features of {entry.architecture} with weights {entry.weights!r}, which "
                f"features.backbones do not hold: add {{architecture: {entry.architecture!r}, weights: "
                f"{entry.weights}}} to them"
            )
        for key in ("flips", "rotations"):
            if getattr(entry, key) and not getattr(stored, key):
                yield (
                    f"{where}: {key} true with strategy features, but features.{key} is false: set that "
                    "to true"
                )


def _sources(settings: Settings) -> Iterator[str]:
    data, split = settings.get("data", DataParams), settings.get("split", SplitParams)
    if split.test == "paper" and data.source != "archive":
        yield (
            f"split.test is paper, but data.source is {data.source}: only the archive knows the authors' "
            "test; set split.test to folds"
        )
    side, frame = settings.get("prepare", PrepareParams).levelling.side_nm, data.simulated.frame_nm
    if data.source == "simulated" and side is not None and side > frame:
        yield (
            f"prepare.levelling.crop_nm is {side:g}, but data.simulated.frame_nm is {frame:g}: lower "
            "crop_nm, or write whole"
        )


def _patch(settings: Settings) -> Iterator[str]:
    patch = settings.get("attribution", AttributionParams).patch_px
    if patch > (size := settings.get("prepare", PrepareParams).size_px):
        yield f"attribution.patch_px {patch} is larger than an image, prepare.size_px {size}: lower it"


def _said(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except UserError as error:
        return [str(error)]
    return []


Rule = Callable[[Settings], Iterator[str]]
"""Gives every problem that it finds between sections."""

RULES: tuple[Rule, ...] = (_formulae, _sequence, _weights, _stored_features, _sources, _patch)
"""Of the main settings."""
