"""Whether a model is not worse than another by more than a margin, as far as held-out images can say.

Out-of-fold images have chosen epochs, settings and the best experiment, so that they alone accept no model;
the held-out test has few samples, so that it alone would refuse most. Both must agree.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from tmdscope.lifecycle.comparison import HELD_OUT, figures_of
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import Metric

_FOLDS, _TEST = HELD_OUT["val"], HELD_OUT["test"]


class Finding(NamedTuple):
    """What was found, and the numbers that belong to the record."""

    passed: bool
    text: str
    figures: dict[str, float]


def judge_difference(found: Mapping[str, Estimate], metric: Metric, margin: float, against: str) -> Finding:
    """Judge a candidate by its difference, candidate less the other, on each part of `HELD_OUT`.

    The worse bound of the metric must be within the margin (in its unit), out of fold where both models have
    such images, else on the held-out test; and the held-out test must not show the candidate worse: an
    interval wholly on the worse side of zero. It does not pass on a part without an interval, or without a
    held-out test.
    """
    decides = _FOLDS if _FOLDS in found else _TEST
    texts, passed = [], True
    for part in dict.fromkeys((decides, _TEST)):
        ok, text = _judge_part(part, found.get(part), metric, margin, part == decides)
        passed &= ok
        texts.append(text)
    figures = {"margin": margin}
    for part, difference in found.items():
        counts = {"images": difference.images, "samples": difference.samples}
        prefix = "" if part == decides else "test."
        figures |= {prefix + name: value for name, value in {**counts, **figures_of(difference)}.items()}
    return Finding(passed, f"against {against}, margin {metric.tell(margin)}: {'; '.join(texts)}", figures)


def samples_needed(difference: Estimate, metric: Metric, margin: float) -> int | None:
    """Say how many samples would show a difference of the margin (width falls as their root), or None."""
    bounds = difference.bounds[metric.name]
    if bounds is None or margin <= 0:
        return None
    return math.ceil(difference.samples * ((bounds[1] - bounds[0]) / 2 / margin) ** 2)


def _judge_part(
    part: str, difference: Estimate | None, metric: Metric, margin: float, decides: bool
) -> tuple[bool, str]:
    if difference is None:
        return False, f"{part}: the two have no such images in common, which leaves it open"
    where = f"{part}, {difference.images} images of {difference.samples} samples"
    bounds = difference.bounds[metric.name]
    if bounds is None or not all(map(math.isfinite, bounds)):
        return False, f"{where}: no interval of so few samples, so that nothing is decided by them"
    worst, best = sorted(metric.gain(bound, 0) for bound in bounds)
    told = f"{where}: {metric.title} {difference.tell(metric, sign=True)}"
    if part == _TEST and best < 0:
        return False, f"{told} shows it worse"
    needed = samples_needed(difference, metric, margin)
    if needed is None or needed > difference.samples:
        enough = "no number of samples" if needed is None else f"about {needed} samples"
        told += f", too few to show a difference of the margin ({enough} would)"
    return not decides or worst >= -margin, told
