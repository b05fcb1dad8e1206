"""Attribution of a study's held-out images: maps, agreement, sanity, and what is really there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.attribution.checks import pointing, randomised, rank_correlation
from tmdscope.analysis.attribution.maps import Explained, Labels, Maps
from tmdscope.analysis.record import (
    Agreement,
    Attribution,
    AttributionSettings,
    ExplainedModel,
    OnTruth,
)
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import AttributionParams
from tmdscope.scores.bootstrap import Interval, mean_with_interval


@dataclass(frozen=True)
class AttributionData:
    """Held-out images, N x S x S, and by feature where the simulator, if any, put it, N x S x S."""

    images: NDArray[np.uint8]
    labels: Labels
    sample_ids: Sequence[str]
    masks: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class AttributionResult:
    """What was found, in numbers and maps.

    `shown` are the rows of the images that all methods looked at, `maps` those of each method, (shown, S, S).
    """

    summary: Attribution
    shown: NDArray[np.int64]
    maps: dict[str, Maps]


@dataclass(frozen=True)
class _Means:
    sample_ids: NDArray[np.str_]
    scoring: ScoringParams

    def of(self, values: NDArray[np.float64], limits: tuple[float, float] | None = None) -> Interval:
        ids, scoring = self.sample_ids.tolist(), self.scoring
        return mean_with_interval(values, ids, scoring.bootstrap, scoring.seed, limits)


def explain(
    explained: Explained,
    data: AttributionData,
    settings: AttributionParams,
    scoring: ScoringParams,
    model: ExplainedModel,
) -> AttributionResult:
    """Ask a network for its reasons, and its maps for theirs; the class explained is the one that it names.

    CAM and Grad-CAM of all images; occlusion, agreement and sanity of those shown.
    """
    predicted = explained.predict(data.images)
    shown = choose(data, predicted, settings.images_per_class)
    everything, samples = np.arange(len(data.images)), np.asarray(data.sample_ids, dtype=str)
    maps = _layer_maps(explained, data.images, predicted)
    images, labels = data.images[shown], predicted[shown]
    on_shown = {name: values[shown] for name, values in maps.items()}
    on_shown["occlusion"] = explained.occlusion(images, labels, settings)
    looked_at = [(name, values, everything) for name, values in maps.items()]
    looked_at.append(("occlusion", on_shown["occlusion"], shown))
    means = _Means(samples[shown], scoring)
    asked = settings.model_dump(include=set(AttributionSettings.__dataclass_fields__))
    summary = Attribution(
        model=model,
        settings=AttributionSettings(**asked),
        images=len(everything),
        correct=int((predicted == data.labels).sum()),
        shown=len(shown),
        map_px=explained.map_px(data.images),
        agreement=_agreement(on_shown, means),
        sanity=_sanity(explained, images, labels, on_shown, means, settings),
        truth={
            feature: {
                name: _on_truth(values, masks[rows], _Means(samples[rows], scoring))
                for name, values, rows in looked_at
            }
            for feature, masks in data.masks.items()
        },
    )
    return AttributionResult(summary, shown, on_shown)


def choose(data: AttributionData, predicted: Labels, per_class: int) -> NDArray[np.int64]:
    """Choose the images that are occluded and shown: predicted rightly, of as many samples as there are.

    Rows, class by class, at most `per_class` each; within one, each sample's first image before any's second.
    """
    right = np.flatnonzero(predicted == data.labels)
    table = pd.DataFrame({"label": data.labels[right], "sample": np.asarray(data.sample_ids)[right]}, right)
    table["turn"] = table.groupby("sample").cumcount()
    order = table.sort_values(["label", "turn"], kind="stable")
    return np.asarray(order.groupby("label").head(per_class).index, dtype=np.int64)


def _layer_maps(explained: Explained, images: NDArray[np.uint8], labels: Labels) -> dict[str, Maps]:
    return {"cam": explained.cam(images, labels), "grad_cam": explained.grad_cam(images, labels)}


def _chance(first: Maps, second: Maps) -> float | None:
    """How alike the maps of two methods are that are of different images: what the frame alone does."""
    if len(first) < 2:
        return None
    values = rank_correlation(first, np.roll(second, 1, axis=0))
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _agreement(maps: Mapping[str, Maps], means: _Means) -> dict[str, Agreement]:
    return {
        f"{a}-{b}": Agreement(
            **vars(means.of(rank_correlation(maps[a], maps[b]))), other_image=_chance(maps[a], maps[b])
        )
        for a, b in combinations(maps, 2)
    }


def _sanity(
    explained: Explained,
    images: NDArray[np.uint8],
    labels: Labels,
    maps: Mapping[str, Maps],
    means: _Means,
    settings: AttributionParams,
) -> dict[str, dict[str, Interval]]:
    """Rank correlation with the maps of networks that lost more and more of what they learnt.

    Of occlusion after the last step only, an image of each class: it asks the network hundreds of times.
    """
    found: dict[str, dict[str, Interval]] = {name: {} for name in maps}
    for step, classifier in randomised(explained.classifier, settings.seed):
        random = replace(explained, classifier=classifier)
        for name, values in _layer_maps(random, images, labels).items():
            found[name][step] = means.of(rank_correlation(maps[name], values))
    _, first = np.unique(labels, return_index=True)
    values = random.occlusion(images[first], labels[first], settings)
    of_first = replace(means, sample_ids=means.sample_ids[first])
    found["occlusion"][step] = of_first.of(rank_correlation(maps["occlusion"][first], values))
    return found


def _on_truth(maps: Maps, masks: NDArray[np.bool_], means: _Means) -> OnTruth:
    table = pointing(maps, masks)
    known = table.dropna()
    return OnTruth(
        mass=float(known["mass"].mean()) if len(known) else None,
        area=float(known["area"].mean()) if len(known) else None,
        gain=means.of(table["gain"].to_numpy()),
        hit=means.of(table["hit"].to_numpy(), (0, 1)),
    )
