"""What the score is worth: the audit of every study."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from tmdscope.audit.record import Audit
from tmdscope.audit.scores import gained
from tmdscope.report.answer import difference
from tmdscope.report.figures.scores import learning_curve_figure
from tmdscope.report.page import Block, Claim, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.campaigns import campaign_blocks, drift_blocks
from tmdscope.report.text import decided, percent, spelled
from tmdscope.scores.bootstrap import FEW
from tmdscope.scores.intervals import NO_INTERVAL, Bounds, Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import (
    capital,
    estimated,
    heading,
    in_text,
    named,
    plural,
    points_of,
    ranged,
    valued,
)

_SEES = {
    "features": "features of the {rows}",
    "order": "order of the samples only",
    "nuisance": "what is known of the measurement",
    "statistics": "a few image statistics",
}
"""What a predictor sees of some rows."""

_RESULTS = {True: "passed", False: "failed", None: "cannot be told"}
_SHOWN = {"confounds", "campaigns", "drift", "learning_curve", "folds", "groups"}
_NOT_SHOWN: Mapping[str, Any] = {
    "campaigns": {"__all__": {"method", "parts"}},
    "folds": {"counts", "overlaps"},
}
"""What nobody compares between commits; ``audit.json`` has it."""

_RECORD = TypeAdapter(Audit)


@dataclass(frozen=True)
class AuditPart(Part):
    """What an audit found, told by the task's plain metric."""

    found: Audit

    @property
    def metric(self) -> Metric:
        """By which it is told."""
        return self.found.task.plain

    @property
    def rows(self) -> str:
        """What a reader calls what was audited."""
        return plural(self.found.row)

    @property
    def strata(self) -> str:
        """What a reader calls classes, or ranges of numbers."""
        return plural(self.found.task.stratum)

    @property
    def features(self) -> str:
        """What is audited: features of images are those of a frozen network."""
        return "frozen features" if self.found.row == "image" else "features"

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers of the section.

        The plain metric, under its name, by what a predictor sees, ``campaigns`` by way of holding out,
        ``early_late`` by class, ``twice_the_samples``, ``checks``; ``shown`` is what else the record says.
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
            "shown": _by_name(
                _RECORD.dump_python(found, include=_SHOWN, exclude=_NOT_SHOWN, exclude_none=True)
            ),
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
            *([f"The audit is of some {self.rows}: {self.found.drawn}."] if self.found.is_sampled else []),
            f"Audit of {self.features}: {self.found.verdict.headline.rstrip('.')}.",
            told + (f"; cannot be told: {', '.join(open_ones)}." if open_ones else "."),
        ]

    def claim(self) -> Claim:
        """Say whether images tell more than the order of the samples, and whether a check failed."""
        checks, beyond = self.found.verdict.checks, self._beyond_order
        failed = [check.name for check in checks if check.passed is False]
        told = f"{spelled(len(failed))} of {len(checks)} checks failed: {', '.join(failed)}"
        told = capital(told) if failed else f"None of {len(checks)} checks failed"
        if beyond is None:
            return Claim(f"{told}.")
        value, bounds = gained(self.metric, beyond)
        more = "The images tell more than the order in which the samples came"
        less = "The order in which the samples came tells more than the images"
        said = decided(bounds, more, less)
        said = (
            f"Whether the images tell more than the samples' order is {said}"
            if said not in (more, less)
            else said
        )
        return Claim(f"{said}. {told}.", difference("features less order", value, bounds, self.metric))

    @property
    def _beyond_order(self) -> Estimate | None:
        """What features know less what the samples' order knows; None where no order is known."""
        return next((item.beyond for item in self.found.confounds if item.name == "order"), None)

    def order(self) -> str | None:
        """Set what features know beside what the samples' order knows; None where no order is known."""
        beyond = self._beyond_order
        if beyond is None:
            return None
        says = decided(
            gained(self.metric, beyond)[1], f"the {self.rows} say more", "the order alone says more"
        )
        return (
            f"{capital(self.features)} of the {self.rows} less the order of the samples alone, the same "
            f"{beyond.images} {self.rows}: {estimated(self.metric, beyond)} "
            f"{points_of(self.metric)} of {self.metric.title}: {says}."
        )

    def section(self) -> Section:
        """Write the verdict, and the numbers behind it."""
        sampled = f"The audit is of some {self.rows}: {self.found.drawn}, drawn by their samples."
        blocks = [
            *([Paragraph(sampled)] if self.found.is_sampled else []),
            *self._verdict(),
            self._confounds(),
            *campaign_blocks(self.found),
            *drift_blocks(self.found),
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
            rows = [{"No.": str(number), "claim": claim} for number, claim in enumerate(claims, 1)]
            yield Table.of(title, rows, words_last=True)
        rows = [
            {"Check": check.name, "result": _RESULTS[check.passed], "found": check.finding}
            for check in verdict.checks
        ]
        yield Table.of("Checks", rows, words_last=True)

    def _confounds(self) -> Table:
        metric, own = self.metric, self.found.confounds[0]

        def cell(scores: Estimate | None) -> str:
            return "" if scores is None else estimated(metric, scores)

        rows = [
            {
                "Sees": _SEES[item.name].format(rows=self.rows),
                **{heading(of): estimated(of, item.score) for of in self.found.task.metrics},
                heading(metric, "distinct"): cell(item.distinct),
                heading(metric, "test"): cell(item.test),
                f"features less this ({points_of(metric)})": cell(item.beyond),
            }
            for item in self.found.confounds
        ]
        return Table.of(
            f"The same split, other eyes: {own.score.images} {self.rows}, each predicted by a model that "
            f"never saw its sample; {own.distinct.images} distinct {self.rows}; the held-out test by a model "
            "of all others. 95 % intervals by sample. Features: kernel ridge regression; order: the nearest "
            "sample; others: random forest",
            rows,
        )

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
        caption = f"What {self.strata} rest on; effective: as many samples of equal size weigh alike"
        rows = [
            {
                capital(self.found.task.stratum): item.name,
                self.rows: str(item.images),
                "samples": str(item.samples),
                "effective": f"{item.effective_samples:.1f}",
                f"most {self.rows} of one": str(item.most_images),
                f"test {self.rows} of samples": ""
                if item.test_images is None
                else f"{item.test_images} of {item.test_samples}",
            }
            for item in self.found.groups.classes
        ]
        return Table.of(caption, rows)

    def _folds(self) -> list[Block]:
        folds, groups = self.found.folds, self.found.groups

        def bounds(interval: Bounds, missing: str) -> str:
            return missing if interval is None else " - ".join(map(self._number, interval))

        rows = [
            {
                "Fold": str(number),
                f"{self.rows} of samples": f"{fold.images} of {fold.samples}",
                f"per {self.found.task.stratum}": "/".join(map(str, fold.counts.values())),
                self.metric.title: self._number(fold.score),
                "binomial": bounds(fold.binomial_ci95, ""),
                "by sample": bounds(fold.bootstrap_ci95, NO_INTERVAL),
            }
            for number, fold in enumerate(folds.outer)
        ]
        told = "; ".join(
            f"{name}: folds run backwards give {'the same' if same else 'OTHER'} predictions"
            for name, same in folds.order_independent.items()
        )
        shared = sum(len(samples) for samples in groups.shared.values())
        return [
            Table.of(
                f"The audit's own folds: {self.rows}, {self.strata} and {named([self.metric])}; binomial "
                f"intervals take {self.rows} for independent",
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
            f"others) lies {test.z:+.1f} standard deviations from the folds of other {self.rows}; "
            f"{percent(test.share_below, 0)} % of {test.shuffled_tests} shuffled tests of its size "
            f"({self._spread(test.shuffled_mean, test.shuffled_std)}) score less. "
        )

    def _duplicates(self) -> Paragraph:
        found = self.found.duplicates
        exact, near = found.exact, found.near
        text = (
            f"{found.images} {self.rows}, {found.distinct} distinct: {exact.pairs} identical pairs, "
            f"{exact.across_samples} across samples, {exact.across_classes} across {self.strata}, "
            f"{sum(exact.across_parts.values())} across parts of the split. "
        )
        if near is None:
            return Paragraph(text + "Too few pairs of one sample to say what a near duplicate is.")
        parts = ", ".join(f"{name} {count}" for name, count in near.across_parts.items()) or "none"
        return Paragraph(
            f"{text}Near duplicates (cosine above {found.threshold:.3f}, set by {found.within_pairs} pairs "
            f"of distinct {self.rows} of one sample): {near.pairs} pairs, {near.across_samples} across "
            f"samples, {near.across_classes} across {self.strata}; across parts of the split: {parts}."
        )


def _by_name(content: Any) -> Any:
    """Give lists of objects as objects, by each one's name or place: DVC compares no lists."""
    if isinstance(content, Mapping):
        return {key: _by_name(value) for key, value in content.items()}
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        owns = {str(own.get("name", place)): {**own} for place, own in enumerate(content)}
        return {key: _by_name({k: v for k, v in own.items() if k != "name"}) for key, own in owns.items()}
    return content
