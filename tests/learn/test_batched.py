from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tmdscope.errors import UserError
from tmdscope.learn.batched import HeadMember, HeadResult, train_heads
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitResult, FitSettings, fit, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.materials import MATERIALS
from tmdscope.models.mlp import Mlp
from tmdscope.scores.task import CLASSES
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import TARGETS, Multiclass, make_target

FEATURES = 6
SETTINGS = FitSettings(4, 8, 1e-2, CheckpointRule.IMPROVES_BOTH, "weighted", seed=1)


def examples(variants: int = 1) -> Examples:
    generator = torch.Generator().manual_seed(8)
    labels = torch.arange(60) % 5
    values = torch.randn(60, variants, FEATURES, generator=generator) + labels[:, None, None]
    return Examples(values[:, 0], labels, values if variants > 1 else None)


def head() -> nn.Module:
    return Head(FEATURES, 5)


def mlp() -> nn.Module:
    return Mlp(FEATURES, (7, 6), 5, 0.0)


def members(count: int, base: FitSettings, sizes: tuple[int, ...] = (41, 40, 33)) -> list[HeadMember]:
    """Networks whose training parts have different sizes: a last step of one, of eight, and none at all."""
    rows = torch.randperm(60, generator=torch.Generator().manual_seed(4))
    return [
        HeadMember(
            rows[: sizes[k % len(sizes)]],
            rows[sizes[k % len(sizes)] :],
            replace(base, seed=k, learning_rate=base.learning_rate * (1 + k % 2)),
        )
        for k in range(count)
    ]


def alone(member: HeadMember, build: object, target: object, data: Examples) -> tuple[FitResult, nn.Module]:
    torch.manual_seed(member.settings.seed)
    model = build()  # type: ignore[operator]
    result = fit(model, target, data, member.train, member.val, member.settings, Silent())  # type: ignore[arg-type]
    return result, model


def assert_like_alone(
    batch: list[HeadMember], results: list[HeadResult], build: object, target: object, data: Examples
) -> None:
    for member, result in zip(batch, results, strict=True):
        wanted, model = alone(member, build, target, data)
        assert result.fit.kept_epoch == wanted.kept_epoch
        assert len(result.fit.history) == len(wanted.history)
        for got, want in zip(result.fit.history, wanted.history, strict=True):
            assert got.train_loss == pytest.approx(want.train_loss, abs=1e-4)
            assert got.val_loss == pytest.approx(want.val_loss, abs=1e-4)
            assert got.train_score == pytest.approx(want.train_score)
            assert got.val_score == pytest.approx(want.val_score)
        model.load_state_dict(result.state)
        torch.testing.assert_close(result.logits, predict_logits(model, data.inputs), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("build", [head, mlp])
@pytest.mark.parametrize("name", list(TARGETS))
def test_every_member_is_trained_as_if_alone(build: object, name: str) -> None:
    target, data = make_target(name, MATERIALS), examples()

    def make() -> nn.Module:
        return Head(FEATURES, target.outputs) if build is head else Mlp(FEATURES, (7, 6), target.outputs, 0.0)

    batch = members(7, SETTINGS)
    assert_like_alone(batch, train_heads(batch, make, target, data), make, target, data)


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint": CheckpointRule.PAPER},
        {"sampling": "oversampled", "checkpoint": CheckpointRule.LAST},
        {"optimiser": "adamw", "weight_decay": 0.1, "schedule": "cosine", "label_smoothing": 0.1},
        {"early_stopping": 1, "learning_rate": 0.3, "epochs": 12},
        {"symmetries": 4},
        {"batch_size": 100},
    ],
    ids=["paper", "oversampled", "all options", "early stopping", "flips", "one step"],
)
def test_settings_mean_the_same_in_a_batch(changes: dict[str, object]) -> None:
    settings_ = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    data, target = examples(settings_.symmetries), Multiclass(MATERIALS)
    batch = members(5, settings_)
    assert_like_alone(batch, train_heads(batch, head, target, data), head, target, data)


def test_of_a_plateau_of_f1_the_lowest_loss_is_kept_in_a_batch_and_alone() -> None:
    data, target = examples(), Multiclass(MATERIALS)
    told = Examples(10.0 * torch.eye(len(MATERIALS), FEATURES)[data.labels], data.labels)
    batch = members(3, replace(SETTINGS, epochs=30, checkpoint=CheckpointRule.IMPROVES_BOTH))
    results = train_heads(batch, head, target, told)
    assert_like_alone(batch, results, head, target, told)
    for result in results:
        plateau = [number for number, s in enumerate(result.fit.history, 1) if s.val_score == 1.0]
        assert len(plateau) > 5
        best = min(plateau, key=lambda number: result.fit.history[number - 1].val_loss)
        assert result.fit.kept_epoch == best > plateau[0]


@settings(max_examples=12)
@given(
    st.lists(st.integers(9, 50), min_size=1, max_size=5),
    st.integers(2, 12),
    st.sampled_from([1e-3, 1e-2]),
    st.integers(0, 1000),
)
def test_no_size_of_parts_or_batches_makes_a_difference(
    sizes: list[int], batch_size: int, learning_rate: float, seed: int
) -> None:
    base = replace(SETTINGS, batch_size=batch_size, learning_rate=learning_rate, epochs=2)
    rows = torch.randperm(60, generator=torch.Generator().manual_seed(seed))
    batch = [
        HeadMember(rows[:size], rows[size:], replace(base, seed=seed + number))
        for number, size in enumerate(sizes)
    ]
    data, target = examples(), Multiclass(MATERIALS)
    assert_like_alone(batch, train_heads(batch, head, target, data), head, target, data)


@pytest.mark.parametrize("name", ["multiclass", "multilabel"])
def test_classes_that_no_member_sees_may_be_in_the_data(name: str) -> None:
    data = examples()
    target = make_target(name, MATERIALS[:3])  # labels 3 and 4 are no class of the target
    known = torch.nonzero(data.labels < 3).flatten()
    batch = [
        HeadMember(rows[:size], rows[size:], replace(SETTINGS, seed=number))
        for number, size in enumerate((17, 25, 20))  # of different lengths, so that some are filled up
        for rows in [known[torch.randperm(len(known), generator=torch.Generator().manual_seed(number))]]
    ]

    def make() -> nn.Module:
        return Head(FEATURES, target.outputs)

    results = train_heads(batch, make, target, data)
    assert_like_alone(batch, results, make, target, data)
    assert results[0].logits.shape == (60, target.outputs)


def test_a_member_begins_with_the_start_it_is_given() -> None:
    data, target = examples(), Multiclass(MATERIALS)
    still = replace(SETTINGS, epochs=1, learning_rate=1e-12, checkpoint=CheckpointRule.LAST)
    starts = []
    for number in range(3):
        torch.manual_seed(50 + number)
        starts.append(head().state_dict())
    before = [{name: value.clone() for name, value in start.items()} for start in starts]
    batch = [
        replace(member, start=start)
        for member, start in zip(members(3, replace(SETTINGS, epochs=3)), starts, strict=True)
    ]
    stills = [replace(member, settings=replace(still, seed=k)) for k, member in enumerate(batch)]
    for start, result in zip(starts, train_heads(stills, head, target, data), strict=True):
        assert all(torch.allclose(result.state[name], value, atol=1e-6) for name, value in start.items())
    trained = train_heads([*batch, replace(batch[0], start=None)], head, target, data)
    for member, start, result in zip(batch, starts, trained[:3], strict=True):
        model = head()
        model.load_state_dict(dict(start))
        wanted = fit(model, target, data, member.train, member.val, member.settings, Silent())
        assert result.fit.kept_epoch == wanted.kept_epoch
        torch.testing.assert_close(result.logits, predict_logits(model, data.inputs), atol=1e-4, rtol=1e-4)
    assert_like_alone([replace(batch[0], start=None)], trained[3:], head, target, data)
    for start, copy in zip(starts, before, strict=True):
        assert all(torch.equal(start[name], value) for name, value in copy.items())


def test_the_order_of_members_changes_nothing() -> None:
    data, target, batch = examples(), Multiclass(MATERIALS), members(6, SETTINGS)
    results = train_heads(batch, head, target, data)
    for got, want in zip(train_heads(batch[::-1], head, target, data)[::-1], results, strict=True):
        torch.testing.assert_close(got.logits, want.logits, atol=1e-6, rtol=1e-5)


def test_members_beyond_the_cache_train_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data, target, batch = examples(), Multiclass(MATERIALS), members(7, SETTINGS)
    whole = train_heads(batch, head, target, data)
    monkeypatch.setattr("tmdscope.learn.batched._CACHE_BYTES", 1)
    for got, want in zip(train_heads(batch, head, target, data), whole, strict=True):
        torch.testing.assert_close(got.logits, want.logits, atol=1e-6, rtol=1e-5)


def test_dropout_drops_and_repeats() -> None:
    data, target = examples(), Multiclass(MATERIALS)
    batch = members(2, replace(SETTINGS, checkpoint=CheckpointRule.LAST))
    plain = train_heads(batch, head, target, data)
    dropped = train_heads([replace(batch[0], dropout=0.5), batch[1]], head, target, data)
    again = train_heads([replace(batch[0], dropout=0.5), batch[1]], head, target, data)
    assert not torch.allclose(dropped[0].logits, plain[0].logits, atol=1e-3)
    torch.testing.assert_close(dropped[1].logits, plain[1].logits)
    assert torch.equal(dropped[0].logits, again[0].logits)


def test_members_that_differ_in_more_than_they_may_are_refused() -> None:
    one, two = members(2, SETTINGS)
    with pytest.raises(ValueError, match="may differ in learning rate"):
        train_heads(
            [one, replace(two, settings=replace(two.settings, epochs=9))],
            head,
            Multiclass(MATERIALS),
            examples(),
        )


def test_a_member_that_diverges_is_named() -> None:
    batch = members(2, replace(SETTINGS, learning_rate=1e38))
    with pytest.raises(UserError, match=r"lower learning_rate [12]e"):
        train_heads(batch, head, Multiclass(MATERIALS), examples())


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**31))
def test_the_score_of_many_is_that_of_each(models: int, images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 4, (2, models, images))
    counted = rng.random((models, images)) < 0.7
    counted[:, 0] = True
    wanted = [CLASSES.score(labels[k][counted[k]], predicted[k][counted[k]]) for k in range(models)]
    np.testing.assert_allclose(CLASSES.score_each(labels, predicted, counted), wanted)
