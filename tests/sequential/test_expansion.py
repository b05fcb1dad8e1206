"""A model that grows keeps what it knows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.sequential.small import ORDER, plan_of
from tmdscope.sequential.expansion import expand
from tmdscope.sequential.run import stage_target
from tmdscope.vision.classifier import Head

LAST = ("output.weight", "output.bias")


def state(outputs: int, seed: int, prefix: str = "") -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {prefix + name: value for name, value in Head(8, outputs).state_dict().items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("prefix", ["", "head."], ids=["head", "network"])
def test_known_outputs_keep_their_rows_and_a_new_one_is_fresh(prefix: str) -> None:
    known, fresh = state(2, 1, prefix), state(3, 2, prefix)
    grown = expand(known, ("a", "b"), fresh, ("a", "b", "c"))
    for name in LAST:
        assert torch.equal(grown[prefix + name][:2], known[prefix + name])
        assert torch.equal(grown[prefix + name][2], fresh[prefix + name][2])
    for name in ("embedding.weight", "embedding.bias"):
        assert torch.equal(grown[prefix + name], known[prefix + name])


@settings(max_examples=50)
@given(st.permutations(["Mo", "W", "S", "Se", "Te"]), st.integers(1, 4), st.permutations(range(5)))
def test_rows_follow_names_and_not_positions(names: list[str], count: int, moves: list[int]) -> None:
    outputs = [names[place] for place in moves]
    known, fresh = state(count, 1), state(5, 2)
    grown = expand(known, names[:count], fresh, outputs)
    for name in LAST:
        for row, output in enumerate(outputs):
            place = names.index(output)
            wanted = known[name][place] if place < count else fresh[name][row]
            assert torch.equal(grown[name][row], wanted)


def test_a_redrawn_last_layer_is_the_fresh_one_and_no_other_is() -> None:
    known, fresh = state(2, 1), state(3, 2)
    grown = expand(known, ("a", "b"), fresh, ("a", "b", "c"), redraw=True)
    wanted = {name: (fresh if name in LAST else known)[name] for name in known}
    assert_equal(grown, wanted)


@pytest.mark.parametrize("redraw", [False, True])
def test_with_all_outputs_from_the_start_nothing_changes(redraw: bool) -> None:
    plan = plan_of(encodings=["multilabel"])
    names = {stage_target(plan, training).output_names for training in plan.trainings}
    assert names == {("Mo", "W", "S", "Se")}  # the first stage, of WSe2 and MoS2, has them all
    known = state(4, 1)
    (atoms,) = names
    assert_equal(expand(known, atoms, state(4, 2), atoms, redraw), known)


def test_multiclass_outputs_are_the_classes_so_far() -> None:
    plan = plan_of()
    names = {len(t.stage.classes): stage_target(plan, t).output_names for t in plan.trainings}
    assert names == {count: ORDER[:count] for count in (2, 3, 4)}


def test_a_start_shares_no_memory_with_what_it_was_made_of() -> None:
    known, fresh = state(2, 1), state(3, 2)
    grown = expand(known, ("a", "b"), fresh, ("a", "b", "c"))
    for value in grown.values():
        value.fill_(7.0)
    assert_equal(known, state(2, 1))
    assert_equal(fresh, state(3, 2))


def test_buffers_are_kept_like_other_layers() -> None:
    def network(outputs: int) -> nn.Module:
        return nn.ModuleDict({"norm": nn.BatchNorm1d(4), "output": nn.Linear(4, outputs)})

    known = network(2)
    known["norm"](torch.randn(9, 4))  # type: ignore[index]
    grown = expand(known.state_dict(), ("a", "b"), network(3).state_dict(), ("a", "b", "c"))
    assert grown["norm.num_batches_tracked"] == 1
    assert torch.equal(grown["norm.running_mean"], known.state_dict()["norm.running_mean"])


@pytest.mark.parametrize(
    "fresh",
    [
        {**state(3, 2), "embedding.weight": torch.zeros(100, 9)},
        {name: value for name, value in state(3, 2).items() if name != "embedding.weight"},
        {**state(3, 2), "zz.embedding.weight": torch.zeros(1)},
    ],
    ids=["another width", "no such layer", "one more layer"],
)
def test_models_that_differ_in_more_than_their_outputs_are_refused(fresh: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"embedding\.weight"):
        expand(state(2, 1), ("a", "b"), fresh, ("a", "b", "c"))
