"""Whether a model is not worse than another by more than a margin, as far as held-out images can say.

Out-of-fold images have chosen epochs, settings and the best experiment, so that they alone accept no model;
the held-out test has few samples, so that it alone would refuse most. Both must agree.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from tmdscope.lifecycle.comparison import HELD_OUT
from tmdscope.scores.intervals import Difference

_FOLDS, _TEST = HELD_OUT["val"], HELD_OUT["test"]


class Finding(NamedTuple):
    """What was found, and the numbers that belong to the record."""

    passed: bool
    text: str
    figures: dict[str, float]


def judge_difference(found: Mapping[str, Difference], margin: float, against: str) -> Finding:
    """Judge a candidate by its difference, candidate less the other, on each part of `HELD_OUT`.

    The lower bound of macro F1 must be within the margin (0..1), out of fold where both models have such
    images, else on the held-out test; and the held-out test must not show the candidate worse: an interval
    wholly below zero. It does not pass on a part without an interval, or without a held-out test.
    """
    decides = _FOLDS if _FOLDS in found else _TEST
    texts, passed = [], True
    for part in dict.fromkeys((decides, _TEST)):
        ok, text = _judge_part(part, found.get(part), margin, part == decides)
        passed &= ok
        texts.append(text)
    figures = {"margin": margin}
    for part, difference in found.items():
        figures |= _figures(difference, "" if part == decides else "test.")
    return Finding(passed, f"against {against}, margin {margin:.3f}: {'; '.join(texts)}", figures)


def samples_needed(difference: Difference, margin: float) -> int | None:
    """Say how many samples would show a difference of the margin: half the interval as narrow as it.

    The interval's width falls with the root of their number. None where no number does, or none is known.
    """
    if difference.macro_f1_ci95 is None or margin <= 0:
        return None
    low, high = difference.macro_f1_ci95
    return math.ceil(difference.samples * ((high - low) / 2 / margin) ** 2)


def _judge_part(part: str, difference: Difference | None, margin: float, decides: bool) -> tuple[bool, str]:
    if difference is None:
        return False, f"{part}: the two have no such images in common, which leaves it open"
    where = f"{part}, {difference.images} images of {difference.samples} samples"
    bounds = difference.macro_f1_ci95
    if bounds is None or not all(map(math.isfinite, bounds)):
        return False, f"{where}: no interval of so few samples, so that nothing is decided by them"
    low, high = bounds
    told = f"{where}: macro F1 {difference.macro_f1:+.3f} [{low:+.3f}, {high:+.3f}]"
    if part == _TEST and high < 0:
        return False, f"{told} shows it worse"
    needed = samples_needed(difference, margin)
    if needed is None or needed > difference.samples:
        enough = "no number of samples" if needed is None else f"about {needed} samples"
        told += f", too few to show a difference of the margin ({enough} would)"
    return not decides or low >= -margin, told


def _figures(difference: Difference, prefix: str) -> dict[str, float]:
    figures: dict[str, float] = {"images": difference.images, "samples": difference.samples}
    for name in ("accuracy", "macro_f1"):
        bounds = getattr(difference, f"{name}_ci95")
        figures[f"{name}_difference"] = getattr(difference, name)
        if bounds is not None:
            figures |= {f"{name}_difference_low": bounds[0], f"{name}_difference_high": bounds[1]}
    return {f"{prefix}{name}": value for name, value in figures.items()}
