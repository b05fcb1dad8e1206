"""What a fold ensemble's held-out images say of a new prediction: how sure, which classes, how familiar."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.reliability.calibration import (
    check_labelled,
    check_probabilities,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    pool,
    soften,
)
from tmdscope.reliability.conformal import CrossConformal, fit_cross_conformal, tolerance_cut, within
from tmdscope.reliability.novelty import ClassGaussians, fit_gaussians
from tmdscope.scores.bootstrap import mean_with_interval
from tmdscope.scores.records import Trust

if TYPE_CHECKING:
    from tmdscope.dataset.splits import FoldParts

LEVEL = 0.9
"""Share of new images whose set of classes should hold the true one."""

FALSE_ALARMS = 0.05
"""Share of images like those of the study that may be called unfamiliar."""

CONFIDENCE = 0.95
"""Probability, over drawings of the study's samples, that no more are."""

_FORM = "1"
_NUMBERS = ("temperature", "level", "novelty_cut")

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """What is kept of the held-out images of a fold ensemble.

    `level`: share of images of new samples whose set of classes should hold the true one. Scores of `sets`:
    one minus the softened probability of the true class; of `novelty`: distance from the training embeddings.
    An image is unfamiliar at a p-value of `novelty_cut` or below; 0 where there are too few samples to say.
    """

    temperature: float
    level: float
    sets: CrossConformal
    gaussians: tuple[ClassGaussians, ...]
    novelty: CrossConformal
    novelty_cut: float
    classes: int

    @property
    def members(self) -> int:
        """Members of the ensemble, F."""
        return len(self.gaussians)

    @property
    def samples(self) -> int:
        """Samples held out."""
        return self.sets.samples

    @property
    def images(self) -> int:
        """Images held out."""
        return self.sets.images

    @property
    def can_flag(self) -> bool:
        """Whether any image can be called unfamiliar; not with fewer than 59 samples."""
        return self.novelty_cut > 0

    def tensors(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Give what to store, as safetensors hold it: float64 arrays, and texts for everything else."""
        arrays: dict[str, NDArray[Any]] = {}
        for fold, gaussians in enumerate(self.gaussians):
            arrays[f"gaussians.means.{fold}"] = gaussians.means
            arrays[f"gaussians.whitening.{fold}"] = gaussians.whitening
            for name, conformal in (("sets", self.sets), ("novelty", self.novelty)):
                arrays[f"{name}.scores.{fold}"] = conformal.scores[fold]
                arrays[f"{name}.tails.{fold}"] = conformal.tails[fold]
        numbers = {name: repr(float(getattr(self, name))) for name in _NUMBERS}
        counts = {name: str(getattr(self, name)) for name in ("members", "classes", "samples")}
        return arrays, {"form": _FORM, **numbers, **counts}

    @classmethod
    def from_tensors(cls, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> "Reliability":
        """Read what `tensors` gives, bit for bit; `ValueError` where some lacks or is of another form."""
        if texts.get("form") != _FORM:
            raise ValueError(f"reliability is of form {texts.get('form')!r}, this version reads {_FORM!r}")
        try:
            folds, samples = range(int(texts["members"])), int(texts["samples"])
            parts = {
                name: tuple(arrays[f"{name}.{fold}"] for fold in folds)
                for name in sorted({key.rpartition(".")[0] for key in arrays})
            }
            return cls(
                **{name: float(texts[name]) for name in _NUMBERS},
                sets=CrossConformal(parts["sets.scores"], parts["sets.tails"], samples),
                gaussians=tuple(map(ClassGaussians, parts["gaussians.means"], parts["gaussians.whitening"])),
                novelty=CrossConformal(parts["novelty.scores"], parts["novelty.tails"], samples),
                classes=int(texts["classes"]),
            )
        except KeyError as error:
            raise ValueError(f"stored reliability lacks {error.args[0]!r}") from error


@dataclass(frozen=True)
class Assessment:
    """What is said of each of N images beside its class.

    Shape (N, K): the mean of the members' `probabilities` as they are; the members joined at their
    temperature, `calibrated`, whose first class may be another where two are about as probable; and which
    classes are in the image's set, which may be empty. Shape (N,): the p-value of its distance from the
    training embeddings, whether it is `unfamiliar` by it, and the `spread` (ddof 0) over members of the
    probability of the most probable class.
    """

    probabilities: Values
    calibrated: Values
    sets: NDArray[np.bool_]
    novelty: Values
    unfamiliar: NDArray[np.bool_]
    spread: Values


def fit_reliability(
    probabilities: ArrayLike,
    embeddings: Iterable[ArrayLike],
    labels: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    folds: Sequence["FoldParts"],
    level: float = LEVEL,
) -> Reliability:
    """Learn from every member's held-out images how far the ensemble can be trusted.

    A member's training part gives what it finds familiar, its validation part all else; test parts are not
    looked at. Where validation chose the epoch that is kept, scores are better by as much as that gains.
    Probabilities, (F, N, K), and embeddings before the ReLU, (F, N, width), are of every image by every
    member; embeddings are taken one member after another, so that they may be made when they are asked for.
    Parts of a fold share no sample.
    """
    given = _check_probabilities(probabilities, len(folds))
    true, names = np.asarray(labels), np.asarray(sample_ids, dtype=str)
    if not true.shape == names.shape == given.shape[1:2]:
        raise ValueError(f"labels {true.shape} and samples {names.shape} must be of {given.shape[1]} images")
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1")
    for number, parts in enumerate(folds):
        shared = np.intersect1d(names[parts.train], names[parts.val])
        if shared.size:
            raise ValueError(f"fold {number} trains and validates on sample {str(shared[0])!r}")
    held_out = [member[parts.val] for member, parts in zip(given, folds, strict=True)]
    labelled, samples = [true[parts.val] for parts in folds], [names[parts.val] for parts in folds]
    temperature = fit_temperature(np.concatenate(held_out), np.concatenate(labelled))
    misfits = [
        1 - soften(values, temperature)[np.arange(len(wanted)), wanted]
        for values, wanted in zip(held_out, labelled, strict=True)
    ]

    def familiar(seen: ArrayLike, parts: "FoldParts") -> tuple[ClassGaussians, Values]:
        member = _check_embeddings(seen, given.shape)
        own = fit_gaussians(member, true, parts.train)
        return own, own.distances(member[parts.val])

    members = [*map(familiar, embeddings, folds)]  # one at a time: no other is held meanwhile
    if len(members) != len(folds):
        raise ValueError(f"embeddings of {len(members)} must be of {len(folds)} members")
    gaussians, distances = zip(*members, strict=True)
    sets, novelty = fit_cross_conformal(misfits, samples), fit_cross_conformal(distances, samples)
    cut = tolerance_cut(novelty.samples, FALSE_ALARMS, CONFIDENCE)
    return Reliability(temperature, level, sets, gaussians, novelty, cut, given.shape[2])


def assess(
    reliability: Reliability, probabilities: ArrayLike, embeddings: Sequence[ArrayLike] | NDArray[Any]
) -> Assessment:
    """Say of each image how sure its class is, which classes it may be, and whether it is familiar.

    On held-out samples of real and of simulated scans, five seeds each, members joined by `pool`
    were likelier than the mean of softened ones and than the mean as it is in all ten. Arrays as for
    `fit_reliability`; there may be no images.
    """
    given = _check_probabilities(probabilities, reliability.members)
    if len(embeddings) != len(given):
        raise ValueError(f"embeddings of {len(embeddings)} must be of {reliability.members} members")
    if given.shape[2] != reliability.classes:
        raise ValueError(f"probabilities {given.shape} must be of {reliability.classes} classes")
    mean, softened = given.mean(axis=0), soften(given, reliability.temperature)
    members = [_check_embeddings(seen, given.shape) for seen in embeddings]
    distances = [known.distances(seen) for known, seen in zip(reliability.gaussians, members, strict=True)]
    novelty = reliability.novelty.p_values(distances)
    surest = np.take_along_axis(given, mean.argmax(axis=1)[None, :, None], axis=2)[..., 0]
    return Assessment(
        probabilities=mean,
        calibrated=pool(given, reliability.temperature),
        sets=~within(reliability.sets.p_values(1 - softened), 1 - reliability.level),
        novelty=novelty,
        unfamiliar=within(novelty, reliability.novelty_cut),
        spread=surest.std(axis=0),
    )


def measure(
    assessment: Assessment,
    labels: ArrayLike,
    sample_ids: Sequence[str] | NDArray[Any],
    resamples: int,
    seed: int,
) -> Trust:
    """Score an assessment; intervals are over samples, None with fewer than two."""
    before, true = check_labelled(assessment.probabilities, labels)
    covered = np.take_along_axis(assessment.sets, true[:, None], axis=1)[:, 0]
    names = np.asarray(sample_ids, dtype=str)
    coverage, flagged = (
        mean_with_interval(hits.astype(np.float64), names.tolist(), resamples, seed, limits=(0, 1))
        for hits in (covered, assessment.unfamiliar)
    )
    _, sample, images = np.unique(names, return_inverse=True, return_counts=True)
    sizes = assessment.sets.sum(axis=1)
    return Trust(
        images=len(true),
        samples=len(images),
        ece_before=expected_calibration_error(before, true),
        ece_after=expected_calibration_error(assessment.calibrated, true),
        nll_before=negative_log_likelihood(before, true),
        nll_after=negative_log_likelihood(assessment.calibrated, true),
        coverage=float(covered.mean()),
        coverage_ci95=coverage.ci95,
        coverage_by_sample=float(np.mean(np.bincount(sample, weights=covered) / images)),
        set_size=float(sizes.mean()),
        empty_sets=float((sizes == 0).mean()),
        flagged=float(assessment.unfamiliar.mean()),
        flagged_ci95=flagged.ci95,
    )


def _check_probabilities(probabilities: ArrayLike, members: int) -> Values:
    given = np.asarray(probabilities, dtype=np.float64)
    if given.ndim != 3 or len(given) != members:
        raise ValueError(f"probabilities {given.shape} must be of {members} members")
    check_probabilities(given)
    return given


def _check_embeddings(member: ArrayLike, probabilities: tuple[int, ...]) -> NDArray[Any]:
    seen = np.asarray(member)
    if seen.ndim != 2 or len(seen) != probabilities[1]:
        raise ValueError(
            f"probabilities {probabilities} and embeddings {seen.shape} must be of the same images"
        )
    return seen
