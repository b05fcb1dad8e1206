"""One training: a model, its examples, and the epoch that is kept."""

import copy
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.learn.resume import Checkpoints
from tmdscope.learn.sampling import Sampling, cut_batches, draw_epoch, starting_positions
from tmdscope.scores.task import read_task
from tmdscope.vision.augment import apply_symmetry
from tmdscope.vision.precision import Precision, autocast
from tmdscope.vision.targets import Target


class DivergedError(UserError):
    """A loss is no longer finite; the message names the epoch and the learning rate."""


@dataclass(frozen=True)
class FitSettings:
    """How a model is trained: all parameters that require a gradient, as the paper does where not said.

    Adam adds `weight_decay` (>= 0) to the gradient, AdamW takes it off the weights. By `schedule` the
    learning rate stays, or falls along half a cosine, epoch by epoch, towards 0. `label_smoothing`, in [0,
    1), is of the training loss alone. Training ends after `early_stopping` epochs without one that is kept; 0
    is never. `symmetries` are versions of an example to draw from, see `tmdscope.vision.augment`: 1 (none), 4
    or 8.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    checkpoint: CheckpointRule
    sampling: Sampling
    seed: int
    optimiser: Literal["adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    label_smoothing: float = 0.0
    early_stopping: int = 0
    symmetries: int = 1
    precision: Precision = Precision.FP32


@dataclass(frozen=True)
class Examples:
    """Inputs (N x ..., uint8 images or float features) and int64 labels, on the device that trains.

    `variants`, N x V x ..., are stored features of every image under the first V symmetries; without them a
    symmetry is applied to the images themselves.
    """

    inputs: Tensor
    labels: Tensor
    variants: Tensor | None = None

    def take(self, rows: Tensor) -> "Examples":
        """Copy some rows."""
        variants = None if self.variants is None else self.variants[rows]
        return Examples(self.inputs[rows], self.labels[rows], variants)

    def batch(self, positions: Tensor, codes: Tensor | None) -> Tensor:
        """Give the inputs at some positions under their symmetries; None leaves them alone."""
        if codes is None:
            return self.inputs[positions]
        if self.variants is not None:
            return self.variants[positions, codes]
        return apply_symmetry(self.inputs[positions], codes)


@dataclass(frozen=True)
class FitResult:
    """How a training went: the epoch whose weights were kept, from 1, and the scores of every epoch."""

    kept_epoch: int
    history: tuple[EpochScores, ...]


def fit(
    model: nn.Module,
    target: Target,
    examples: Examples,
    train: Tensor,
    val: Tensor,
    settings: FitSettings,
    recorder: FoldRecorder,
    checkpoints: Checkpoints | None = None,
) -> FitResult:
    """Train a model in place and leave it with the weights of the kept epoch, in evaluation mode.

    Positions `train` and `val` are int64. The recorder hears every epoch that is trained, not those before a
    checkpoint that training goes on from; the result is that of an unbroken training, bit for bit at the same
    number of threads. `DivergedError` where the training or validation loss is no longer finite.
    """
    training = _Training(model, target, examples, settings)
    positions = starting_positions(train, examples.labels, settings.sampling, training.generator)
    val = val.to(examples.inputs.device)
    stored = checkpoints.load() if checkpoints is not None else None
    if stored is not None:
        training.restore(stored)
        recorder.resumed(training.epoch)
    while not training.finished:
        train_scores = training.run_epoch(positions)
        if settings.checkpoint is CheckpointRule.PAPER and settings.symmetries == 1:
            train_scores = evaluate(model, target, examples, positions, settings.precision)
        scores = EpochScores(*train_scores, *evaluate(model, target, examples, val, settings.precision))
        training.close_epoch(scores)
        kept = training.kept_epoch == training.epoch
        recorder.epoch(training.epoch, scores.named(training.task.primary), kept)
        if checkpoints is not None:
            checkpoints.save(training.epoch, training.state, final=training.finished)
    model.load_state_dict(training.kept_state)
    model.zero_grad(set_to_none=True)  # a model that is kept need not keep its gradients
    model.eval()
    return FitResult(training.kept_epoch, tuple(training.history))


def learning_rate_at(settings: FitSettings, done: int) -> float:
    """Give the learning rate of the epoch that so many epochs come before."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * (1 + math.cos(math.pi * done / settings.epochs)) / 2


@torch.inference_mode()
def predict_logits(
    model: nn.Module, inputs: Tensor, batch_size: int = 256, rows: Tensor | None = None
) -> Tensor:
    """Run a model in evaluation mode over inputs N x ... on its device, or some rows: N x K, float32."""
    model.eval()
    batches = inputs.split(batch_size) if rows is None else (inputs[part] for part in rows.split(batch_size))
    return torch.cat([model(batch).float() for batch in batches])


def evaluate(
    model: nn.Module,
    target: Target,
    examples: Examples,
    positions: Tensor,
    precision: Precision = Precision.FP32,
) -> tuple[float, float]:
    """Give mean loss and primary score, without augmentation; positions are int64."""
    labels = examples.labels[positions]
    with autocast(precision, examples.inputs.device):
        logits = predict_logits(model, examples.inputs, rows=positions)
    score = read_task(target.task).score(labels.cpu().numpy(), target.predict(logits).cpu().numpy())
    return float(target.loss(logits, labels)), score


def part_scores(logits: Tensor, target: Target, labels: Tensor) -> dict[str, float]:
    """Score a model's outputs, N x K, on one part of the data: ``loss``, the task's metrics and details."""
    true, said, decoded = (
        values.cpu().numpy() for values in (labels, target.predict(logits), target.decode(logits))
    )
    task = read_task(target.task)
    return {
        "loss": float(target.loss(logits, labels)),
        **task.scores(true, said),
        **task.details(true, said, decoded, target.classes),
    }


@dataclass
class _Training:
    """Everything about a training that changes from epoch to epoch."""

    model: nn.Module
    target: Target
    examples: Examples
    settings: FitSettings
    history: list[EpochScores] = field(default_factory=list)
    kept_epoch: int = 0
    kept_state: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.task = read_task(self.target.task)
        self.generator = torch.Generator().manual_seed(self.settings.seed)
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        make = torch.optim.AdamW if self.settings.optimiser == "adamw" else torch.optim.Adam
        self.optimiser = make(
            parameters,
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )

    @property
    def device(self) -> torch.device:
        return self.examples.inputs.device

    @property
    def epoch(self) -> int:
        """Number of the last epoch that has ended."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        patience = self.settings.early_stopping
        stopped = patience > 0 and self.epoch - self.kept_epoch >= patience
        return self.epoch >= self.settings.epochs or stopped

    def run_epoch(self, positions: Tensor) -> tuple[float, float]:
        """Train on every drawn example once; orders and symmetries go to the device in one piece."""
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(self.settings, self.epoch)
        settings, labels = self.settings, self.examples.labels
        order, codes = draw_epoch(positions, labels, settings.sampling, settings.symmetries, self.generator)
        losses, predicted = [], []
        for start, end in cut_batches(len(order), settings.batch_size):
            batch, symmetry = order[start:end], None if codes is None else codes[start:end]
            labels = self.examples.labels[batch]
            with autocast(self.settings.precision, self.device):
                logits = self.model(self.examples.batch(batch, symmetry)).float()
            loss = self.target.loss(logits, labels, self.settings.label_smoothing)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach() * len(batch))
            predicted.append(self.target.predict(logits.detach()))
        mean_loss = float(torch.stack(losses).sum()) / len(order)
        labels = self.examples.labels[order]
        score = self.task.score(labels.cpu().numpy(), torch.cat(predicted).cpu().numpy())
        return mean_loss, score

    def close_epoch(self, scores: EpochScores) -> None:
        """Note the epoch's scores and keep its weights where the rule says so."""
        if not scores.is_finite:
            raise DivergedError(
                f"epoch {self.epoch + 1} ended with training loss {scores.train_loss} and validation loss "
                f"{scores.val_loss}: lower learning_rate {self.settings.learning_rate}"
            )
        kept = self.history[self.kept_epoch - 1] if self.kept_epoch else None
        self.history.append(scores)
        if keeps(self.settings.checkpoint, self.task.primary, scores, kept):
            self.kept_epoch, self.kept_state = self.epoch, copy.deepcopy(self.model.state_dict())

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on; of an ended one, what is left of it."""
        ended = {
            "history": [asdict(scores) for scores in self.history],
            "kept_epoch": self.kept_epoch,
            "kept_state": self.kept_state,
        }
        if self.finished:
            return ended
        return {
            **ended,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` gave."""
        self.history = [EpochScores(**scores) for scores in state["history"]]
        self.kept_epoch, self.kept_state = state["kept_epoch"], state["kept_state"]
        if self.finished:
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"], self.device)
