"""Words that all sections use."""

from tmdscope.scores.intervals import Bounds

SIMULATED = "Simulated compounds: a stand-in with a known truth, not physics."


def verdict(bounds: Bounds) -> str:
    """Say in one word whether a claim, that a difference of errors is below 0, holds."""
    if bounds is None:
        return "cannot be told"
    low, high = bounds
    return "holds" if high < 0 else "fails" if low > 0 else "cannot be told"
