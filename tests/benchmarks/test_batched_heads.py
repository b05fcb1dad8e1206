"""All ways train the same heads."""

import torch
from benchmarks.baseline_training import train_head
from benchmarks.batched_heads import ITEMS, build, examples, members, target, train_alone
from torch.utils.data import TensorDataset

from tmdscope.learn.batched import train_heads


def test_both_ways_train_the_same_heads() -> None:
    some = members()[:3]
    assert len(members()) == ITEMS
    for member, result in zip(some, train_heads(some, build, target(), examples()), strict=True):
        alone = train_alone(member).state_dict()
        for name, value in result.state.items():
            torch.testing.assert_close(value, alone[name], atol=2e-3, rtol=1e-2)


def test_the_plain_loop_learns() -> None:
    data, rows = examples(), members()[0]
    parts = [TensorDataset(data.inputs[part], data.labels[part]) for part in (rows.train, rows.val)]
    torch.manual_seed(1)
    model = train_head(*parts, 5, 32, 1e-3, 0.0)
    with torch.inference_mode():
        predicted = model(data.inputs[rows.val]).argmax(dim=1)
    assert (predicted == data.labels[rows.val]).float().mean() > 0.8
