"""All that is said of two models, and the short table of it for a terminal."""

from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.lifecycle.comparison import Comparison
from tmdscope.lifecycle.contact_sheet import ContactSheet
from tmdscope.lifecycle.cost import Costs
from tmdscope.scores.paired import PairedScores
from tmdscope.scores.task import Metric
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

    @property
    def verdicts(self) -> list[str]:
        """What follows of each part, in sentences."""
        return [verdict(scores, self.comparison.task.primary) for scores in self.comparison.held_out]

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


def describe(report: Report) -> str:
    """Write a comparison for a terminal, in lines of about 90 characters before the last sentences."""
    lines = [f"A  {report.first.title}", f"B  {report.second.title}", ""]
    lines.append(f"{'':24}{'A':>8}{'B':>8}   A less B, 95 % interval by sample   McNemar p")
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
    if report.costs.measured:
        lines.append(_cost_line("images per second", report.costs, "images_per_second", 1.0))
    else:
        lines.append(f"speed was not measured: {report.costs.missing}")
    lines.append("")
    lines += report.verdicts
    disagreed, compared = report.comparison.disagreements, report.comparison.compared
    lines.append(f"They disagree on {len(disagreed)} of {len(compared)} images.")
    return "\n".join(lines)


def _cost_line(name: str, costs: Costs, key: str, scale: float) -> str:
    cells = [number(getattr(cost, key), scale) for cost in (costs.first, costs.second)]
    return f"{name:24}{cells[0]:>8}{cells[1]:>8}"


def number(value: float | None, scale: float) -> str:
    """Write a number times `scale` with one decimal, or ``-`` where it is missing."""
    return "-" if value is None else f"{value * scale:.1f}"
