"""Campaigns in an audit: what a score loses when they are held out, and drift within one class."""

from collections.abc import Mapping

from tmdscope.audit.campaigns import Campaigns
from tmdscope.audit.record import Audit
from tmdscope.audit.scores import gained
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Paragraph, Table
from tmdscope.report.text import counted, with_interval
from tmdscope.scores.intervals import NO_INTERVAL
from tmdscope.scores.text import capital, estimated, named, plural, points_of, scale_of, valued


def campaign_blocks(found: Audit) -> list[Block]:
    """Set each way of holding out campaigns beside its matched controls, and tell single campaigns."""
    campaigns, metric, stratum = found.campaigns, found.task.plain, found.task.stratum
    if not campaigns:
        return [Note("No order of the samples is known: whether the score is campaign cannot be said.")]
    rows = [
        {
            "Held out": item.name,
            f"{plural(found.row)} of samples": f"{item.held_out.images} of {item.held_out.samples}",
            "held out": estimated(metric, item.held_out),
            "control": estimated(metric, item.control),
            "drop": estimated(metric, item.drop),
            "order only, held out": estimated(metric, item.order_held_out),
            "order only, control": valued(metric, item.order_control.values[metric.name]),
            "chance": valued(metric, item.chance),
            "effect": item.effect or NO_INTERVAL,
        }
        for item in campaigns
    ]
    told = " ".join(f"{item.name}: {item.method}{_excluded(item.excluded)}" for item in campaigns)
    lead = (
        "A held-out campaign is predicted by a model that trained on none of its samples, and by matched "
        f"controls: as many training samples of each {stratum}, the campaign's other samples among them. "
    )
    caption = (
        f"Held-out campaigns, {named([metric])}; drop: control less held out, in {points_of(metric)}, "
        "95 % intervals by sample widened by the luck of one training set; chance: the one answer for "
        "all that is best without looking"
    )
    parts = (_parts(item, found) for item in campaigns if item.parts and item.in_blocks)
    return [Paragraph(lead + told), Table.of(caption, rows), _lost(found), *parts]


def drift_blocks(found: Audit) -> list[Block]:
    """Say how well early and late samples of one class are told apart, beside shuffles."""
    rows = [
        {
            capital(found.task.stratum): item.name,
            f"{plural(found.row)} of samples": f"{item.images} of {item.samples}",
            "late from": f"{item.split_at:g}",
            "AUC": with_interval(item.auc, item.auc_ci95),
            "shuffled, mean": f"{item.null_mean:.3f}",
            "shuffled, 95th percentile": f"{item.null_95:.3f}",
            "p": f"{item.p_value:.3f}",
        }
        for item in found.drift
    ]
    if not rows:
        return []
    caption = (
        f"Early or late, within one {found.task.stratum}: area under the ROC curve over samples, "
        f"cross-validated by sample, beside {found.drift[0].permutations} shuffles of early and late"
    )
    return [Table.of(caption, rows)]


def _lost(found: Audit) -> Figure:
    metric = found.task.plain
    drawn, unit = {}, points_of(metric)
    for item in found.campaigns:
        drop, bounds = gained(metric, item.drop)
        drawn[item.name] = tuple(scale_of(metric) * of for of in (drop, *drawable(bounds)))
    return Figure(
        "What goes with the campaign: control less held out, with 95 % intervals.",
        f"Lost when campaigns are held out, in {unit}: {', '.join(drawn)}.",
        intervals(drawn, f"{capital(metric.title)} lost ({unit})"),
    )


def _parts(item: Campaigns, found: Audit) -> Table:
    metric = found.task.plain
    rows = [
        {
            "Part": part.name,
            "order": f"{part.first:g} - {part.last:g}",
            "samples": str(part.samples),
            plural(found.row): str(part.images),
            "held out": valued(metric, part.held_out),
            "control": valued(metric, part.control),
            "order only, held out": valued(metric, part.order_held_out),
            "order only, control": valued(metric, part.order_control),
            "not scored": counted(part.excluded),
        }
        for part in item.parts
    ]
    return Table.of(f"{item.name}: {named([metric])} of each", rows)


def _excluded(excluded: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} of {name}" for name, count in excluded.items())
    return f" Not scored, as no sample like theirs trains: {told}." if told else ""
