"""All that is said of two models, and the short table of it for a terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.lifecycle.comparison import Comparison
from tmdscope.lifecycle.contact_sheet import ContactSheet
from tmdscope.lifecycle.cost import Costs
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.paired import PairedScores
from tmdscope.tracking.predictions import ScoredModel


@dataclass(frozen=True)
class Report:
    """All that is said of two models, A and B.

    `comparison` is A less B, `what` says what the images are in a few words, such as ``simulated images``,
    and `resamples` and `seed` are of the intervals.
    """

    first: ScoredModel
    second: ScoredModel
    comparison: Comparison
    costs: Costs
    sheet: ContactSheet
    what: str
    simulated: bool
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form; the keys of `Comparison.to_dict` stand beside its own."""
        models = {"first": self.first, "second": self.second}
        return {
            **{
                side: {k: v for k, v in asdict(model).items() if k != "tags"}
                for side, model in models.items()
            },
            "images": self.what,
            "simulated": self.simulated,
            "resamples": self.resamples,
            "seed": self.seed,
            **self.comparison.to_dict(),
            "costs": self.costs.to_dict(),
        }


def verdict(scores: PairedScores) -> str:
    """Say in a sentence with numbers and interval which of two models is better, by macro F1."""
    bounds = scores.difference.macro_f1_ci95
    if bounds is None:
        said = "all are of one sample, so that nothing follows for others"
    elif bounds[0] > 0:
        said = "A is better: the interval lies above zero"
    elif bounds[1] < 0:
        said = "B is better: the interval lies below zero"
    else:
        said = "the interval holds zero: the two cannot be told apart"
    one, other = scores.macro_f1
    return (
        f"On the {scores.images} {scores.name} images of {scores.samples} samples macro F1 is {one:.3f} (A) "
        f"and {other:.3f} (B), A less B "
        f"{signed(scores.difference.macro_f1, scores.difference.macro_f1_ci95)}; {said}."
    )


def describe(report: Report) -> str:
    """Write a comparison for a terminal, in lines of about 90 characters before the last sentences."""
    lines = [f"A  {report.first.title}", f"B  {report.second.title}", ""]
    lines.append(f"{'':24}{'A':>8}{'B':>8}   A less B, 95 % interval by sample   McNemar p")
    for scores in report.comparison.held_out:
        difference = scores.difference
        lines.append(f"{scores.name}: {scores.images} {report.what} of {scores.samples} samples")
        for name, (one, other), value, bounds in (
            ("accuracy", scores.accuracy, difference.accuracy, difference.accuracy_ci95),
            ("macro F1", scores.macro_f1, difference.macro_f1, difference.macro_f1_ci95),
        ):
            p_value = f"{scores.mcnemar.p_value:.3g}" if name == "accuracy" else ""
            told = f"  {name:22}{one:8.3f}{other:8.3f}   {signed(value, bounds):33}{p_value:>12}"
            lines.append(told.rstrip())
    lines.append(_cost_line("files, MB", report.costs, "bytes", 1e-6))
    if report.costs.measured:
        lines.append(_cost_line("images per second", report.costs, "images_per_second", 1.0))
    else:
        lines.append(f"speed was not measured: {report.costs.missing}")
    lines.append("")
    lines += [verdict(scores) for scores in report.comparison.held_out]
    disagreed, compared = report.comparison.disagreements, report.comparison.compared
    lines.append(f"They disagree on {len(disagreed)} of {len(compared)} images.")
    return "\n".join(lines)


def _cost_line(name: str, costs: Costs, key: str, scale: float) -> str:
    cells = [number(getattr(cost, key), scale) for cost in (costs.first, costs.second)]
    return f"{name:24}{cells[0]:>8}{cells[1]:>8}"


def number(value: float | None, scale: float) -> str:
    """Write a number times `scale` with one decimal, or ``-`` where it is missing."""
    return "-" if value is None else f"{value * scale:.1f}"


def signed(value: float, interval: Sequence[float] | None) -> str:
    """Write ``+0.031 [-0.004, +0.062]``; without an interval ``+0.031 (no interval: 1 sample)``."""
    return tell_interval(value, interval, "+.3f")
