"""A report in a few sentences: numbers with their intervals, and no more than the intervals say."""

from collections.abc import Mapping, Sequence
from typing import Any

from tmdscope.audit.record import Audit
from tmdscope.audit.scores import gained
from tmdscope.audit.words import Words
from tmdscope.report.attribution import METHODS
from tmdscope.report.figures.relations import readable
from tmdscope.report.gains import Gain, Question, verdict
from tmdscope.report.page import plus_minus, with_interval
from tmdscope.scores.intervals import NO_INTERVAL

UNDECIDED = "not decided, the interval holds 0"
"""What an interval that holds 0 says."""

_ON = {"ensemble_test": "on the held-out test", "out_of_fold": "out of fold"}

Found = Mapping[str, Any]


def decided(interval: Sequence[float] | None, above: str, below: str) -> str:
    """Say what is true of an interval above, or below, zero, else `UNDECIDED` or that there is none."""
    if interval is None:
        return f"not decided, {NO_INTERVAL}"
    return {"above zero": above, "below zero": below}.get(verdict(interval), UNDECIDED)


def gain_sentences(gains: Sequence[Gain], question: Question) -> list[str]:
    """Say what each pair says by macro F1 on the held-out test and out of fold."""
    return [
        f"{gain.pair}, macro F1: "
        + "; ".join(
            f"{_ON[name]} {with_interval(found.macro_f1, found.macro_f1_ci95)}: "
            + decided(found.macro_f1_ci95, question.above, question.below)
            for name, found in gain.differences.items()
        )
        + "."
        for gain in gains
    ]


def audit_sentences(found: Audit) -> list[str]:
    """Say of an audit order against images, the headline, and the checks that did not pass."""
    order = order_sentence(found)
    sentences = [] if order is None else [order]
    checks = found.verdict.checks
    failed = [check.name for check in checks if check.passed is False]
    open_ones = [check.name for check in checks if check.passed is None]
    sentences.append(f"Audit of frozen features: {found.verdict.headline.rstrip('.')}.")
    told = f"Checks that failed: {', '.join(failed)}" if failed else f"None of {len(checks)} checks failed"
    sentences.append(told + (f"; cannot be told: {', '.join(open_ones)}." if open_ones else "."))
    return sentences


def order_sentence(found: Audit) -> str | None:
    """Set what features know beside what the samples' order knows; None where no order is known."""
    words = Words(found.task.plain)
    for item in found.confounds:
        if item.name == "order" and item.beyond is not None:
            _, gain = gained(words.metric, item.beyond)
            return (
                "Frozen features of the images less the order of the samples alone, the same "
                f"{item.score.images} images: {words.score(item.beyond)} {words.points} of "
                f"{words.metric.title}: {decided(gain, 'the images say more', 'the order alone says more')}."
            )
    return None


def sequential_sentences(content: Found) -> list[str]:
    """Say whether going on from a model beats training anew for as many epochs; none if nothing ran."""
    if not content["enabled"]:
        return []
    parts = [
        f"{entry.get('encoding', 'both encodings')} "
        f"{with_interval(entry['all']['difference'], entry['all']['ci95'])}: "
        + decided(entry["all"]["ci95"], "sequential is better", "training anew is better")
        for entry in content["comparisons"]
        if entry["question"] == "sequential - direct-equal-budget"
    ]
    lead = (
        "Materials added one after another less a model trained anew for as many epochs, test macro F1 over "
        "stages and volumes: "
    )
    return [lead + "; ".join(parts) + "."] if parts else []


def latent_sentences(found: Found) -> list[str]:
    """Name the measured descriptor that goes most with a component; none where none was related."""
    described = found["descriptors"]
    if isinstance(described, str):
        return [f"Descriptors and the embedding: {described.rstrip('.')}."]
    measured = {name: item for name, item in described.items() if not name.startswith("true_")}
    if not measured:
        return []
    name = max(measured, key=lambda key: abs(measured[key]["strongest"]["r"]))
    best, rate = measured[name]["strongest"], found["settings"]["false_discovery_rate"]
    passes = "survives" if best["q"] <= rate else "does not survive"
    direction = decided(best["r_ci95"], "it rises with the component", "it falls as the component rises")
    told = (
        f"Of {len(measured)} measured descriptors {readable(name)} goes most with a component of the "
        f"embedding: r {with_interval(best['r'], best['r_ci95'])} with PC{best['component']}, which carries "
        f"{best['variance'] * 100:.1f} % of its variance: "
        f"{direction}. It {passes} a false discovery rate of {rate:g} "
        f"over the table (q {best['q']:.2g}); picked as the largest, it is likely too large."
    )
    return [told]


def attribution_sentences(found: Found) -> list[str]:
    """Say how far the maps depend on what the network learnt; none where no image was shown."""
    parts = []
    for method, steps in found["sanity"].items():
        last = list(steps.values())[-1]
        interval = last.get("ci95")
        if last["mean"] is None:
            continue
        if interval is None:
            parts.append(f"{METHODS[method]} {last['mean']:.3f}, without an interval")
            continue
        says = decided(interval, "more alike than chance, so in part not learnt", "less alike than chance")
        parts.append(f"{METHODS[method]} {with_interval(last['mean'], interval)}: {says}")
    lead = (
        f"Attribution, sanity on {found['shown']} images: rank correlation of the maps with those of the "
        "same network after all its weights were drawn anew: "
    )
    return [lead + "; ".join(parts) + "."] if parts else []


def baseline_sentence(best: str, score: Found, baseline: Found | None) -> str:
    """Set an experiment beside the classifier that sees nothing but the sample's number.

    No claim, as standard deviations over folds are no interval. `baseline` is None when the ids carry no
    number.
    """
    if baseline is None:
        return "Sample ids carry no number: what a split by sample alone explains cannot be said."
    return (
        "The sample's number alone, without any image, is right on "
        f"{plus_minus(baseline['test_accuracy'], percent=True)} % of the held-out test, a model of {best} on "
        f"{plus_minus(score['accuracy'], percent=True)} % (mean ± standard deviation over folds, which is no "
        "interval)."
    )
