import torch
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.learn.sampling import oversampled_positions, weighted_order

LABELS = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(torch.tensor)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_weighted_order_makes_classes_equally_likely() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    drawn = torch.cat([labels[weighted_order(labels, generator().manual_seed(k))] for k in range(10)])
    assert len(drawn) == 10_000
    shares = torch.bincount(drawn) / len(drawn)
    assert (shares - 1 / 3).abs().max() < 0.02


@given(st.lists(st.integers(1, 400), min_size=2, max_size=5), st.integers(0, 2**31))
def test_no_class_is_drawn_more_often_than_another(sizes: list[int], seed: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels.repeat(4000 // len(labels) + 1)
    drawn = labels[weighted_order(labels, torch.Generator().manual_seed(seed))]
    shares = torch.bincount(drawn, minlength=len(sizes)) / len(drawn)
    assert (shares - 1 / len(sizes)).abs().max() < 6 * (0.25 / len(drawn)) ** 0.5  # six standard deviations


@given(LABELS)
def test_weighted_order_names_examples(labels: torch.Tensor) -> None:
    order = weighted_order(labels, generator())
    assert len(order) == len(labels)
    assert 0 <= int(order.min()) <= int(order.max()) < len(labels)


@given(LABELS)
def test_oversampling_keeps_every_example_and_evens_the_classes(labels: torch.Tensor) -> None:
    positions = oversampled_positions(labels, generator())
    assert set(positions.tolist()) == set(range(len(labels)))
    counts = torch.bincount(labels[positions])
    assert set(counts[counts > 0].tolist()) == {int(torch.bincount(labels).max())}
