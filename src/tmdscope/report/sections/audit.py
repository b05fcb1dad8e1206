"""What the score is worth: the audit of every study."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from tmdscope.audit.campaigns import Campaigns
from tmdscope.audit.record import Audit
from tmdscope.audit.scores import gained
from tmdscope.report.figures.audit import learning_curve_figure
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import counted, decided, percent, with_interval
from tmdscope.scores.bootstrap import FEW
from tmdscope.scores.intervals import NO_INTERVAL, Bounds, Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import (
    capital,
    estimated,
    heading,
    in_text,
    named,
    points_of,
    ranged,
    scale_of,
    valued,
)

_SEES = {
    "features": "features of the images",
    "order": "order of the samples only",
    "nuisance": "what is known of the measurement",
    "statistics": "a few image statistics",
}
_RESULTS = {True: "passed", False: "failed", None: "cannot be told"}
_ORDER_ONLY = ("order only, held out", "order only, control")
_SHOWN = {"confounds", "campaigns", "drift", "learning_curve", "folds", "groups"}
_RECORD = TypeAdapter(Audit)


@dataclass(frozen=True)
class AuditPart(Part):
    """What an audit found, told by the task's plain metric."""

    found: Audit

    @property
    def metric(self) -> Metric:
        """By which it is told."""
        return self.found.task.plain

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers of the section.

        The plain metric, under its name, by what a predictor sees, ``campaigns`` by way of holding out,
        ``early_late`` by class, ``twice_the_samples`` and ``checks``; under ``shown`` what the record says.
        """
        found, name = self.found, self.metric.name
        campaigns = {
            item.name: {
                "held_out": item.held_out.values[name],
                "control": item.control.values[name],
                "drop": item.drop.values[name],
                "drop_ci95": item.drop.bounds[name],
                "effect": item.effect,
            }
            for item in found.campaigns
        }
        numbers = {
            name: {item.name: item.score.values[name] for item in found.confounds},
            "campaigns": campaigns,
            "early_late": {item.name: item.auc for item in found.drift},
            "twice_the_samples": found.learning_curve.gain,
            "checks": {check.name: check.passed for check in found.verdict.checks},
            "shown": _by_name(_RECORD.dump_python(found, include=_SHOWN, exclude_none=True)),
        }
        return {"audit": numbers}

    def sentences(self) -> list[str]:
        """Say order against images, the headline, and the checks that did not pass."""
        checks = self.found.verdict.checks
        failed = [check.name for check in checks if check.passed is False]
        open_ones = [check.name for check in checks if check.passed is None]
        told = (
            f"Checks that failed: {', '.join(failed)}" if failed else f"None of {len(checks)} checks failed"
        )
        return [
            *filter(None, [self.order()]),
            f"Audit of frozen features: {self.found.verdict.headline.rstrip('.')}.",
            told + (f"; cannot be told: {', '.join(open_ones)}." if open_ones else "."),
        ]

    def order(self) -> str | None:
        """Set what features know beside what the samples' order knows; None where no order is known."""
        for item in self.found.confounds:
            if item.name == "order" and item.beyond is not None:
                _, gain = gained(self.metric, item.beyond)
                says = decided(gain, "the images say more", "the order alone says more")
                return (
                    "Frozen features of the images less the order of the samples alone, the same "
                    f"{item.score.images} images: {estimated(self.metric, item.beyond)} "
                    f"{points_of(self.metric)} of {self.metric.title}: {says}."
                )
        return None

    def section(self) -> Section:
        """Write the verdict, and the numbers behind it."""
        blocks = [
            *self._verdict(),
            self._confounds(),
            *self._campaigns(),
            *self._drift(),
            *self._curve(),
            self._groups(),
            *self._folds(),
            self._duplicates(),
        ]
        return Section("What the score is worth", blocks)

    def _number(self, value: float | None) -> str:
        return valued(self.metric, value)

    def _verdict(self) -> Iterator[Block]:
        verdict = self.found.verdict
        yield Note(verdict.headline)
        for title, claims in verdict.titled.items():
            numbered = [[str(number), claim] for number, claim in enumerate(claims, 1)]
            yield Table(title, ["No.", "claim"], numbered, words_last=True)
        rows = [[check.name, _RESULTS[check.passed], check.finding] for check in verdict.checks]
        yield Table("Checks", ["Check", "result", "found"], rows, words_last=True)

    def _confounds(self) -> Table:
        metric, own = self.metric, self.found.confounds[0]

        def cell(scores: Estimate | None, of: Metric = metric) -> str:
            return "" if scores is None else estimated(of, scores)

        others = self.found.task.metrics[1:]
        rows = [
            [
                _SEES[item.name],
                *(cell(item.score, of) for of in (metric, *others)),
                *(cell(scores) for scores in (item.distinct, item.test, item.beyond)),
            ]
            for item in self.found.confounds
        ]
        titles = [heading(of) for of in (metric, *others)]
        return Table(
            f"The same split, other eyes: {own.score.images} images, each predicted by a model that never "
            f"saw its sample; {own.distinct.images} distinct images; the held-out test by a model of all "
            "others. 95 % intervals by sample. Features: kernel ridge regression; order: the nearest sample; "
            "others: random forest",
            [
                *("Sees", *titles, heading(metric, "distinct"), heading(metric, "test")),
                f"features less this ({points_of(metric)})",
            ],
            rows,
        )

    def _campaigns(self) -> list[Block]:
        campaigns, metric = self.found.campaigns, self.metric
        if not campaigns:
            return [Note("No order of the samples is known: whether the score is campaign cannot be said.")]
        rows = [
            [
                item.name,
                f"{item.held_out.images} of {item.held_out.samples}",
                *(estimated(metric, of) for of in (item.held_out, item.control, item.drop)),
                estimated(metric, item.order_held_out),
                self._number(item.order_control.values[metric.name]),
                self._number(item.chance),
                item.effect or NO_INTERVAL,
            ]
            for item in campaigns
        ]
        header = ["images of samples", "held out", "control", "drop", *_ORDER_ONLY, "chance", "effect"]
        told = " ".join(f"{item.name}: {item.method}{_excluded(item.excluded)}" for item in campaigns)
        lead = (
            "A held-out campaign is predicted by a model that trained on none of its samples, and by matched "
            "controls: as many training samples of each class, the campaign's other samples among them. "
        )
        return [
            Paragraph(lead + told),
            Table(
                f"Held-out campaigns, {named([metric])}; drop: control less held out, in "
                f"{points_of(metric)}, 95 % intervals by sample widened by the luck of one training set; "
                "chance: the one answer for all that is best without looking",
                ["Held out", *header],
                rows,
            ),
            self._lost(),
            *(self._parts(item) for item in campaigns if item.parts and item.in_blocks),
        ]

    def _lost(self) -> Figure:
        drawn, unit = {}, points_of(self.metric)
        for item in self.found.campaigns:
            drop, bounds = gained(self.metric, item.drop)
            drawn[item.name] = tuple(scale_of(self.metric) * of for of in (drop, *drawable(bounds)))
        return Figure(
            "What goes with the campaign: control less held out, with 95 % intervals.",
            f"Lost when campaigns are held out, in {unit}: {', '.join(drawn)}.",
            intervals(drawn, f"{capital(self.metric.title)} lost ({unit})"),
        )

    def _parts(self, item: Campaigns) -> Table:
        rows = [
            [
                part.name,
                f"{part.first:g} - {part.last:g}",
                str(part.samples),
                str(part.images),
                *map(self._number, (part.held_out, part.control)),
                *map(self._number, (part.order_held_out, part.order_control)),
                counted(part.excluded),
            ]
            for part in item.parts
        ]
        header = ["Part", "order", "samples", "images", "held out", "control", *_ORDER_ONLY, "not scored"]
        return Table(f"{item.name}: {named([self.metric])} of each", header, rows)

    def _drift(self) -> list[Block]:
        rows = [
            [
                item.name,
                f"{item.images} of {item.samples}",
                f"{item.split_at:g}",
                with_interval(item.auc, item.auc_ci95),
                *(f"{number:.3f}" for number in (item.null_mean, item.null_95, item.p_value)),
            ]
            for item in self.found.drift
        ]
        if not rows:
            return []
        caption = (
            "Early or late, within one class: area under the ROC curve over samples, cross-validated by "
            f"sample, beside {self.found.drift[0].permutations} shuffles of early and late"
        )
        shuffled = ["shuffled, mean", "shuffled, 95th percentile", "p"]
        return [Table(caption, ["Class", "images of samples", "late from", "AUC", *shuffled], rows)]

    def _curve(self) -> list[Block]:
        title = capital(self.metric.title)
        return [
            Figure(
                f"{title} against training samples, with a power law; twice the samples with its interval.",
                "Learning curve over samples.",
                learning_curve_figure(self.found.learning_curve, self.metric),
            ),
            Paragraph(self._law()),
        ]

    def _law(self) -> str:
        curve, metric = self.found.learning_curve, self.metric
        law = curve.law
        told = f"Error = {law.floor:.3f} + {law.scale:.3f} n^-{law.exponent:.2f} with n samples"
        if curve.gain_ci95 is None or curve.exponent_ci95 is None:
            return (
                f"{told}. Fewer than {FEW} samples are told from most by their errors: the law has no "
                "interval, and nothing follows for more samples."
            )
        low, high = curve.exponent_ci95
        more = "more" if metric.higher_is_better else "less"
        return (
            f"{told}, exponent 95 % {low:.2f} to {high:.2f}. Twice the samples: "
            f"{in_text(self.metric, ranged(metric, curve.twice, curve.twice_ci95))}, that is "
            f"{ranged(metric, curve.gain, curve.gain_ci95)} {points_of(metric)} {more}; new samples of the "
            "same campaigns are meant, and the law is not in doubt in the interval. A law fitted without the "
            f"last point foretells {in_text(self.metric, self._number(curve.last_foretold))} there, measured "
            f"{in_text(self.metric, self._number(curve.score[-1]))}."
        )

    def _groups(self) -> Table:
        rows = [
            [
                *(item.name, str(item.images), str(item.samples), f"{item.effective_samples:.1f}"),
                str(item.most_images),
                "" if item.test_images is None else f"{item.test_images} of {item.test_samples}",
            ]
            for item in self.found.groups.classes
        ]
        return Table(
            "What classes rest on; effective: as many samples of equal size weigh alike",
            ["Class", "images", "samples", "effective", "most images of one", "test images of samples"],
            rows,
        )

    def _folds(self) -> list[Block]:
        folds, groups = self.found.folds, self.found.groups

        def bounds(interval: Bounds, missing: str) -> str:
            return missing if interval is None else " - ".join(map(self._number, interval))

        rows = [
            [
                str(number),
                f"{fold.images} of {fold.samples}",
                "/".join(str(count) for count in fold.counts.values()),
                self._number(fold.score),
                bounds(fold.binomial_ci95, ""),
                bounds(fold.bootstrap_ci95, NO_INTERVAL),
            ]
            for number, fold in enumerate(folds.outer)
        ]
        told = "; ".join(
            f"{name}: folds run backwards give {'the same' if same else 'OTHER'} predictions"
            for name, same in folds.order_independent.items()
        )
        shared = sum(len(samples) for samples in groups.shared.values())
        return [
            Table(
                f"The audit's own folds: images, classes and {named([self.metric])}; binomial intervals take "
                "images for independent",
                ["Fold", "images of samples", "per class", self.metric.title, "binomial", "by sample"],
                rows,
            ),
            Paragraph(
                f"Fold 0 of these lies {folds.z_of_first:+.1f} standard deviations from the others; "
                f"{percent(folds.share_below_first, 0)} % of {folds.shuffled_tests} folds of shuffled splits "
                f"({self._spread(folds.shuffled_mean, folds.shuffled_std)}) score less. {self._luck()}"
                f"{len(folds.overlaps)} pairs of parts were compared: {shared} samples are in two that must "
                f"not share any. {told}"
            ),
        ]

    def _spread(self, mean: float, std: float) -> str:
        return in_text(self.metric, f"{self._number(mean)} ± {self._number(std)}")

    def _luck(self) -> str:
        test = self.found.folds.test
        if test is None:
            return ""
        score = in_text(self.metric, self._number(test.score))
        return (
            f"The held-out test of the split ({score}, by a model of all "
            f"others) lies {test.z:+.1f} standard deviations from the folds of other images; "
            f"{percent(test.share_below, 0)} % of {test.shuffled_tests} shuffled tests of its size "
            f"({self._spread(test.shuffled_mean, test.shuffled_std)}) score less. "
        )

    def _duplicates(self) -> Paragraph:
        found = self.found.duplicates
        exact, near = found.exact, found.near
        text = (
            f"{found.images} images, {found.distinct} distinct: {exact.pairs} identical pairs, "
            f"{exact.across_samples} across samples, {exact.across_classes} across classes, "
            f"{sum(exact.across_parts.values())} across parts of the split. "
        )
        if near is None:
            return Paragraph(text + "Too few pairs of one sample to say what a near duplicate is.")
        parts = ", ".join(f"{name} {count}" for name, count in near.across_parts.items()) or "none"
        return Paragraph(
            f"{text}Near duplicates (cosine above {found.threshold:.3f}, set by {found.within_pairs} pairs "
            f"of distinct images of one sample): {near.pairs} pairs, {near.across_samples} across samples, "
            f"{near.across_classes} across classes; across parts of the split: {parts}."
        )


def _excluded(excluded: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} of {name}" for name, count in excluded.items())
    return f" Not scored, for no sample of their class trains: {told}." if told else ""


def _by_name(content: Any) -> Any:
    """Give lists of objects as objects, by each one's name or place: DVC compares no lists."""
    if isinstance(content, Mapping):
        return {key: _by_name(value) for key, value in content.items()}
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        return {str(own.get("name", place)): _by_name(own) for place, own in enumerate(content)}
    return content
