"""All that is said of two models, and the short table of it for a terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.learn.intervals import tell_interval
from tmdscope.learn.paired import PairedScores
from tmdscope.lifecycle.comparison import Comparison
from tmdscope.lifecycle.contact_sheet import ContactSheet
from tmdscope.lifecycle.cost import Costs
from tmdscope.tracking.predictions import ScoredModel


@dataclass(frozen=True)
class Report:
    """All that is said of two models.

    Attributes
    ----------
    first, second : ScoredModel
        The models, A and B.
    comparison : Comparison
        A less B.
    costs : Costs
        Size and speed.
    sheet : ContactSheet
        Images on which they disagree.
    what : str
        What the images are in a few words, such as ``simulated images``.
    simulated : bool
        Whether they are known to be simulated.
    resamples, seed : int
        Of the intervals.
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
        """Give a JSON-like form.

        Returns
        -------
        dict
            ``first``, ``second``, ``images``, ``simulated``, ``resamples``, ``seed``, ``costs``, and what
            `Comparison.to_dict` gives.
        """
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
    """Say in words which of two models is better on some images, by macro F1.

    Parameters
    ----------
    scores : PairedScores
        Of both.

    Returns
    -------
    str
        One sentence with numbers and interval.
    """
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
    """Write a comparison for a terminal.

    Parameters
    ----------
    report : Report
        The comparison.

    Returns
    -------
    str
        Lines of at most about 90 characters before the sentences at the end.
    """
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
    """Write a number that may be missing.

    Parameters
    ----------
    value : float or None
        The number.
    scale : float
        It is multiplied by.

    Returns
    -------
    str
        With one decimal, or ``-``.
    """
    return "-" if value is None else f"{value * scale:.1f}"


def signed(value: float, interval: Sequence[float] | None) -> str:
    """Write a difference and its 95 % interval.

    Parameters
    ----------
    value : float
        The difference.
    interval : sequence of float or None
        Lower and upper bound; None where there is no interval.

    Returns
    -------
    str
        ``+0.031 [-0.004, +0.062]`` or ``+0.031 (no interval: 1 sample)``.
    """
    return tell_interval(value, interval, "+.3f")
