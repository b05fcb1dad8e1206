from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitResult, FitSettings, evaluate, fit, part_scores
from tmdscope.learn.recorder import Silent
from tmdscope.vision.targets import Multiclass

SETTINGS = FitSettings(6, 8, 0.05, CheckpointRule.LAST, "weighted", seed=1)
TARGET = Multiclass(("a", "b"))


class Heard(Silent):
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.epochs.append((number, dict(scores)))


def blobs(count: int = 41) -> Examples:
    labels = torch.arange(count) % 2
    noise = torch.randn(count, 3, generator=torch.Generator().manual_seed(2))
    return Examples(noise + 2.0 * labels[:, None], labels)


def train(settings: FitSettings, recorder: Silent | None = None) -> tuple[nn.Module, FitResult]:
    torch.manual_seed(0)
    model, examples = nn.Linear(3, 2), blobs()
    rows = torch.arange(len(examples.labels))
    result = fit(model, TARGET, examples, rows[:33], rows[33:], settings, recorder or Silent())
    return model, result


def test_training_learns_and_tells_every_epoch() -> None:
    heard = Heard()
    model, result = train(SETTINGS, heard)
    assert [number for number, _ in heard.epochs] == [1, 2, 3, 4, 5, 6]
    assert result.kept_epoch == 6
    assert result.history[-1].val_loss < result.history[0].val_loss
    assert evaluate(model, TARGET, blobs(), torch.arange(41))[1] > 0.9
    assert not model.training


@pytest.mark.parametrize("sampling", ["weighted", "oversampled"])
def test_the_same_seed_trains_the_same_model(sampling: str) -> None:
    settings = replace(SETTINGS, sampling=sampling)
    first, _ = train(settings)
    second, _ = train(settings)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    other, _ = train(replace(settings, seed=2))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_the_kept_epochs_weights_come_back() -> None:
    model, result = train(
        replace(SETTINGS, epochs=12, learning_rate=3.0, checkpoint=CheckpointRule.IMPROVES_BOTH)
    )
    assert result.kept_epoch < len(result.history)
    kept, last = result.history[result.kept_epoch - 1], result.history[-1]
    loss, score = evaluate(model, TARGET, blobs(), torch.arange(33, 41))
    assert (loss, score) == (pytest.approx(kept.val_loss), pytest.approx(kept.val_score))
    assert loss != pytest.approx(last.val_loss)


def test_the_model_of_the_last_epoch_is_left_by_rule_last() -> None:
    model, result = train(replace(SETTINGS, epochs=12, learning_rate=3.0))
    loss, _ = evaluate(model, TARGET, blobs(), torch.arange(33, 41))
    assert (result.kept_epoch, loss) == (12, pytest.approx(result.history[-1].val_loss))


def test_a_single_leftover_example_joins_the_last_batch() -> None:
    sizes = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            if self.training:
                sizes.append(len(inputs))
            logits: Tensor = self.layer(inputs)
            return logits

    rows = torch.arange(41)
    fit(Spy(), TARGET, blobs(), rows[:33], rows[33:], replace(SETTINGS, epochs=1), Silent())
    assert sizes == [8, 8, 8, 9]


def test_a_loss_that_is_not_finite_stops_with_a_remedy() -> None:
    examples = blobs()
    broken = Examples(
        examples.inputs.clone().index_fill_(0, torch.tensor([0]), float("nan")), examples.labels
    )
    rows = torch.arange(41)
    with pytest.raises(UserError, match="lower learning_rate"):
        fit(nn.Linear(3, 2), TARGET, broken, rows[:1].repeat(8), rows[33:], SETTINGS, Silent())


def test_a_last_step_that_ruins_the_weights_stops_too() -> None:
    rows = torch.arange(41)
    settings = replace(SETTINGS, epochs=1, learning_rate=1e38)
    with pytest.raises(UserError, match="validation loss nan: lower learning_rate"):
        fit(nn.Linear(3, 2), TARGET, blobs(), rows[:8], rows[33:], settings, Silent())


def test_part_scores_count_what_is_wrong() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
    scores = part_scores(logits, TARGET, torch.tensor([0, 1, 1, 1]))
    assert scores["accuracy"] == scores["exact_accuracy"] == 0.75
    assert scores["invalid"] == 0


def test_scores_name_the_recall_of_each_class() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
    scores = part_scores(logits, TARGET, torch.tensor([0, 1, 1, 1]))
    assert (scores["recall.a"], scores["recall.b"]) == (1, pytest.approx(2 / 3))
    assert scores["weighted_f1"] == pytest.approx((1 * 2 / 3 + 3 * 0.8) / 4)
    only = part_scores(logits[1:], TARGET, torch.tensor([1, 1, 1]))
    assert "recall.a" not in only


def test_training_stops_early_when_nothing_improves() -> None:
    settings = replace(
        SETTINGS, epochs=40, learning_rate=3.0, checkpoint=CheckpointRule.IMPROVES_BOTH, early_stopping=3
    )
    _, result = train(settings)
    assert len(result.history) == result.kept_epoch + 3 < 40


def test_the_cosine_schedule_starts_alike_and_ends_gently() -> None:
    settings = replace(SETTINGS, epochs=1)
    constant, _ = train(settings)
    cosine, _ = train(replace(settings, schedule="cosine"))
    assert torch.equal(constant.weight, cosine.weight)  # type: ignore[arg-type]
    constant, _ = train(SETTINGS)
    cosine, _ = train(replace(SETTINGS, schedule="cosine"))
    assert not torch.equal(constant.weight, cosine.weight)  # type: ignore[arg-type]


def test_decay_shrinks_the_weights() -> None:
    plain, _ = train(replace(SETTINGS, optimiser="adamw"))
    decayed, _ = train(replace(SETTINGS, optimiser="adamw", weight_decay=1.0))
    assert decayed.weight.norm() < plain.weight.norm()  # type: ignore[operator]


def test_smoothing_is_of_training_only() -> None:
    settings = replace(SETTINGS, epochs=1, learning_rate=1e-12)
    (plain,), (smooth,) = (train(s)[1].history for s in (settings, replace(settings, label_smoothing=0.3)))
    assert smooth.train_loss != pytest.approx(plain.train_loss)
    assert smooth.val_loss == pytest.approx(plain.val_loss)
