"""One training: a model, its examples, and the epoch that is kept."""

import copy
import math
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.learn.resume import Checkpoints
from tmdscope.learn.sampling import Sampling, cut_batches, draw_epoch, starting_positions
from tmdscope.learn.together import Turns, alone
from tmdscope.scores.task import read_task
from tmdscope.vision.augment import apply_symmetry
from tmdscope.vision.convolutions import fast_convolutions
from tmdscope.vision.precision import Precision, autocast, repeatable
from tmdscope.vision.recorded import Recorded, pays, send
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
    or 8. `compiled` networks pass through `torch.compile` first, which takes its time: they train to the same
    to rounding, but for dropout, which draws other numbers.
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
    compiled: bool = False


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
    return alone(fit_in_turns(model, target, examples, train, val, settings, recorder, checkpoints))


def fit_in_turns(
    model: nn.Module,
    target: Target,
    examples: Examples,
    train: Tensor,
    val: Tensor,
    settings: FitSettings,
    recorder: FoldRecorder,
    checkpoints: Checkpoints | None = None,
) -> Turns[FitResult]:
    """Train as `fit` does, yielding in every epoch once its work is launched, before it is waited for."""
    training = _Training(model, target, examples, train, val, settings)
    stored = checkpoints.load() if checkpoints is not None else None
    if stored is not None:
        training.restore(stored)
        recorder.resumed(training.epoch)
    while not training.finished:
        with repeatable(training.device):
            rows, outcome = training.begin_epoch()
        yield
        scores = training.close_epoch(rows, outcome)
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
    said = _look(model, target, examples, positions, precision).cpu()
    return float(said[0]), _score(target, examples.labels[positions].cpu(), said[1:])


def _look(
    model: nn.Module, target: Target, examples: Examples, positions: Tensor, precision: Precision
) -> Tensor:
    """Give the mean loss, then what is predicted of each example, in one vector: one read takes it all."""
    with autocast(precision, examples.inputs.device):
        logits = predict_logits(model, examples.inputs, rows=positions)
    loss = target.loss(logits, examples.labels[positions])
    return torch.cat([loss[None], target.predict(logits)])


def _score(target: Target, labels: Tensor, predicted: Tensor) -> float:
    return read_task(target.task).score(labels.numpy(), predicted.to(labels.dtype).numpy())


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
    train: Tensor
    val: Tensor
    settings: FitSettings
    history: list[EpochScores] = field(default_factory=list)
    kept_epoch: int = 0
    kept_state: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = self.settings
        self.task = read_task(self.target.task)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.labels, self.val = self.examples.labels.cpu(), self.val.cpu()
        self.positions = starting_positions(self.train, self.labels, settings.sampling, self.generator)
        self.target, self.val_rows = self.target.to(self.device), send(self.val, self.device)
        self.scores_train = settings.checkpoint is CheckpointRule.PAPER and settings.symmetries == 1
        self.train_rows = send(self.positions, self.device) if self.scores_train else None
        self.forward = torch.compile(self.model, dynamic=False) if settings.compiled else self.model
        self.recorded, self.rate = None, None
        if pays(self.device, settings.epochs * len(self.positions) // settings.batch_size):
            self.recorded = Recorded(settings.batch_size)
            self.rate = torch.tensor(settings.learning_rate, device=self.device)  # numbers are recorded too
        self.optimiser = self._make_optimiser()

    def _make_optimiser(self) -> torch.optim.Optimizer:
        settings = self.settings
        make = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
        return make(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=settings.learning_rate if self.rate is None else self.rate,
            weight_decay=settings.weight_decay,
            fused=True,
            capturable=self.recorded is not None,
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

    def begin_epoch(self) -> tuple[Tensor, Tensor]:
        """Launch training on every drawn example once and scoring; gives what `close_epoch` takes."""
        rows, trained = self._train_epoch()
        if self.train_rows is not None:
            rows, trained = self.positions, self._look(self.train_rows)
        return rows, torch.cat([trained, self._look(self.val_rows)])

    def _look(self, rows: Tensor) -> Tensor:
        return _look(self.model, self.target, self.examples, rows, self.settings.precision)

    def _train_epoch(self) -> tuple[Tensor, Tensor]:
        """Give the rows that were drawn, and the sum of losses with what was predicted of each of them."""
        settings = self.settings
        self.model.train()
        self._set_rate(learning_rate_at(settings, self.epoch))
        order, codes = draw_epoch(
            self.positions, self.labels, settings.sampling, settings.symmetries, self.generator
        )
        drawn = send(torch.stack([order] if codes is None else [order, codes]), self.device)
        losses, predicted = [], []
        for start, end in cut_batches(len(order), settings.batch_size):
            batch = tuple(drawn[:, start:end])
            run = self._step if self.recorded is None else partial(self.recorded.run, self._step)
            loss, said = run(*batch)
            losses.append(loss)
            predicted.append(said)
        return order, torch.cat([torch.stack(losses).sum()[None], *predicted])

    def _set_rate(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate if self.rate is None else self.rate.fill_(rate)

    def _step(self, batch: Tensor, codes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Train on a batch; gives its summed loss and what was predicted before the step."""
        forward = self.forward if len(batch) == self.settings.batch_size else self.model
        fast = nullcontext() if self.settings.compiled else fast_convolutions(self.device)
        with autocast(self.settings.precision, self.device), fast:
            logits = forward(self.examples.batch(batch, codes)).float()
        loss = self.target.loss(logits, self.examples.labels[batch], self.settings.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach() * len(batch), self.target.predict(logits.detach())

    def close_epoch(self, rows: Tensor, outcome: Tensor) -> EpochScores:
        """Wait for the device, note the epoch's scores and keep its weights where the rule says so."""
        scores = self._read(rows, outcome.cpu())
        if not scores.is_finite:
            raise DivergedError(
                f"epoch {self.epoch + 1} ended with training loss {scores.train_loss} and validation loss "
                f"{scores.val_loss}: lower learning_rate {self.settings.learning_rate}"
            )
        kept = self.history[self.kept_epoch - 1] if self.kept_epoch else None
        self.history.append(scores)
        if keeps(self.settings.checkpoint, self.task.primary, scores, kept):
            self.kept_epoch, self.kept_state = self.epoch, copy.deepcopy(self.model.state_dict())
        return scores

    def _read(self, rows: Tensor, said: Tensor) -> EpochScores:
        train, val = said[: 1 + len(rows)], said[1 + len(rows) :]
        count = len(rows) if self.train_rows is None else 1  # of training, the losses are added up
        return EpochScores(
            float(train[0]) / count,
            _score(self.target, self.labels[rows], train[1:]),
            float(val[0]),
            _score(self.target, self.labels[self.val], val[1:]),
        )

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
