"""The section of a report that says what its score is worth."""

from collections.abc import Mapping

from tmdscope.audit.campaigns import Campaigns
from tmdscope.audit.confounds import Confound
from tmdscope.audit.drift import Drift
from tmdscope.audit.duplicates import Duplicates
from tmdscope.audit.folds import FoldHealth, Luck
from tmdscope.audit.groups import Groups
from tmdscope.audit.learning_curve import LearningCurve
from tmdscope.audit.record import Audit, Verdict
from tmdscope.audit.scores import gained
from tmdscope.audit.words import Words
from tmdscope.report.figures.audit import learning_curve_figure
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table
from tmdscope.scores.bootstrap import FEW
from tmdscope.scores.intervals import NO_INTERVAL, Bounds, Estimate, tell_interval
from tmdscope.scores.task import Task

_SEES = {
    "features": "features of the images",
    "order": "order of the samples only",
    "nuisance": "what is known of the measurement",
    "statistics": "a few image statistics",
}


def audit_section(found: Audit) -> Section:
    """Write the section of an audit: verdict first, then the numbers behind it."""
    words = Words(found.task.plain)
    return Section(
        "What the score is worth",
        [
            *_verdict(found.verdict),
            _confounds(found.confounds, found.task),
            *_campaigns(found.campaigns, words),
            *_drift(found.drift),
            *_curve(found.learning_curve, words),
            _groups(found.groups),
            *_folds(found.folds, found.groups, words),
            _duplicates(found.duplicates),
        ],
    )


def _verdict(verdict: Verdict) -> list[Block]:
    blocks: list[Block] = [Note(verdict.headline)]
    for title, claims in verdict.titled.items():
        rows = [[str(number), claim] for number, claim in enumerate(claims, 1)]
        blocks.append(Table(title, ["No.", "claim"], rows, words_last=True))
    words = {True: "passed", False: "failed", None: "cannot be told"}
    rows = [[check.name, words[check.passed], check.finding] for check in verdict.checks]
    blocks.append(Table("Checks", ["Check", "result", "found"], rows, words_last=True))
    return blocks


def _confounds(confounds: list[Confound], task: Task) -> Table:
    words, others = Words(task.plain), task.metrics[1:]

    def cell(scores: Estimate | None) -> str:
        return "" if scores is None else words.score(scores)

    rows = [
        [
            _SEES[item.name],
            cell(item.score),
            *(tell_interval(item.score.values[m.name], item.score.bounds[m.name], m.form) for m in others),
            cell(item.distinct),
            cell(item.test),
            cell(item.beyond),
        ]
        for item in confounds
    ]
    own = confounds[0]
    return Table(
        f"The same split, other eyes: {own.score.images} images, each predicted by a model that never saw its"
        f" sample; {own.distinct.images} distinct images; the held-out test by a model of all others. 95 % "
        "intervals by sample. Features: kernel ridge regression; order: the nearest sample; others: random "
        "forest",
        [
            "Sees",
            words.header(words.metric.title),
            *(m.title + (f" ({m.unit})" if m.unit else "") for m in others),
            words.header("distinct"),
            words.header("test"),
            f"features less this ({words.points})",
        ],
        rows,
    )


def _campaigns(campaigns: list[Campaigns], words: Words) -> list[Block]:
    if not campaigns:
        return [Note("No order of the samples is known: whether the score is campaign cannot be said.")]
    name = words.metric.name
    rows = [
        [
            item.name,
            f"{item.held_out.images} of {item.held_out.samples}",
            words.score(item.held_out),
            words.score(item.control),
            words.score(item.drop),
            words.score(item.order_held_out),
            words.number(item.order_control.values[name]),
            words.number(item.chance),
            item.effect or NO_INTERVAL,
        ]
        for item in campaigns
    ]
    header = ["images of samples", "held out", "control", "drop", *_ORDER_ONLY, "chance", "effect"]
    told = " ".join(f"{item.name}: {item.method}{_excluded(item.excluded)}" for item in campaigns)
    blocks: list[Block] = [
        Paragraph(
            "A held-out campaign is predicted by a model that trained on none of its samples, and by matched "
            "controls: as many training samples of each class, the campaign's other samples among them. "
            + told
        ),
        Table(
            f"Held-out campaigns, {words.named}; drop: control less held out, in {words.points}, 95 % "
            "intervals by sample widened by the luck of one training set; chance: the one answer for all "
            "that is best without looking",
            ["Held out", *header],
            rows,
        ),
        _lost(campaigns, words),
    ]
    return blocks + [_parts(item, words) for item in campaigns if item.parts and item.in_blocks]


_ORDER_ONLY = ("order only, held out", "order only, control")


def _lost(campaigns: list[Campaigns], words: Words) -> Figure:
    drawn = {}
    for item in campaigns:
        drop, bounds = gained(words.metric, item.drop)
        drawn[item.name] = tuple(words.scale * value for value in (drop, *drawable(bounds)))
    return Figure(
        "What goes with the campaign: control less held out, with 95 % intervals.",
        f"Lost when campaigns are held out, in {words.points}: {', '.join(drawn)}.",
        intervals(drawn, f"{words.title} lost ({words.points})"),
    )


def _parts(item: Campaigns, words: Words) -> Table:
    rows = [
        [
            part.name,
            f"{part.first:g} - {part.last:g}",
            str(part.samples),
            str(part.images),
            words.number(part.held_out),
            words.number(part.control),
            words.number(part.order_held_out),
            words.number(part.order_control),
            ", ".join(f"{count} {name}" for name, count in part.excluded.items()),
        ]
        for part in item.parts
    ]
    return Table(
        f"{item.name}: {words.named} of each",
        ["Part", "order", "samples", "images", "held out", "control", *_ORDER_ONLY, "not scored"],
        rows,
    )


def _drift(drift: list[Drift]) -> list[Block]:
    rows = [
        [
            item.name,
            f"{item.images} of {item.samples}",
            f"{item.split_at:g}",
            tell_interval(item.auc, item.auc_ci95),
            f"{item.null_mean:.3f}",
            f"{item.null_95:.3f}",
            f"{item.p_value:.3f}",
        ]
        for item in drift
    ]
    if not rows:
        return []
    return [
        Table(
            "Early or late, within one class: area under the ROC curve over samples, cross-validated by "
            f"sample, beside {drift[0].permutations} shuffles of early and late",
            [
                "Class",
                "images of samples",
                "late from",
                "AUC",
                "shuffled, mean",
                "shuffled, 95th percentile",
                "p",
            ],
            rows,
        )
    ]


def _curve(curve: LearningCurve, words: Words) -> list[Block]:
    return [
        Figure(
            f"{words.title} against training samples, with a power law; twice the samples with its interval.",
            "Learning curve over samples.",
            learning_curve_figure(curve, words.metric),
        ),
        Paragraph(_law(curve, words)),
    ]


def _law(curve: LearningCurve, words: Words) -> str:
    law = curve.law
    told = f"Error = {law.floor:.3f} + {law.scale:.3f} n^-{law.exponent:.2f} with n samples"
    if curve.gain_ci95 is None or curve.exponent_ci95 is None:
        return (
            f"{told}. Fewer than {FEW} samples are told from most by their errors: the law has no interval, "
            "and nothing follows for more samples."
        )
    low, high = curve.exponent_ci95
    return (
        f"{told}, exponent 95 % {low:.2f} to {high:.2f}. Twice the samples: "
        f"{words.value(words.cell(curve.twice, curve.twice_ci95))}, that is "
        f"{words.cell(curve.gain, curve.gain_ci95)} {words.points} {words.more}; new samples of the same "
        "campaigns are meant, and the law is not in doubt in the interval. A law fitted without the last "
        f"point foretells {words.value(words.number(curve.last_foretold))} there, measured "
        f"{words.value(words.number(curve.score[-1]))}."
    )


def _groups(groups: Groups) -> Table:
    rows = [
        [
            item.name,
            str(item.images),
            str(item.samples),
            f"{item.effective_samples:.1f}",
            str(item.most_images),
            "" if item.test_images is None else f"{item.test_images} of {item.test_samples}",
        ]
        for item in groups.classes
    ]
    return Table(
        "What classes rest on; effective: as many samples of equal size weigh alike",
        ["Class", "images", "samples", "effective", "most images of one", "test images of samples"],
        rows,
    )


def _folds(folds: FoldHealth, groups: Groups, words: Words) -> list[Block]:
    def bounds(interval: Bounds, missing: str) -> str:
        return missing if interval is None else " - ".join(map(words.number, interval))

    rows = [
        [
            str(number),
            f"{fold.images} of {fold.samples}",
            "/".join(str(count) for count in fold.counts.values()),
            words.number(fold.score),
            bounds(fold.binomial_ci95, ""),
            bounds(fold.bootstrap_ci95, NO_INTERVAL),
        ]
        for number, fold in enumerate(folds.outer)
    ]
    told = "; ".join(
        f"{name}: folds run backwards give {'the same' if same else 'OTHER'} predictions"
        for name, same in folds.order_independent.items()
    )
    shuffled = words.value(f"{words.number(folds.shuffled_mean)} ± {words.number(folds.shuffled_std)}")
    shared = sum(len(samples) for samples in groups.shared.values())
    return [
        Table(
            f"The audit's own folds: images, classes and {words.named}; binomial intervals take images for "
            "independent",
            ["Fold", "images of samples", "per class", words.metric.title, "binomial", "by sample"],
            rows,
        ),
        Paragraph(
            f"Fold 0 of these lies {folds.z_of_first:+.1f} standard deviations from the others; "
            f"{100 * folds.share_below_first:.0f} % of {folds.shuffled_tests} folds of shuffled "
            f"splits ({shuffled}) score less. {_luck(folds.test, words)}"
            f"{len(folds.overlaps)} pairs of parts were compared: {shared} samples are in two that must not "
            f"share any. {told}"
        ),
    ]


def _luck(test: Luck | None, words: Words) -> str:
    if test is None:
        return ""
    shuffled = words.value(f"{words.number(test.shuffled_mean)} ± {words.number(test.shuffled_std)}")
    return (
        f"The held-out test of the split ({words.value(words.number(test.score))}, by a model of all others) "
        f"lies {test.z:+.1f} standard deviations from the folds of other images; "
        f"{100 * test.share_below:.0f} % of {test.shuffled_tests} shuffled tests of its size ({shuffled}) "
        "score less. "
    )


def _duplicates(found: Duplicates) -> Paragraph:
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
        f"{text}Near duplicates (cosine above {found.threshold:.3f}, set by {found.within_pairs} pairs of "
        f"distinct images of one sample): {near.pairs} pairs, {near.across_samples} across samples, "
        f"{near.across_classes} across classes; across parts of the split: {parts}."
    )


def _excluded(excluded: Mapping[str, int]) -> str:
    if not excluded:
        return ""
    told = ", ".join(f"{count} of {name}" for name, count in excluded.items())
    return f" Not scored, for no sample of their class trains: {told}."
