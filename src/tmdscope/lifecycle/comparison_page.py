"""A comparison of two models as an HTML page."""

import pandas as pd

from tmdscope.lifecycle.comparison import Comparison
from tmdscope.lifecycle.comparison_report import Report, number, signed, verdict
from tmdscope.lifecycle.contact_sheet import LARGEST, percent
from tmdscope.lifecycle.cost import BATCH, REPEATS, Cost, Costs
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Page, Paragraph, Section, Table
from tmdscope.report.text import with_interval
from tmdscope.scores.intervals import Bounds, Difference
from tmdscope.scores.paired import PairedScores
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
    said = [verdict(scores) for scores in report.comparison.held_out]
    return Page(
        title=f"A: {report.first.title}, B: {report.second.title}",
        lead=f"Compared on {report.what}, with 95 % intervals by sample. " + " ".join(said),
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
    rows, bars = [], {}
    for scores in report.comparison.held_out:
        counted = f"{scores.images} of {scores.samples}"
        for name, one, other, (value, bounds) in _measures(scores):
            rows.append([scores.name, counted, name, one, other, signed(value, bounds)])
            bars[f"{name}, {scores.name}"] = (value, *drawable(bounds))
    how = f"95 % intervals over samples, {report.resamples} resamples, seed {report.seed}"
    return Section(
        "Difference",
        [
            Table(
                f"A and B on the same {report.what}; {how}",
                ["On", "images of samples", "score", "A", "B", "A less B"],
                rows,
            ),
            Figure(
                "A less B, with 95 % intervals. Right of zero, A is better; where an interval holds zero, "
                "the two cannot be told apart.",
                "Differences and their intervals: " + ", ".join(bars) + ".",
                intervals(bars, "A less B (share of one)"),
            ),
            *_tested(report),
        ],
    )


def _tested(report: Report) -> list[Block]:
    rows = [
        [
            scores.name,
            str(scores.mcnemar.first_only),
            str(scores.mcnemar.second_only),
            f"{scores.mcnemar.p_value:.3g}",
            str(scores.distinct.images),
            signed(scores.distinct.macro_f1, scores.distinct.macro_f1_ci95),
        ]
        for scores in report.comparison.held_out
    ]
    return [
        Table(
            f"McNemar's exact test, and macro F1 on the first of identical images only ({report.what})",
            ["On", "only A right", "only B right", "p, two-sided", "distinct images", "macro F1, A less B"],
            rows,
        ),
        Paragraph(
            "McNemar's test takes images as independent. Those of one sample are not, so its p-value is "
            "too small; the interval by sample is the one to trust."
        ),
    ]


def _measures(scores: PairedScores) -> list[tuple[str, str, str, tuple[float, Bounds]]]:
    """List name, what A has, what B has, and the difference with its bounds."""
    one, other = scores.intervals
    found: Difference = scores.difference
    return [
        (
            "accuracy",
            with_interval(scores.accuracy[0], one.accuracy),
            with_interval(scores.accuracy[1], other.accuracy),
            (found.accuracy, found.accuracy_ci95),
        ),
        (
            "macro F1",
            with_interval(scores.macro_f1[0], one.macro_f1),
            with_interval(scores.macro_f1[1], other.macro_f1),
            (found.macro_f1, found.macro_f1_ci95),
        ),
    ]


def _classes(report: Report) -> Section:
    header = ["Class", "images", "recall A", "recall B", "A less B", "F1 A", "F1 B", "A less B"]
    tables = [
        Table(
            f"Per class, {scores.name} ({scores.images} {report.what} of {scores.samples} samples)",
            header,
            [
                [
                    entry.name,
                    str(entry.images),
                    *(f"{value:.3f}" for value in entry.recall),
                    f"{entry.recall_change:+.3f}",
                    *(f"{value:.3f}" for value in entry.f1),
                    f"{entry.f1_change:+.3f}",
                ]
                for entry in scores.per_class
            ],
        )
        for scores in report.comparison.held_out
    ]
    return Section("Classes", tables)


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
