"""Both ways of levelling give the same heights."""

import numpy as np
from benchmarks.level_512 import SIZE_PX, plain_level, scans

from tmdscope.scan.level import PAPER, flatten


def test_both_ways_give_the_same_heights() -> None:
    ours, plain = flatten(scans()[0], PAPER), plain_level(scans()[0])
    assert ours.shape == (SIZE_PX, SIZE_PX)
    apart = np.abs(ours - plain)
    assert np.median(apart) < 1e-5
    assert (apart > 1e-3).mean() < 1e-4  # a pixel at the edge of being a scar may fall on either side
