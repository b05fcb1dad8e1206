"""A comparison of two models as an HTML page."""

from collections.abc import Sequence
from itertools import chain

import pandas as pd

from tmdscope.lifecycle.comparison import Comparison
from tmdscope.lifecycle.comparison_report import Report, number
from tmdscope.lifecycle.contact_sheet import LARGEST, percent
from tmdscope.lifecycle.cost import BATCH, REPEATS, Cost, Costs
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Page, Paragraph, Section, Table
from tmdscope.scores.paired import PER_CLASS, PairedScores
from tmdscope.scores.task import Task
from tmdscope.tracking.predictions import ScoredModel

_SHOWN_TAGS = {
    "experiment": "experiment",
    "stage": "stage",
    "target": "encoding",
    "encoding": "encoding",
    "architecture": "architecture",
    "materials": "materials",
    "data.sha256": "data SHA-256",
    "split.sha256": "split SHA-256",
    "git.commit": "git commit",
}
"""Tags of a model to what they are called."""

_HASH_DIGITS = 12


def compose(report: Report) -> Page:
    """Write a comparison as a page."""
    return Page(
        title=f"A: {report.first.title}, B: {report.second.title}",
        lead=f"Compared on {report.what}, with 95 % intervals by sample. " + " ".join(report.verdicts),
        sections=[
            _models(report),
            _difference(report),
            _classes(report),
            _disagreements(report),
            _costs(report.costs),
        ],
    )


def _models(report: Report) -> Section:
    names = list(dict.fromkeys(_SHOWN_TAGS.values()))
    rows = [
        [letter, model.title, model.run_id[:_HASH_DIGITS], *(_tag(model, name) for name in names)]
        for letter, model in (("A", report.first), ("B", report.second))
    ]
    filled = [k for k in range(3 + len(names)) if any(row[k] != "-" for row in rows)]
    header = ["", "Model", "MLflow run", *names]
    blocks: list[Block] = [
        Paragraph(
            "Every number is of images that both models held out in the same part and whose material both "
            "know: on the held-out test the folds' mean speaks, on out-of-fold images the fold that was not "
            "trained on them (its stopping was chosen on them, so that they flatter both). The most probable "
            "class counts. " + _left_out(report.comparison) + _unequal(report.comparison)
        ),
        Table(
            "The two models; hashes by their first digits",
            [header[k] for k in filled],
            [[row[k] for k in filled] for row in rows],
        ),
    ]
    if report.simulated:
        note = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
        blocks.insert(0, Note(note))
    return Section("Models", blocks)


def _tag(model: ScoredModel, shown: str) -> str:
    found = next(
        (model.tags[tag] for tag, name in _SHOWN_TAGS.items() if name == shown and tag in model.tags), "-"
    )
    return found[:_HASH_DIGITS] if "SHA-256" in shown or shown == "git commit" else found


def _left_out(comparison: Comparison) -> str:
    if not comparison.left_out:
        return "No image was left out."
    told = "; ".join(f"{count} ({reason})" for reason, count in comparison.left_out.items())
    return f"Images left out: {told}."


def _unequal(comparison: Comparison) -> str:
    """Say which model must tell more classes apart."""
    one, other = comparison.classes
    told = [
        f" {letter} also knows {', '.join(more)}, which {rest} cannot name: A and B do not have "
        "the same task."
        for letter, rest, more in (
            ("A", "B", [name for name in one if name not in other]),
            ("B", "A", [name for name in other if name not in one]),
        )
        if more
    ]
    return "".join(told)


def _difference(report: Report) -> Section:
    task, held_out = report.comparison.task, report.comparison.held_out
    rows = [
        [
            scores.name,
            f"{scores.difference.images} of {scores.difference.samples}",
            metric.title,
            *(side.tell(metric) for side in scores.both),
            scores.difference.tell(metric, sign=True),
        ]
        for scores in held_out
        for metric in task.metrics
    ]
    how = f"95 % intervals over samples, {report.resamples} resamples, seed {report.seed}"
    return Section(
        "Difference",
        [
            Table(
                f"A and B on the same {report.what}; {how}",
                ["On", "images of samples", "score", "A", "B", "A less B"],
                rows,
            ),
            *(_gains(held_out, task, unit) for unit in dict.fromkeys(metric.unit for metric in task.metrics)),
            *_tested(report),
        ],
    )


def _gains(held_out: Sequence[PairedScores], task: Task, unit: str) -> Figure:
    """Draw by how much A is better by the metrics of one unit."""
    bars = {}
    for scores in held_out:
        for metric in (metric for metric in task.metrics if metric.unit == unit):
            found = scores.difference
            low, high = sorted(metric.gain(bound, 0) for bound in drawable(found.bounds[metric.name]))
            bars[f"{metric.title}, {scores.name}"] = (metric.gain(found.values[metric.name], 0), low, high)
    return Figure(
        "By how much A is better, with 95 % intervals; where an interval holds zero, the two cannot be told "
        "apart.",
        "Differences and their intervals: " + ", ".join(bars) + ".",
        intervals(bars, f"by how much A is better{unit and f' ({unit})'}"),
    )


def _tested(report: Report) -> list[Block]:
    metric = report.comparison.task.primary
    rows = [
        [
            scores.name,
            str(scores.mcnemar.first_only),
            str(scores.mcnemar.second_only),
            f"{scores.mcnemar.p_value:.3g}",
            str(scores.distinct.images),
            scores.distinct.tell(metric, sign=True),
        ]
        for scores in report.comparison.held_out
    ]
    what = f"{metric.title}, A less B"
    return [
        Table(
            f"McNemar's exact test, and {metric.title} on the first of identical images only ({report.what})",
            ["On", "only A right", "only B right", "p, two-sided", "distinct images", what],
            rows,
        ),
        Paragraph(
            "McNemar's test takes images as independent. Those of one sample are not, so its p-value is "
            "too small; the interval by sample is the one to trust."
        ),
    ]


def _classes(report: Report) -> Section:
    told = [(f"{metric.title} A", f"{metric.title} B", "A less B") for metric in PER_CLASS]
    tables = [
        Table(
            f"Per class, {scores.name} ({scores.difference.images} {report.what} of "
            f"{scores.difference.samples} samples)",
            ["Class", "images", *chain(*told)],
            [
                [entry.name, str(entry.images), *chain(*map(_change, entry.scores.values()))]
                for entry in scores.per_class
            ],
        )
        for scores in report.comparison.held_out
    ]
    return Section("Classes", tables)


def _change(both: tuple[float, float]) -> list[str]:
    one, other = both
    return [f"{one:.3f}", f"{other:.3f}", f"{one - other:+.3f}"]


def _disagreements(report: Report) -> Section:
    table, sheet = report.comparison.disagreements, report.sheet
    blocks: list[Block] = [
        Paragraph(f"A and B disagree on {len(table)} of {len(report.comparison.compared)} images.")
    ]
    if sheet.png is None:
        blocks.append(Paragraph(sheet.caption))
    else:
        blocks.append(Figure(sheet.caption, sheet.alt, sheet.png))
    if len(table):
        shown = min(LARGEST, len(table))
        all_of = f"all {shown}" if shown == len(table) else f"{shown} of {len(table)}"
        blocks.append(
            Table(
                f"Images on which A and B disagree ({all_of}), those first of which both are surest; "
                "disagreements.csv lists all",
                ["", "Image", "sample", "part", "true", "A says", "B says"],
                [_said(k, entry) for k, (_, entry) in enumerate(table.head(LARGEST).iterrows(), 1)],
            )
        )
    return Section("Disagreements", blocks)


def _said(number: int, entry: pd.Series) -> list[str]:
    said = [f"{entry[side]} {percent(entry[f'p_{side}'])}" for side in ("first", "second")]
    return [str(number), entry["image_id"], entry["sample_id"], entry["part"], entry["material"], *said]


def _costs(costs: Costs) -> Section:
    def row(letter: str, cost: Cost) -> list[str]:
        size = "-" if cost.size_px is None else f"{cost.size_px} x {cost.size_px}"
        members = "-" if cost.members is None else str(cost.members)
        return [letter, number(cost.bytes, 1e-6), members, size, number(cost.images_per_second, 1.0)]

    how = (
        f"Speed: {BATCH} images at a time on the CPU, {costs.threads} "
        f"{'thread' if costs.threads == 1 else 'threads'}, both models in turns, median of {REPEATS} rounds. "
        "It is this machine's, at this moment."
        if costs.measured
        else f"Speed was not measured: {costs.missing}."
    )
    table = Table(
        "Size of the model's files, and speed",
        ["", "files, MB", "networks", "pixels", "images per second"],
        [row("A", costs.first), row("B", costs.second)],
    )
    return Section("Size and speed", [table, Paragraph(how)])
