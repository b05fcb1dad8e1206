"""What may be claimed, what may not, what to measure next, in words with numbers; and checks for a gate."""

from collections.abc import Iterator, Sequence
from typing import Literal

from tmdscope.audit.campaigns import MOSTLY, NONE, SOME, Campaigns, campaign_effect
from tmdscope.audit.confounds import FEATURES
from tmdscope.audit.record import Check, Findings, Verdict
from tmdscope.audit.scores import gained
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import estimated, in_text, plural, points_of, ranged, valued

_RISING = (NONE, SOME, MOSTLY)

_SEEN = {
    "order": "the order of the samples",
    "nuisance": "what is known of the measurement",
    "statistics": "a few image statistics",
}

_UNPROVEN = {
    "order": "That a split by sample proves recognition",
    "nuisance": "That a split by sample proves recognition",
    "statistics": "That the structure of the surface is what is recognised",
}


def overall_effect(campaigns: Sequence[Campaigns], metric: Metric) -> str | None:
    """Say what all ways of holding campaigns out, blocks over all first, make of a score.

    `MOSTLY` where any way says so with all intervals holding at once; else what the first says alone, so
    that looking many times finds nothing that is not there. None without any, and where nothing is said.
    """
    if _telling(campaigns, metric):
        return MOSTLY
    effect = campaign_effect(campaigns[0], metric) if campaigns else None
    return None if effect is None else min(effect, SOME, key=_RISING.index)


def _telling(campaigns: Sequence[Campaigns], metric: Metric) -> list[Campaigns]:
    """List the ways that say `MOSTLY` with all intervals holding at once."""
    return [found for found in campaigns if campaign_effect(found, metric, len(campaigns)) == MOSTLY]


def judge(findings: Findings, rows: str) -> Verdict:
    """Draw the verdict; `rows` is what a reader calls what was audited."""
    claims = [
        claim
        for part in (_score_claims, _campaign_claims, _sample_claims, _metadata_claims)
        for claim in part(findings, rows)
    ]
    may, may_not, following = (
        [text for kind, text in claims if kind == wanted] for wanted in ("may", "may not", "next")
    )
    return Verdict(
        headline=_headline(findings),
        campaign=overall_effect(findings.campaigns, findings.task.plain),
        may=may,
        may_not=may_not,
        next=following,
        checks=checks(findings),
    )


def checks(findings: Findings) -> list[Check]:
    """Say which of the things that a gate asks for hold."""
    exact, groups, strata = findings.duplicates.exact, findings.groups, plural(findings.task.stratum)
    crossing = sum(exact.across_parts.values())
    dependent = [name for name, same in findings.folds.order_independent.items() if not same]
    sound = not (groups.two_class_samples or groups.shared)
    return [
        Check(
            "duplicates",
            not (exact.across_samples or exact.across_classes or crossing),
            f"identical pairs: {exact.across_samples} across samples, {exact.across_classes} across "
            f"{strata}, {crossing} across parts of the split",
        ),
        Check(
            "samples",
            sound,
            f"{len(groups.two_class_samples)} samples in two {strata}, "
            f"{len({s for names in groups.shared.values() for s in names})} on both sides of the split",
        ),
        Check(
            "folds",
            not dependent if findings.folds.order_independent else None,
            f"depend on the order in which folds run: {', '.join(dependent) or 'none'}"
            if findings.folds.order_independent
            else f"no {findings.task.method} of the study was run in another order of folds",
        ),
        _campaign_check(findings),
        _metadata_check(findings),
    ]


def _campaign_check(findings: Findings) -> Check:
    campaigns, metric = findings.campaigns, findings.task.plain
    if not campaigns:
        alone = f"no {findings.task.stratum} that trains beside a held-out campaign"
        return Check("campaigns", None, f"no order column, or {alone}")
    told = "; ".join(f"{found.name}: {_difference(metric, found.drop)}" for found in campaigns)
    effect = overall_effect(campaigns, metric)
    passed = None if effect is None else effect != MOSTLY
    return Check("campaigns", passed, f"control less held out, {told}")


def _metadata_check(findings: Findings) -> Check:
    if not findings.campaigns:
        return Check("beyond metadata", None, "no order column")
    first, metric = findings.campaigns[0], findings.task.plain
    _, bounds = gained(metric, first.beyond_order)
    return Check(
        "beyond metadata",
        None if bounds is None else bounds[0] > 0,
        f"features less order alone, {first.name} held out: {_difference(metric, first.beyond_order)}",
    )


def _headline(findings: Findings) -> str:
    metric, campaigns = findings.task.plain, findings.campaigns
    told = f"{_score(metric, findings.confounds[0].score)} under a split by sample"
    if not campaigns:
        return f"{told}; whether that is campaign cannot be said, for no order of the samples is known."
    effect = overall_effect(campaigns, metric)
    first = (_telling(campaigns, metric) or campaigns)[0]
    drop = _difference(metric, first.drop)
    if effect is None:
        return f"{told}; whether that is campaign cannot be said: control less held out {drop}."
    if effect == NONE:
        return f"{told}; no campaign effect found within its interval (control less held out {drop})."
    held = _score(metric, first.held_out)
    below = "below" if metric.higher_is_better else "above"
    gap = _gain(metric, *gained(metric, first.drop))
    lost = f"{held} where campaigns are held out ({first.name}), {gap} {below} a matched control"
    if effect == MOSTLY:
        return f"{told}; the score is campaign: {lost}, at least half of what exceeds chance."
    return f"{told}; part of that is campaign: {lost}."


def _score(metric: Metric, scores: Estimate) -> str:
    return in_text(metric, estimated(metric, scores))


def _gain(metric: Metric, value: float, bounds: Bounds) -> str:
    """Write by how much something is better: ``+2.1 [+0.4, +3.9] points``."""
    return f"{ranged(metric, value, bounds, sign=True)} {points_of(metric)}"


def _difference(metric: Metric, scores: Estimate) -> str:
    return _gain(metric, scores.values[metric.name], scores.bounds[metric.name])


Claims = Iterator[tuple[Literal["may", "may not", "next"], str]]


def _score_claims(findings: Findings, rows: str) -> Claims:
    own, metric = findings.confounds[0], findings.task.plain
    score, distinct = (_score(metric, scores) for scores in (own.score, own.distinct))
    told = f"{score} of {own.score.images} {rows}, {distinct} of the {own.distinct.images} distinct ones"
    yield "may", f"On new samples of the same campaigns: {told}."
    duplicates = findings.duplicates
    repeated = duplicates.images - duplicates.distinct
    if repeated:
        yield "may not", f"{duplicates.images} independent {rows}: {repeated} repeat one."
    test = findings.folds.test
    if test is not None and test.is_unusual:
        score = in_text(metric, valued(metric, test.score))
        spread = f"{valued(metric, test.shuffled_mean)} ± {valued(metric, test.shuffled_std)}"
        below = f"{100 * test.share_below:.0f} % of them less"
        told = f"shuffled tests of its size give {in_text(metric, spread)}, {below}"
        yield "may not", f"The held-out test's {score} as the score: {told}."
    curve = findings.learning_curve
    if curve.gain_ci95 is not None:
        gain = _gain(metric, curve.gain, curve.gain_ci95)
        law = f"the power law (exponent {curve.law.exponent:.2f})"
        yield "next", f"Twice the samples would bring {gain} by {law}."


def _campaign_claims(findings: Findings, rows: str) -> Claims:
    metric = findings.task.plain
    effects = [campaign_effect(found, metric) for found in findings.campaigns]
    if not findings.campaigns:
        yield "next", "When each sample was grown or measured: with an order, campaigns can be held out."
    for found in _told(findings.campaigns):
        left = "".join(f"; {count} {rows} of {name} not scored" for name, count in found.excluded.items())
        told = f"control less held out {_difference(metric, found.drop)}{left}."
        effect = campaign_effect(found, metric)
        if effect == NONE:
            yield "may", f"The same on unseen campaigns ({found.name}): {told}"
        elif effect is not None:
            held = _score(metric, found.held_out)
            yield "may not", f"The same on unseen campaigns ({found.name}): {held} there, {told}"
    drifting = [found for found in findings.drift if found.p_value < 0.05 / max(1, len(findings.drift))]
    if drifting:
        told = ", ".join(f"{found.name} (AUC {found.auc:.2f}, p {found.p_value:.2g})" for found in drifting)
        lead = f"That {rows} of one {findings.task.stratum} are alike over time"
        yield "may not", f"{lead}: early and late are told apart in {told}."
    if SOME in effects or MOSTLY in effects:
        how = "grown and measured in turn, in random order"
        yield "next", f"Samples of every {findings.task.stratum} from the same campaigns: {how}."


def _told(campaigns: list[Campaigns]) -> list[Campaigns]:
    """Choose what a reader is told: every cut, and of the embargoes the widest."""
    embargoes = [found for found in campaigns if found.is_embargo]
    return [found for found in campaigns if not found.is_embargo] + embargoes[-1:]


def _sample_claims(findings: Findings, rows: str) -> Claims:
    groups = findings.groups
    for found in groups.classes:
        if found.name in groups.few:
            samples = f"{found.samples} samples (effective {found.effective_samples:.1f})"
            yield "may not", f"{found.name}: {found.images} {rows} rest on {samples}."
    for name in groups.one_sample_tests:
        yield "may not", f"{name}: its held-out test is one sample."
    scarce = dict.fromkeys([*groups.few, *groups.one_sample_tests])
    if scarce:
        yield "next", f"More samples of {', '.join(scarce)}."


def _metadata_claims(findings: Findings, _: str) -> Claims:
    metric = findings.task.plain
    for found in findings.confounds:
        if found.name == FEATURES or found.beyond is None:
            continue
        told = f"{_SEEN[found.name]} alone: {_score(metric, found.score)} under the same split"
        value, bounds = gained(metric, found.beyond)
        if bounds is None or bounds[0] <= 0:
            yield "may not", f"{_UNPROVEN[found.name]}: {told}."
        else:
            way = "more" if metric.higher_is_better else "less"
            more = f"{_gain(metric, value, bounds)} {way}"
            yield "may", f"More than metadata under this split: {told}; the features {more}."
