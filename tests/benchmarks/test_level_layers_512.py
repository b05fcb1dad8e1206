"""Both ways of levelling give the same heights."""

import numpy as np
from benchmarks.level_512 import scans
from benchmarks.level_layers_512 import plain_layers

from tmdscope.scan.level import LAYERED, flatten


def test_both_ways_give_the_same_heights() -> None:
    small = scans()[0][:96, :96]
    ours, plain = flatten(small, LAYERED), plain_layers(small)
    apart = (ours - ours.mean()) - (plain - plain.mean())
    assert np.median(np.abs(apart)) < 0.05 * ours.std()
