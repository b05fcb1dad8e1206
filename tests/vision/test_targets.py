import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tmdscope.materials import INVALID, MATERIALS
from tmdscope.vision.targets import (
    TARGETS,
    Coded,
    Coral,
    Levels,
    Multiclass,
    Multilabel,
    Ordinal,
    Target,
    make_target,
)

LOGITS = st.lists(st.floats(-8, 8), min_size=4, max_size=4)


def test_multilabel_outputs_are_the_papers_atoms() -> None:
    target = Multilabel(MATERIALS)
    assert target.atoms == ("Mo", "W", "S", "Se")
    assert target.codes.tolist() == [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1]]


def test_multilabel_decodes_exact_matches_only() -> None:
    target = Multilabel(MATERIALS)
    known = {tuple(code): label for label, code in enumerate(target.codes.int().tolist())}
    for bits in itertools.product([0, 1], repeat=4):
        logits = (torch.tensor([bits], dtype=torch.float32) - 0.5) * 6
        assert target.decode(logits).item() == known.get(bits, INVALID)


@pytest.mark.parametrize("name", list(TARGETS))
@given(st.data())
def test_probabilities_are_a_distribution(name: str, data: st.DataObject) -> None:
    target = make_target(name, MATERIALS)
    size = st.lists(st.floats(-30, 30), min_size=target.outputs, max_size=target.outputs)
    probabilities = target.probabilities(torch.tensor([data.draw(size)]))
    assert probabilities.shape == (1, 5)
    assert probabilities.min() >= 0
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)


@given(LOGITS)
def test_a_decoded_class_is_the_most_probable_one(values: list[float]) -> None:
    target = Multilabel(MATERIALS)
    logits = torch.tensor([values])
    decoded = target.decode(logits).item()
    best = target.probabilities(logits).max()
    assert decoded == INVALID or target.probabilities(logits)[0, int(decoded)] >= best - 1e-6


@pytest.mark.parametrize("target", [make_target(name, MATERIALS) for name in TARGETS], ids=list(TARGETS))
def test_a_confident_output_is_one_class_by_either_reading(target: Target) -> None:
    codes = target.codes if isinstance(target, Coded) else torch.eye(5)
    logits = (codes - 0.5) * 12
    assert target.decode(logits).tolist() == [0, 1, 2, 3, 4]
    assert target.probabilities(logits).argmax(dim=1).tolist() == [0, 1, 2, 3, 4]
    assert target.probabilities(logits).max(dim=1).values.min() > 0.97


def test_losses_are_torchs() -> None:
    logits, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    torch.testing.assert_close(
        Multiclass(MATERIALS).loss(logits, labels), functional.cross_entropy(logits, labels)
    )
    target = Multilabel(MATERIALS)
    expected = functional.binary_cross_entropy(torch.sigmoid(logits[:, :4]), target.codes[labels])
    assert target.loss(logits[:, :4], labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_classes_with_the_same_atoms_are_refused() -> None:
    with pytest.raises(ValueError, match="same atoms"):
        Multilabel(["MoS2", "MoS3"])


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(ValueError, match="known: multiclass, multilabel, ordinal"):
        make_target("regression", MATERIALS)


def test_ordinal_codes_say_at_least_this_class() -> None:
    target = Ordinal(["900", "950", "1000"])
    assert target.codes.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


@given(st.lists(st.booleans(), min_size=3, max_size=3))
def test_ordinal_decodes_the_leading_run(bits: list[bool]) -> None:
    run = [*bits, False].index(False)
    logits = torch.tensor([[3.0 if bit else -3.0 for bit in bits]])
    assert Ordinal(["a", "b", "c"]).decode(logits).item() == (run - 1 if run else INVALID)


def test_multilabel_outputs_may_be_those_of_classes_still_to_come() -> None:
    target = Multilabel(MATERIALS[:2], ("Te", "Mo", "W", "S", "Se"))
    assert (target.outputs, target.output_names) == (5, ("Te", "Mo", "W", "S", "Se"))
    assert target.classes == ("MoS2", "WS2")
    assert target.codes.tolist() == [[0, 1, 0, 1, 0], [0, 0, 1, 1, 0]]
    made = make_target("multilabel", MATERIALS[:2], ["Mo", "W", "S", "Se"])
    assert made.output_names == ("Mo", "W", "S", "Se")
    assert make_target("multiclass", MATERIALS[:2], ["Mo", "W", "S", "Se"]).output_names == MATERIALS[:2]


@given(LOGITS)
def test_with_outputs_to_spare_a_class_is_still_an_exact_match(values: list[float]) -> None:
    target = Multilabel(MATERIALS[:2], ("Mo", "W", "S", "Se"))
    logits = torch.tensor([values])
    bits = (logits > 0).int().tolist()[0]
    wanted = {(1, 0, 1, 0): 0, (0, 1, 1, 0): 1}.get(tuple(bits), INVALID)
    assert target.decode(logits).item() == wanted
    few = Multilabel(MATERIALS[:2])
    assert few.atoms == ("Mo", "W", "S")
    torch.testing.assert_close(target.probabilities(logits), few.probabilities(logits[:, :3]))


@given(LOGITS, st.floats(-8, 8))
def test_an_output_that_waits_is_asked_nothing(values: list[float], other: float) -> None:
    target = Multilabel(MATERIALS[:2], ("Mo", "W", "S", "Se"), wait=True)
    logits, labels = torch.tensor([values, values]), torch.tensor([0, 1])
    changed = logits.clone()
    changed[:, 2:] = other  # both classes hold S, none holds Se
    torch.testing.assert_close(target.losses(changed, labels), target.losses(logits, labels))
    assert torch.equal(target.decode(changed), target.decode(logits))
    torch.testing.assert_close(target.probabilities(changed), target.probabilities(logits))
    bits = (logits[0, :2] > 0).int().tolist()
    assert target.decode(logits)[0].item() == {(1, 0): 0, (0, 1): 1}.get(tuple(bits), INVALID)


@given(LOGITS)
def test_no_output_waits_where_all_differ(values: list[float]) -> None:
    waits, plain = Multilabel(MATERIALS, wait=True), Multilabel(MATERIALS)
    logits, labels = torch.tensor([values]), torch.tensor([3])
    assert torch.equal(waits.losses(logits, labels), plain.losses(logits, labels))
    assert torch.equal(waits.decode(logits), plain.decode(logits))


def test_outputs_must_hold_every_atom_of_the_classes() -> None:
    with pytest.raises(ValueError, match="atoms Mo, W, S lack Se, which a class holds"):
        Multilabel(MATERIALS, ("Mo", "W", "S"))


@pytest.mark.parametrize("name", list(TARGETS))
def test_smoothing_punishes_certainty_and_nothing_else(name: str) -> None:
    target = make_target(name, MATERIALS)
    labels = torch.arange(5)
    codes = target.codes if isinstance(target, Coded) else torch.eye(5)
    sure, unsure = (codes - 0.5) * 40, (codes - 0.5) * 4
    assert target.loss(sure, labels) < target.loss(unsure, labels)
    assert target.loss(sure, labels, 0.1) > target.loss(unsure, labels, 0.1)
    assert target.loss(unsure, labels, 0.0) == target.loss(unsure, labels)


def test_class_scores_are_linear_and_order_decoded_classes_first() -> None:
    logits = torch.tensor([[3.0, -2.0, 1.0], [0.5, 2.0, -1.0]])
    assert torch.equal(Multiclass(["MoS2", "WS2", "WSe2"]).class_scores(logits), logits)
    target = Multilabel(MATERIALS)
    clear = target.codes * 8 - 4
    scores = target.class_scores(clear)
    assert scores.argmax(dim=1).tolist() == list(range(len(MATERIALS)))
    # Every atom that a class holds speaks for it, and every other one against it.
    torch.testing.assert_close(scores.diagonal(), torch.full((len(MATERIALS),), 16.0))
    torch.testing.assert_close(target.class_scores(2 * clear), 2 * scores)


@pytest.mark.parametrize(
    ("trained", "told"),
    [
        (("MoS2", "WS2"), ("Mo", "W")),
        (("MoS2", "MoSe2"), ("S", "Se")),
        (("MoS2", "WSe2"), ("Mo", "W", "S", "Se")),
        (("MoS2",), ()),
    ],
)
def test_atoms_that_all_trained_classes_hold_or_none_are_not_learnt(
    trained: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert Multilabel(["MoS2", "WS2", "MoSe2", "WSe2"]).told_apart(trained) == told


def test_coral_asks_one_score_of_all_thresholds() -> None:
    target = Coral(["900", "950", "1000"])
    layer = target.make_output(5)
    outputs = layer(torch.randn(7, 5))
    assert outputs.shape == (7, 2)
    apart = outputs[:, 0] - outputs[:, 1]
    torch.testing.assert_close(apart, apart[:1].expand(7))
    probabilities = target.probabilities(outputs)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(7))
    assert target.decode(torch.tensor([[-1.0, -2.0], [1.0, -1.0], [2.0, 1.0]])).tolist() == [0, 1, 2]
    sure = target.losses(torch.tensor([[9.0, -9.0]]), torch.tensor([1]))
    assert float(sure) < 1e-3 < float(target.losses(torch.tensor([[9.0, -9.0]]), torch.tensor([2])))


def test_levels_are_the_numbers_of_their_names() -> None:
    target = Levels(["900 C", "950 C", "1000 C"])
    outputs = (torch.tensor([[900.0], [960.0], [1000.0]]) - target.middle) / target.spread
    torch.testing.assert_close(target.numbers(outputs), torch.tensor([900.0, 960.0, 1000.0]))
    assert target.decode(outputs).tolist() == target.predict(outputs).tolist() == [0, 1, 2]
    torch.testing.assert_close(
        target.losses(outputs, torch.tensor([0, 1, 2])).round(decimals=3)[0::2], torch.zeros(2)
    )
