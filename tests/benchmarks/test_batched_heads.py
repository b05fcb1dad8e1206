"""Both ways train the same heads."""

import torch
from benchmarks.batched_heads import ITEMS, build, examples, members, target, train_alone

from tmdscope.learn.batched import train_heads


def test_both_ways_train_the_same_heads() -> None:
    some = members()[:3]
    assert len(members()) == ITEMS
    for member, result in zip(some, train_heads(some, build, target(), examples()), strict=True):
        alone = train_alone(member).state_dict()
        for name, value in result.state.items():
            torch.testing.assert_close(value, alone[name], atol=2e-3, rtol=1e-2)
