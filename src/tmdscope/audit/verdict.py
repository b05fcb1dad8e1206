"""What may be claimed, what may not, what to measure next, in words with numbers; and checks for a gate."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm

from tmdscope.audit.campaigns import Campaigns
from tmdscope.audit.confounds import FEATURES, Confound
from tmdscope.audit.drift import Drift
from tmdscope.audit.duplicates import Duplicates
from tmdscope.audit.folds import FoldHealth
from tmdscope.audit.groups import Groups
from tmdscope.audit.learning_curve import LearningCurve
from tmdscope.scores.intervals import tell_interval

NONE, SOME, MOSTLY = "none found", "part of the score", "the score is campaign"
"""What held-out campaigns say of a score."""

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


@dataclass(frozen=True)
class Check:
    """One thing that a study must show before a model of it goes to production; None: the data cannot say."""

    name: str
    passed: bool | None
    finding: str


@dataclass(frozen=True)
class Findings:
    """Everything that a verdict is drawn from; campaigns (blocks over all first) and drift need an order."""

    duplicates: Duplicates
    groups: Groups
    confounds: list[Confound]
    campaigns: list[Campaigns]
    drift: list[Drift]
    curve: LearningCurve
    folds: FoldHealth


@dataclass(frozen=True)
class Verdict:
    """The audit in words: what may be claimed or not, what to measure next; `campaign`: `overall_effect`."""

    headline: str
    campaign: str | None
    may: list[str]
    may_not: list[str]
    next: list[str]
    checks: list[Check]


def campaign_effect(found: Campaigns, ways: int = 1) -> str | None:
    """Say what held-out campaigns make of a score.

    `NONE` where the interval of the drop reaches zero; `MOSTLY` where its lower bound is at least half of
    what the control knows beyond chance, and that is something; `SOME` between; None where there is no
    interval, as of one sample. The interval is widened so that those of all `ways` that were tried hold at
    once (Bonferroni, normal).
    """
    drop = found.drop.accuracy
    if found.drop.accuracy_ci95 is None:
        return None
    low = drop - (drop - found.drop.accuracy_ci95[0]) * norm.ppf(1 - 0.025 / ways) / norm.ppf(0.975)
    if low <= 0:
        return NONE
    known = found.control.accuracy - found.chance
    return MOSTLY if 0 < known <= 2 * low else SOME


def overall_effect(campaigns: Sequence[Campaigns]) -> str | None:
    """Say what all ways of holding campaigns out, blocks over all first, make of a score.

    `MOSTLY` where any way says so with all intervals holding at once; else what the first says alone, so
    that looking many times finds nothing that is not there. None without any, and where nothing is said.
    """
    if _telling(campaigns):
        return MOSTLY
    effect = campaign_effect(campaigns[0]) if campaigns else None
    return None if effect is None else min(effect, SOME, key=_RISING.index)


def _telling(campaigns: Sequence[Campaigns]) -> list[Campaigns]:
    """List the ways that say `MOSTLY` with all intervals holding at once."""
    return [found for found in campaigns if campaign_effect(found, len(campaigns)) == MOSTLY]


def judge(findings: Findings) -> Verdict:
    """Draw the verdict."""
    may, may_not, following = _score_claims(findings)
    for part in (_campaign_claims, _sample_claims, _metadata_claims):
        for all_, own in zip((may, may_not, following), part(findings), strict=True):
            all_ += own
    return Verdict(
        _headline(findings), overall_effect(findings.campaigns), may, may_not, following, checks(findings)
    )


def checks(findings: Findings) -> list[Check]:
    """Say which of the things that a gate asks for hold."""
    exact, groups = findings.duplicates.exact, findings.groups
    crossing = sum(exact.across_parts.values())
    dependent = [name for name, same in findings.folds.order_independent.items() if not same]
    sound = not (groups.two_class_samples or groups.shared)
    return [
        Check(
            "duplicates",
            not (exact.across_samples or exact.across_classes or crossing),
            f"identical images: {exact.across_samples} pairs across samples, {exact.across_classes} across "
            f"classes, {crossing} across parts of the split",
        ),
        Check(
            "samples",
            sound,
            f"{len(groups.two_class_samples)} samples in two classes, "
            f"{len({s for names in groups.shared.values() for s in names})} on both sides of the split",
        ),
        Check(
            "folds",
            not dependent if findings.folds.order_independent else None,
            f"depend on the order in which folds run: {', '.join(dependent) or 'none'}"
            if findings.folds.order_independent
            else "no classifier of the study was run in another order of folds",
        ),
        _campaign_check(findings.campaigns),
        _metadata_check(findings),
    ]


def percent(value: float, interval: Sequence[float] | None, sign: bool = False) -> str:
    """Write a share in 0..1 and its interval in %: ``81.3 [78.4, 84.1]``."""
    return tell_interval(value, interval, "+.1f" if sign else ".1f", 100)


def _campaign_check(campaigns: list[Campaigns]) -> Check:
    if not campaigns:
        return Check("campaigns", None, "no order column, or no class that trains beside a held-out campaign")
    told = "; ".join(
        f"{found.name}: {percent(found.drop.accuracy, found.drop.accuracy_ci95, sign=True)} points"
        for found in campaigns
    )
    effect = overall_effect(campaigns)
    passed = None if effect is None else effect != MOSTLY
    return Check("campaigns", passed, f"control less held out, {told}")


def _metadata_check(findings: Findings) -> Check:
    if not findings.campaigns:
        return Check("beyond metadata", None, "no order column")
    first = findings.campaigns[0]
    bounds = first.beyond_order.accuracy_ci95
    told = percent(first.beyond_order.accuracy, bounds, sign=True)
    return Check(
        "beyond metadata",
        None if bounds is None else bounds[0] > 0,
        f"features less order alone, {first.name} held out: {told} points",
    )


def _headline(findings: Findings) -> str:
    score = findings.confounds[0].score
    told = f"{percent(score.accuracy, score.accuracy_ci95)} % under a split by sample"
    if not findings.campaigns:
        return f"{told}; whether that is campaign cannot be said, for no order of the samples is known."
    effect = overall_effect(findings.campaigns)
    first = (_telling(findings.campaigns) or findings.campaigns)[0]
    drop = percent(first.drop.accuracy, first.drop.accuracy_ci95, sign=True)
    if effect is None:
        return f"{told}; whether that is campaign cannot be said: control less held out {drop} points."
    if effect == NONE:
        return f"{told}; no campaign effect found within its interval (control less held out {drop} points)."
    held = percent(first.held_out.accuracy, first.held_out.accuracy_ci95)
    lost = f"{held} % where campaigns are held out ({first.name}), {drop} points below a matched control"
    if effect == MOSTLY:
        return f"{told}; the score is campaign: {lost}, at least half of what exceeds chance."
    return f"{told}; part of that is campaign: {lost}."


Claims = tuple[list[str], list[str], list[str]]


def _score_claims(findings: Findings) -> Claims:
    own = findings.confounds[0]
    duplicates, folds = findings.duplicates, findings.folds
    score, distinct = (percent(s.accuracy, s.accuracy_ci95) for s in (own.score, own.distinct))
    told = f"{score} % of {own.score.images} images, {distinct} % of the {own.distinct.images} distinct ones"
    may = [f"On new samples of the same campaigns: {told}."]
    may_not, following = [], []
    if duplicates.images > duplicates.distinct:
        may_not.append(
            f"{duplicates.images} independent images: {duplicates.images - duplicates.distinct} repeat one."
        )
    test = folds.test
    if test is not None and test.is_unusual:
        may_not.append(
            f"The held-out test's {100 * test.accuracy:.1f} % as the score: shuffled tests of its size give "
            f"{100 * test.shuffled_mean:.1f} ± {100 * test.shuffled_std:.1f} %, "
            f"{100 * test.share_below:.0f} % of them less."
        )
    curve = findings.curve
    if curve.gain_ci95 is not None:
        following.append(
            f"Twice the samples would bring {percent(curve.gain, curve.gain_ci95, sign=True)} points by the "
            f"power law (exponent {curve.law.exponent:.2f})."
        )
    return may, may_not, following


def _campaign_claims(findings: Findings) -> Claims:
    may, may_not, following = [], [], []
    if not findings.campaigns:
        following.append("When each sample was grown or measured: with an order, campaigns can be held out.")
    for found in _told(findings.campaigns):
        drop = percent(found.drop.accuracy, found.drop.accuracy_ci95, sign=True)
        held = percent(found.held_out.accuracy, found.held_out.accuracy_ci95)
        left = "".join(f"; {count} images of {name} not scored" for name, count in found.excluded.items())
        effect = campaign_effect(found)
        if effect is None:
            continue
        if effect == NONE:
            may.append(
                f"The same on unseen campaigns ({found.name}): control less held out {drop} points{left}."
            )
        else:
            may_not.append(
                f"The same on unseen campaigns ({found.name}): {held} % there, control less held out {drop} "
                f"points{left}."
            )
    drifting = [found for found in findings.drift if found.p_value < 0.05 / max(1, len(findings.drift))]
    if drifting:
        told = ", ".join(f"{found.name} (AUC {found.auc:.2f}, p {found.p_value:.2g})" for found in drifting)
        may_not.append(
            f"That images of one class are alike over time: early and late are told apart in {told}."
        )
    if any(campaign_effect(found) in (SOME, MOSTLY) for found in findings.campaigns):
        following.append(
            "Samples of every class from the same campaigns: grown and measured in turn, in random order."
        )
    return may, may_not, following


def _told(campaigns: list[Campaigns]) -> list[Campaigns]:
    """Choose what a reader is told: every cut, and of the embargoes the widest."""
    widest = [found for found in campaigns if found.name.startswith("embargo")][-1:]
    return [found for found in campaigns if not found.name.startswith("embargo")] + widest


def _sample_claims(findings: Findings) -> Claims:
    groups = findings.groups
    may_not = [
        f"{found.name}: {found.images} images rest on {found.samples} samples (effective "
        f"{found.effective_samples:.1f})."
        for found in groups.classes
        if found.name in groups.few
    ]
    may_not += [f"{name}: its held-out test is one sample." for name in groups.one_sample_tests]
    scarce = [*groups.few, *(name for name in groups.one_sample_tests if name not in groups.few)]
    return [], may_not, [f"More samples of {', '.join(scarce)}."] if scarce else []


def _metadata_claims(findings: Findings) -> Claims:
    may, may_not = [], []
    for found in findings.confounds:
        if found.name == FEATURES or found.beyond is None:
            continue
        score = percent(found.score.accuracy, found.score.accuracy_ci95)
        beyond = percent(found.beyond.accuracy, found.beyond.accuracy_ci95, sign=True)
        told = f"{_SEEN[found.name]} alone: {score} % under the same split"
        if found.beyond.accuracy_ci95 is None or found.beyond.accuracy_ci95[0] <= 0:
            may_not.append(f"{_UNPROVEN[found.name]}: {told}.")
        else:
            may.append(f"More than metadata under this split: {told}; the features {beyond} points more.")
    return may, may_not, []
