"""What the report says of one source: scores, and what they decide."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tmdscope.params.families import FRAMINGS
from tmdscope.report.answer import answer
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import (
    Block,
    Claim,
    Figure,
    Gauge,
    Note,
    Paragraph,
    Reading,
    Section,
    Table,
)
from tmdscope.report.part import Part
from tmdscope.report.text import percent, readable, spelled
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.levels import levels_of
from tmdscope.scores.task import ORDERED_CLASSES, Metric, quantity
from tmdscope.scores.text import capital, heading, points_of, ranged, rounded, valued
from tmdscope.studies.growth_temperature.record import (
    CONSTANT,
    MAJORITY,
    NUISANCES,
    SAMPLE_NUMBER,
    Comparison,
    Model,
    Scores,
)

LEVEL = 0.05
"""Of the adjusted p-value below which two models are told apart."""

_CALLED = {
    "nominal": "classes without an order",
    "ordinal": "classes in an order (cumulative targets; networks: NNRank, or CORAL)",
    "regression": "numbers, with bins",
}

_BLIND = {
    MAJORITY: "most frequent class",
    CONSTANT: "mean temperature",
    SAMPLE_NUMBER: "sample number alone",
    NUISANCES: "growth time and substrate alone",
}

_GOING_BY = {
    MAJORITY: ORDERED_CLASSES.unseen,
    SAMPLE_NUMBER: "going by the sample's number",
    NUISANCES: "going by growth time and substrate",
}

_WARNINGS = {
    "simulated": "Simulated data: how well a method does here says nothing about MoS2.",
    "published": "These temperatures were reconstructed from the order of points in published figures: good "
    "for a pipeline, not for a claim about MoS2.",
    "images": "",
}
"""What a reader must not miss, by source."""


@dataclass(frozen=True)
class SourcePart(Part):
    """The comparison on one source."""

    found: Comparison

    @property
    def _numbers(self) -> list[Metric]:
        levels = levels_of(self.found.classes).numbers
        return [one for one in quantity(self.found.unit, levels, ".1f").metrics if one.unit]

    @property
    def best(self) -> dict[str, tuple[str, Model]]:
        """The model of each framing with the best plain score: by name, the first of equals."""
        plain = ORDERED_CLASSES.plain.name
        return {
            framing: max(models.items(), key=lambda item: item[1].scores.by_class[plain])
            for framing, models in self.found.models.items()
            if models
        }

    @property
    def across(self) -> tuple[int, int]:
        """How many pairs of one model in two framings there are, and how many are told apart."""
        pairs = [
            pair for pair in self.found.pairs if pair.first.partition(".")[2] == pair.second.partition(".")[2]
        ]
        return len(pairs), sum(pair.adjusted < LEVEL for pair in pairs)

    @property
    def is_run(self) -> bool:
        """Whether there was anything to compare."""
        return not self.found.why_not

    @property
    def warning(self) -> str:
        """Say what these temperatures are good for."""
        return _WARNINGS[self.found.source]

    def answer(self) -> Claim:
        """Say how often the first model names the right temperature, and what no image gives."""
        name, model = next(iter(self.found.models[FRAMINGS[0]].items()))
        plain, found = ORDERED_CLASSES.told.name, model.scores
        beside = {
            _GOING_BY[blind]: one.by_class[plain]
            for blind, one in self.found.baselines.items()
            if blind in _GOING_BY
        }
        estimate = Estimate(found.by_class, found.bounds, found.images, found.samples)
        rows = f"{self.found.source} images"
        return answer(ORDERED_CLASSES, estimate, beside, f"model {readable(name)}", "temperature", rows)

    def claim(self) -> Claim:
        """Say what can be told apart, and draw the highest score."""
        found = self.found
        if not self.is_run:
            return Claim(f"Not run: {found.why_not}.")
        plain = ORDERED_CLASSES.plain
        told, (across, across_told) = sum(pair.adjusted < LEVEL for pair in found.pairs), self.across
        best = max(self.best.items(), key=lambda item: item[1][1].scores.by_class[plain.name])
        framing, (name, model) = best
        count = sum(map(len, found.models.values()))
        said = (
            f"Of {count} models {readable(name)} ({framing}) is right most often; of {len(found.pairs)} pairs"
            f" {told} can be told apart, of one model in two framings {across_told} of {across}."
        )
        reading = _reading(plain, f"{framing}, {readable(name)}", model.scores)
        return Claim(said, Gauge(0.0, 1.0, [reading]))

    def metrics(self) -> dict[str, Any]:
        """Collect every model's scores, those of baselines and blocks, and what is told apart."""
        found = self.found
        if found.why_not:
            return {found.source: {"why_not": found.why_not}}
        numbers = [metric.name for metric in self._numbers]
        scores = {
            framing: {name: _numbers_of(model.scores, numbers) for name, model in models.items()}
            for framing, models in found.models.items()
        }
        told = sum(pair.adjusted < LEVEL for pair in found.pairs)
        across, across_told = self.across
        return {
            found.source: {
                **scores,
                "images": sum(found.counts),
                "samples": found.samples,
                "baselines": {name: _numbers_of(one, numbers) for name, one in found.baselines.items()},
                "blocks": {name: _numbers_of(one, numbers) for name, one in found.blocks.items()},
                "pairs": {"all": len(found.pairs), "told_apart": told},
                "framings": {"pairs": across, "told_apart": across_told},
                "null": None if found.null is None else asdict(found.null),
            }
        }

    def sentences(self) -> list[str]:
        """Say what these data decide, and what they do not."""
        found = self.found
        if found.why_not:
            return [f"Source {found.source} was not run: {found.why_not}."]
        plain = ORDERED_CLASSES.plain
        where = f"{found.source} data ({sum(found.counts)} images of {found.samples} samples)"
        told = sum(pair.adjusted < LEVEL for pair in found.pairs)
        across, across_told = self.across
        best = ", ".join(
            f"{framing} {name} {_told(plain, model.scores)} %" for framing, (name, model) in self.best.items()
        )
        blind = ", ".join(f"{_BLIND[name]} {_told(plain, one)} %" for name, one in found.baselines.items())
        said = [
            f"On {where} the highest {plain.title} of each framing is: {best}. Without an image: {blind}.",
            f"Of {len(found.pairs)} pairs of models {told} can be told apart (Holm, {LEVEL}); of {across} "
            f"pairs of one model in two framings {across_told}"
            + ("" if across_told else ": which framing is best cannot be said")
            + ".",
        ]
        if found.null is not None:
            null = found.null
            said.append(
                f"With temperatures permuted among samples a fixed method scores "
                f"{valued(plain, null.mean[plain.name])} % on average and "
                f"{valued(plain, null.most[plain.name])} % at most in {null.permutations} draws, "
                f"{valued(plain, null.true[plain.name])} % on the true ones (p = "
                f"{null.p_value[plain.name]:.3f})."
            )
        if SAMPLE_NUMBER in found.blocks:
            held = ", ".join(
                f"{_BLIND.get(name, name)} {_told(plain, one)} %" for name, one in found.blocks.items()
            )
            said.append(f"On {found.block_count} held-out blocks of sample numbers: {held}.")
        return said

    def section(self) -> Section:
        """Write all tables of the source."""
        found = self.found
        title = f"{capital(found.source)} data"
        if found.why_not:
            return Section(title, [Note(f"Not run: {found.why_not}.")])
        counts = ", ".join(
            f"{count} at {name}" for name, count in zip(found.classes, found.counts, strict=True)
        )
        lead: list[Block] = [
            Paragraph(
                f"{sum(found.counts)} images ({found.distinct} distinct) of {found.samples} samples: "
                f"{counts}. Every image is predicted by a model that never saw its sample; settings, "
                "transforms and PCA are chosen and fitted inside each outer fold."
            )
        ]
        if self.warning:
            lead.insert(0, Note(self.warning))
        tables: list[Block] = [self._framing(framing) for framing in FRAMINGS if found.models.get(framing)]
        if found.blocks:
            tables.append(self._plain_table("Blocks of sample numbers held out", found.blocks))
        if found.nuisances:
            about = "The first held-out model, nominal, by growth time and substrate"
            tables.append(self._plain_table(about, found.nuisances))
        blind = self._plain_table("Without an image", found.baselines)
        return Section(title, [*lead, *tables, blind, self._pairs(), self._drawn()])

    def _framing(self, framing: str) -> Table:
        models, plain = self.found.models[framing], ORDERED_CLASSES.plain
        rows = [
            [
                readable(name),
                *self._scored(model.scores),
                *(valued(plain, model.scores.by_label.get(label)) for label in self.found.classes),
                "-" if model.scores.calibration_error is None else f"{model.scores.calibration_error:.3f}",
                str(model.scores.invalid),
                *([] if model.test is None else [_told(plain, model.test)]),
            ]
            for name, model in models.items()
        ]
        folds = len(next(iter(models.values())).inner)
        test = f"paper's test, {self.found.test_images} images (%)"
        return Table(
            f"{capital(framing)}: {_CALLED[framing]}; pooled over {spelled(folds)} outer folds, 95 % "
            "intervals by sample",
            [
                "Model",
                *self._heads,
                *(f"right of {label} (%)" for label in self.found.classes),
                *("calibration error", "no class"),
                *([test] if self.found.test_images else []),
            ],
            rows,
        )

    @property
    def _heads(self) -> list[str]:
        return [heading(one) for one in (*ORDERED_CLASSES.metrics, *self._numbers)]

    def _scored(self, own: Scores) -> list[str]:
        classes, numbers = ORDERED_CLASSES.metrics, self._numbers
        return [
            *(ranged(one, own.by_class[one.name], own.bounds[one.name]) for one in classes),
            *(ranged(one, own.by_number[one.name], own.bounds[one.name]) for one in numbers),
        ]

    def _plain_table(self, caption: str, scores: Mapping[str, Scores]) -> Table:
        rows = [[_BLIND.get(name, readable(name)), *self._scored(own)] for name, own in scores.items()]
        return Table(caption, ["Predictor", *self._heads], rows)

    def _pairs(self) -> Table:
        plain = ORDERED_CLASSES.plain
        told = [pair for pair in self.found.pairs if pair.adjusted < LEVEL]
        rows = [
            [
                pair.first,
                pair.second,
                valued(plain, pair.difference, sign=True),
                f"{pair.p_value:.5f}",
                f"{pair.adjusted:.3f}",
            ]
            for pair in sorted(told, key=lambda one: one.adjusted)
        ]
        share = percent(len(told) / max(1, len(self.found.pairs)))
        return Table(
            f"Pairs of models that can be told apart: {len(told)} of {len(self.found.pairs)} ({share} %); "
            "signs of whole samples turned at random, Holm for all pairs",
            ["First", "Second", f"difference ({points_of(plain)})", "p", "p, adjusted"],
            rows,
        )

    def _drawn(self) -> Figure:
        best = self.best.items()
        matrices = {f"{framing} {name}": np.array(own.scores.confusion) for framing, (name, own) in best}
        return Figure(
            "The highest of each framing, rows true; where no pair is told apart, which it is is luck.",
            "Confusion matrices of " + ", ".join(matrices) + ".",
            confusion_matrices(matrices, self.found.classes),
        )


def _numbers_of(scores: Scores, numbers: list[str]) -> dict[str, Any]:
    bounds = {f"{name}_ci95": found and list(found) for name, found in scores.bounds.items()}
    own = {**scores.by_class, **{name: scores.by_number[name] for name in numbers}}
    wanted = {key: value for key, value in bounds.items() if key.removesuffix("_ci95") in own}
    error = {} if scores.calibration_error is None else {"calibration_error": scores.calibration_error}
    return {**own, **wanted, "by_label": scores.by_label, "invalid": scores.invalid, **error}


def _reading(metric: Metric, label: str, scores: Scores) -> Reading:
    value, bounds = scores.by_class[metric.name], scores.bounds[metric.name]
    return Reading(label, value, rounded(metric, value, bounds), bounds)


def _told(metric: Metric, scores: Scores) -> str:
    return ranged(metric, scores.by_class[metric.name], scores.bounds[metric.name])
