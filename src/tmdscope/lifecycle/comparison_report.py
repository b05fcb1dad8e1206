"""All that is said of two models: a page, and a short table for a terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import pandas as pd

from tmdscope.lifecycle.comparison import Comparison
from tmdscope.lifecycle.contact_sheet import LARGEST, ContactSheet
from tmdscope.lifecycle.cost import BATCH, REPEATS, Cost, Costs
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Page, Paragraph, Section, Table
from tmdscope.report.text import percent
from tmdscope.scores.paired import PER_CLASS, PairedScores
from tmdscope.scores.task import Metric, Task
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


@dataclass(frozen=True)
class ComparisonReport:
    """All that is said of two models, A and B; `what` are the images, such as ``simulated images``."""

    first: ScoredModel
    second: ScoredModel
    comparison: Comparison
    costs: Costs
    sheet: ContactSheet
    what: str
    resamples: int
    seed: int

    @property
    def simulated(self) -> bool:
        """Whether any image is."""
        return "simulated" in self.what

    @property
    def verdicts(self) -> list[str]:
        """What follows of each part, in sentences."""
        return [verdict(scores, self.comparison.task.primary) for scores in self.comparison.held_out]

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form; the keys of `Comparison.to_dict` stand beside its own."""
        models = {"first": asdict(self.first), "second": asdict(self.second)}
        return {
            **{side: {k: v for k, v in model.items() if k != "tags"} for side, model in models.items()},
            "images": self.what,
            "simulated": self.simulated,
            "resamples": self.resamples,
            "seed": self.seed,
            **self.comparison.to_dict(),
            "costs": self.costs.to_dict(),
        }


def verdict(scores: PairedScores, metric: Metric) -> str:
    """Say in a sentence with numbers and interval which of two models is better, by one metric."""
    bounds = scores.difference.bounds[metric.name]
    if bounds is None:
        said = "all are of one sample, so that nothing follows for others"
    elif min(bounds) <= 0 <= max(bounds):
        said = "the interval holds zero: the two cannot be told apart"
    else:
        better = "A" if metric.gain(bounds[0], 0) > 0 else "B"
        said = f"{better} is better: the interval lies {'above' if bounds[0] > 0 else 'below'} zero"
    one, other = (metric.tell(side.values[metric.name]) for side in scores.both)
    difference = scores.difference
    return (
        f"On the {difference.images} {scores.name} images of {difference.samples} samples {metric.title} is "
        f"{one} (A) and {other} (B), A less B {difference.tell(metric, sign=True)}; {said}."
    )


def describe(report: ComparisonReport) -> str:
    """Write a comparison for a terminal, in lines of about 90 characters before the last sentences."""
    lines = [f"A  {report.first.title}", f"B  {report.second.title}", ""]
    lines += [f"{'':24}{'A':>8}{'B':>8}   A less B, 95 % interval by sample   McNemar p"]
    task = report.comparison.task
    for scores in report.comparison.held_out:
        difference = scores.difference
        lines.append(f"{scores.name}: {difference.images} {report.what} of {difference.samples} samples")
        for metric in task.metrics:
            one, other = (f"{side.values[metric.name]:{metric.form}}" for side in scores.both)
            p_value = f"{scores.mcnemar.p_value:.3g}" if metric is task.plain else ""
            change = difference.tell(metric, sign=True)
            lines.append(f"  {metric.title:22}{one:>8}{other:>8}   {change:33}{p_value:>12}".rstrip())
    lines.append(_cost_line("files, MB", report.costs, "bytes", 1e-6))
    if report.costs.missing:
        lines.append(f"speed was not measured: {report.costs.missing}")
    else:
        lines.append(_cost_line("images per second", report.costs, "images_per_second", 1.0))
    disagreed, compared = report.comparison.disagreements, report.comparison.compared
    ending = f"They disagree on {len(disagreed)} of {len(compared)} images."
    return "\n".join([*lines, "", *report.verdicts, ending])


def _cost_line(name: str, costs: Costs, key: str, scale: float) -> str:
    cells = [number(getattr(cost, key), scale) for cost in (costs.first, costs.second)]
    return f"{name:24}{cells[0]:>8}{cells[1]:>8}"


def number(value: float | None, scale: float) -> str:
    """Write a number times `scale` with one decimal, or ``-`` where it is missing."""
    return "-" if value is None else f"{value * scale:.1f}"


def compose(report: ComparisonReport) -> Page:
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


def _models(report: ComparisonReport) -> Section:
    models = (report.first, report.second)
    columns = {"": ["A", "B"], "Model": [model.title for model in models]}
    columns["MLflow run"] = [model.run_id[:_HASH_DIGITS] for model in models]
    columns |= {name: [_tag(model, name) for model in models] for name in _SHOWN_TAGS.values()}
    filled = {name: cells for name, cells in columns.items() if any(cell != "-" for cell in cells)}
    rows = [list(row) for row in zip(*filled.values(), strict=True)]
    blocks: list[Block] = [
        Paragraph(
            "Every number is of images that both models held out in the same part and whose class both "
            "know: on the held-out test the folds' mean speaks, on out-of-fold images the fold that was not "
            "trained on them (its stopping was chosen on them, so that they flatter both). The most probable "
            "class counts. " + _left_out(report.comparison)
        ),
        Table("The two models; hashes by their first digits", [*filled], rows),
    ]
    if report.simulated:
        note = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
        blocks.insert(0, Note(note))
    return Section("Models", blocks)


def _tag(model: ScoredModel, shown: str) -> str:
    tags = [tag for tag, name in _SHOWN_TAGS.items() if name == shown and tag in model.tags]
    found = model.tags[tags[0]] if tags else "-"
    return found[:_HASH_DIGITS] if "SHA-256" in shown or shown == "git commit" else found


def _left_out(comparison: Comparison) -> str:
    """Say which images and classes the two do not have in common."""
    left_out = [f"{count} ({reason})" for reason, count in comparison.left_out.items()]
    told = f"Images left out: {'; '.join(left_out)}." if left_out else "No image was left out."
    one, other = comparison.classes
    for letter, rest, own, theirs in (("A", "B", one, other), ("B", "A", other, one)):
        if more := ", ".join(name for name in own if name not in theirs):
            told += (
                f" {letter} also knows {more}, which {rest} cannot name: A and B do not have the same task."
            )
    return told


def _difference(report: ComparisonReport) -> Section:
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


def _tested(report: ComparisonReport) -> list[Block]:
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


def _classes(report: ComparisonReport) -> Section:
    told = [(f"{metric.title} A", f"{metric.title} B", "A less B") for metric in PER_CLASS]
    tables = [
        Table(
            f"Per class, {scores.name} ({scores.difference.images} {report.what} of "
            f"{scores.difference.samples} samples)",
            ["Class", "images", *chain(*told)],
            [
                [
                    *(entry.name, str(entry.images)),
                    *chain(*((f"{a:.3f}", f"{b:.3f}", f"{a - b:+.3f}") for a, b in entry.scores.values())),
                ]
                for entry in scores.per_class
            ],
        )
        for scores in report.comparison.held_out
    ]
    return Section("Classes", tables)


def _disagreements(report: ComparisonReport) -> Section:
    table, sheet = report.comparison.disagreements, report.sheet
    blocks: list[Block] = [
        Paragraph(f"A and B disagree on {len(table)} of {len(report.comparison.compared)} images."),
        Paragraph(sheet.caption) if sheet.png is None else Figure(sheet.caption, sheet.alt, sheet.png),
    ]
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
    said = [f"{entry[side]} {percent(entry[f'p_{side}'], 0)} %" for side in ("first", "second")]
    return [str(number), entry["image_id"], entry["sample_id"], entry["part"], entry["label"], *said]


def _costs(costs: Costs) -> Section:
    def row(letter: str, cost: Cost) -> list[str]:
        size = "-" if cost.size_px is None else f"{cost.size_px} x {cost.size_px}"
        members = "-" if cost.members is None else str(cost.members)
        return [letter, number(cost.bytes, 1e-6), members, size, number(cost.images_per_second, 1.0)]

    threads = f"{costs.threads} {'thread' if costs.threads == 1 else 'threads'}"
    how = (
        f"Speed: {BATCH} images at a time on the CPU, {threads}, both models in turns, median of {REPEATS} "
        "rounds. It is this machine's, at this moment."
    )
    if costs.missing:
        how = f"Speed was not measured: {costs.missing}."
    table = Table(
        "Size of the model's files, and speed",
        ["", "files, MB", "networks", "pixels", "images per second"],
        [row("A", costs.first), row("B", costs.second)],
    )
    return Section("Size and speed", [table, Paragraph(how)])
