"""Sequential transfer: materials added to a classifier one after another, beside the TMD paper's values."""

from collections.abc import Callable, Sequence

from tmdscope.progress import duration
from tmdscope.report.figure_4 import ARMS, Outcome, figure_4_blocks, stage_name
from tmdscope.report.figures.embeddings import latent_stages
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table
from tmdscope.report.text import plus_minus
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import Bounds, tell_interval
from tmdscope.scores.task import Metric
from tmdscope.sequential.outcome import SMALL
from tmdscope.sequential.plan import Arm
from tmdscope.sequential.record import Drift, Leak, SequenceRecord, StageSummary, Together

_CLAIMS = {
    "sequential - direct": (
        "A sequential model is at least as good as a direct one trained for one stage's epochs"
    ),
    "sequential - direct-equal-budget": (
        "A sequential model is at least as good as a direct one trained for the epochs of all stages so far"
    ),
    "multilabel - multiclass": "Sequential multilabel is at least as good as sequential multiclass",
}
"""What the difference of each question says where it is not below zero."""


def sequential_section(
    record: SequenceRecord, metric: Metric, classes: Sequence[str], note: str | None = None
) -> Section:
    """Write what was trained, which claims of the paper hold here, Figures 4 and 5 and their tables.

    `metric` is the primary one of the study's task, `note` what a reader must know of the images before the
    numbers, such as that they are simulated.
    """
    outcome = Outcome(record, metric)
    blocks: list[Block] = [
        _lead(outcome),
        *([] if note is None else [Note(note)]),
        _claims(outcome),
        _comparisons(outcome),
        *figure_4_blocks(outcome),
        _class_shares(record),
        _changes(outcome),
        *_leak(outcome),
        *_latent(record, classes),
        *_versions(record),
    ]
    return Section("Materials added one after another", blocks)


def _lead(outcome: Outcome) -> Paragraph:
    record, settings = outcome.record, outcome.record.settings
    members, seeds, epochs = record.members, settings.seeds, settings.epochs
    drawn = {
        "sample": "whole samples in a random order, so that one sample's images come together",
        "image": "single images in a random order, as in the paper",
    }[settings.reduce_by]
    first = " and ".join(record.stages[0].classes)
    return Paragraph(
        f"After Figures 4 and 5 of the TMD paper: a model learns {first}, "
        f"then one more material at each stage: {', '.join(stage.added for stage in record.added)}. A "
        "sequential model goes on from the stage before at full volume. A direct one is trained anew on all "
        f"materials of its stage, once for the {epochs} epochs of one stage and once, at equal budget, for "
        f"those of all stages so far. {_start(outcome)} A volume counts the images of the added material in "
        f"training and validation together; smaller ones are parts of larger ones, drawn from {drawn}. Older "
        "materials keep all their images, and the test is never reduced. Every number is a mean over "
        f"{members} models: {members // len(seeds)} folds for each of {len(seeds)} "
        f"{'seed' if len(seeds) == 1 else 'seeds'} ({', '.join(map(str, seeds))}). All trainings took "
        f"{duration(record.seconds)}."
    )


def _start(outcome: Outcome) -> str:
    settings = outcome.record.settings
    start = {
        "fold": "Every fold goes on from its own model of the stage before",
        "paper": "All folds go on from one fold's model of the stage before, as in the paper, which leaks",
    }[settings.start]
    multiclass = {
        "grow": "multiclass keeps the weights of known outputs and draws those of the new one",
        "paper": "multiclass draws its last layer anew, as in the paper",
    }[settings.head]
    heads = {"multiclass": multiclass, "multilabel": "multilabel has an output for every atom from the start"}
    return f"{start}; {'; '.join(heads[encoding] for encoding in outcome.encodings)}."


def _claims(outcome: Outcome) -> Note:
    found, metric = outcome.record.comparisons, outcome.metric
    answers = []
    for question, claim in _CLAIMS.items():
        parts = []
        for entry in (entry for entry in found if entry.question == question):
            where = "over all volumes" if entry.encoding is None else f"for {entry.encoding}"
            parts.append(f"{_verdict(entry.all, metric)} {where}")
            if entry.encoding is None and entry.small is not None:
                parts.append(f"{_verdict(entry.small, metric)} at volumes of up to {SMALL} images")
        if parts:
            answers.append((claim, parts))
    claims = " ".join(
        f"({number}) {claim}: {', '.join(parts)}." for number, (claim, parts) in enumerate(answers, start=1)
    )
    return Note(
        f"Do the paper's claims hold here? In brackets the mean difference in test {metric.title} and its "
        f"95 % interval. {claims}"
    )


def _verdict(group: Together, metric: Metric) -> str:
    return f"{group.verdict} ({_difference(group.difference, group.ci95, metric)})"


def _comparisons(outcome: Outcome) -> Table:
    names, volumes = (
        {str(arm): words for arm, words in ARMS.items()},
        {"all": "all", "small": f"up to {SMALL}"},
    )
    rows = [
        [
            f"{left} less {names.get(right, right)}",
            entry.encoding or "sequential of both",
            volumes[group],
            _difference(found.difference, found.ci95, outcome.metric),
            f"{found.points_not_below} of {found.points}",
            found.verdict,
        ]
        for entry in outcome.record.comparisons
        for left, right in [entry.sides]
        for group, found in entry.groups.items()
    ]
    title = outcome.metric.title
    return Table(
        f"Paired differences in test {title}, mean over stages and volumes, with 95 % intervals: both models "
        "of a pair saw the same images, and intervals draw test samples and models, the same for both. The "
        "claim that a difference is at least zero holds where the interval does not reach below zero, fails "
        "where all of it is below, and is undecided otherwise",
        ["Difference", "encoding", "volumes", title, "points not below zero", "claim"],
        rows,
    )


def _class_shares(record: SequenceRecord) -> Table:
    rows = []
    for chain in record.chains:
        for name in record.stages[-1].classes:
            shares = [
                _percent(known.get(name)) if name in stage.classes else ""
                for stage, known in zip(record.stages, chain.shares, strict=True)
            ]
            won = chain.classes.get(name)
            changes = [_points(won.backward_transfer), _points(won.forgetting)] if won else ["", ""]
            rows.append([name, chain.encoding, *shares, *changes])
        rows.append(
            [
                "Mean of the older",
                chain.encoding,
                *("" for _ in record.stages),
                _points(chain.backward_transfer),
                _points(chain.forgetting),
            ]
        )
    return Table(
        "Share of each material's test images that are named rightly, in %, after each stage at full volume "
        "(sequential, mean over models), and points won or lost. Backward transfer: after the last stage "
        "less when the material came (Lopez-Paz & Ranzato 2017, arXiv:1706.08840). Forgetting: best before "
        "the last stage less after it, so that a gain is negative (Chaudhry et al. 2018, arXiv:1801.10112). "
        "Images of older materials stay in training, unlike in those works",
        [
            "Material",
            "encoding",
            *(f"{len(stage.classes)} materials" for stage in record.stages),
            "backward transfer",
            "forgetting",
        ],
        rows,
    )


def _changes(outcome: Outcome) -> Table:
    arms: tuple[Arm, ...] = ("sequential", "direct")
    rows = []
    for place in outcome.places():
        changed = [outcome.point(arm, place).changed for arm in arms]
        rows.append(
            [
                *place.cells,
                *(_points(found.old) for found in changed),
                *(_percent(found.added) for found in changed),
            ]
        )
    return Table(
        "What an addition does to the test: mean change, in points, of the share of the older materials' "
        "images that are named rightly, since the full stage before, and that share of the added material in "
        "% (mean over models; direct: trained for one stage's epochs)",
        [
            "Stage",
            "encoding",
            "volume",
            "older, sequential",
            "older, direct",
            "added, sequential",
            "added, direct",
        ],
        rows,
    )


def _leak(outcome: Outcome) -> list[Block]:
    leak, metric = outcome.record.leak, outcome.metric
    if not leak:
        return []
    seen = _span([entry.seen for entry in leak], _percent)
    val, test = (
        _span(values, lambda value: metric.tell(value, sign=True))
        for values in ([entry.val for entry in leak], [entry.test for entry in leak])
    )
    return [
        Paragraph(
            "The paper starts all folds of a stage from one fold's model: that model was trained on "
            f"{seen} % of the images that the folds validate on, and starting so moves validation "
            f"{metric.title} by {val} and test {metric.title} by {test}."
        ),
        Table(
            "Start from one fold's model less start from each fold's own, full volume, mean over models; "
            "seen: share of validation images that the one fold's model was trained on, mean over folds",
            ["Stage", "encoding", "seen (%)", f"val {metric.title}", f"test {metric.title} [95 % interval]"],
            [
                [
                    stage_name(_stage_of(outcome.record, entry)),
                    entry.encoding,
                    _percent(entry.seen),
                    metric.tell(entry.val, sign=True),
                    _difference(entry.test, entry.ci95, metric),
                ]
                for entry in leak
            ],
        ),
    ]


def _latent(record: SequenceRecord, classes: Sequence[str]) -> list[Block]:
    shown = ", ".join(dict.fromkeys(record.panels["encoding"]))
    return [
        Figure(
            "First two principal components of the embedding, stage by stage (as the paper's Figure 5; "
            "sequential, full volume, fold 0 of the first seed, all images). Each panel is laid over the one "
            "before by one rotation or reflection, one scale and one shift. Large marks are class means.",
            f"Scatter of PC1 and PC2 by material, one row of panels for each encoding ({shown}) and one "
            "column for each stage.",
            latent_stages(record.panels, classes),
        ),
        Table(
            "Drift of the older materials' class means since the stage before, all 100 values, mean ± "
            "standard deviation over folds of the first seed. The unit is the root mean square distance "
            "between class means before, after Procrustes alignment: at 0 every class keeps its place, at 1 "
            "it moves as far as classes lie apart. Direct: a model trained anew beside the same stage before",
            ["Stage", "encoding", "sequential", "direct"],
            [
                [
                    stage_name(_stage_of(record, entry)),
                    entry.encoding,
                    *(
                        plus_minus(MeanStd(moved.mean, moved.std))
                        for moved in (entry.sequential, entry.direct)
                    ),
                ]
                for entry in record.drift
            ],
        ),
    ]


def _versions(record: SequenceRecord) -> list[Block]:
    rows = [
        [one.name, str(one.number), one.encoding, str(one.materials), str(one.volume)]
        for one in record.versions
    ]
    header = ["Model", "version", "encoding", "materials", "volume"]
    return [Table("Registered models of the stages", header, rows)] if rows else []


def _stage_of(record: SequenceRecord, entry: Leak | Drift) -> StageSummary:
    return next(stage for stage in record.added if len(stage.classes) == entry.materials)


def _difference(value: float, interval: Bounds, metric: Metric) -> str:
    return tell_interval(value, interval, f"+{metric.form}")


def _percent(share: float | None) -> str:
    return "no test images" if share is None else f"{share * 100:.1f}"


def _points(share: float | None) -> str:
    return "" if share is None else f"{share * 100:+.1f}"


def _span(values: Sequence[float], form: Callable[[float], str]) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low} to {high}"
