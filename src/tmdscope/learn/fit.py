"""One training: a model, its examples, and the epoch that is kept."""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps
from tmdscope.learn.metrics import accuracy, macro_f1
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.learn.sampling import oversampled_positions, weighted_order
from tmdscope.stage import UserError
from tmdscope.vision.targets import Target

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class FitSettings:
    """How a model is trained: Adam on all parameters that require a gradient, constant learning rate.

    Attributes
    ----------
    epochs : int
        Passes over the training part.
    batch_size : int
        Examples in a step.
    learning_rate : float
        Of Adam, without weight decay.
    checkpoint : CheckpointRule
        Which epoch is kept.
    sampling : {"weighted", "oversampled"}
        How uneven classes are balanced, see `tmdscope.learn.sampling`.
    seed : int
        Of the order of examples and of the augmentation.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    checkpoint: CheckpointRule
    sampling: Literal["weighted", "oversampled"]
    seed: int


@dataclass(frozen=True)
class Examples:
    """All inputs and labels of a study, on the device that trains.

    Attributes
    ----------
    inputs : torch.Tensor
        N x ..., uint8 images or float features.
    labels : torch.Tensor
        N class labels, int64.
    """

    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True)
class FitResult:
    """How a training went.

    Attributes
    ----------
    kept_epoch : int
        Number of the epoch whose weights were kept, from 1.
    history : tuple of EpochScores
        Of every epoch.
    """

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
    augment: Augmentation | None = None,
) -> FitResult:
    """Train a model in place and leave it with the weights of the kept epoch, in evaluation mode.

    Parameters
    ----------
    model : torch.nn.Module
        Inputs B x ... to outputs B x K; on the examples' device.
    target : Target
        Loss and decoding.
    examples : Examples
        All inputs and labels.
    train, val : torch.Tensor
        Positions of the training and validation part, int64.
    settings : FitSettings
        How to train.
    recorder : FoldRecorder
        Hears every epoch.
    augment : callable, optional
        Changes a batch of training inputs.

    Returns
    -------
    FitResult
        The kept epoch and the scores of all.

    Raises
    ------
    UserError
        The training or validation loss is no longer finite.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)
    positions = train.cpu()
    if settings.sampling == "oversampled":
        positions = positions[oversampled_positions(examples.labels[train].cpu(), generator)]
    history: list[EpochScores] = []
    kept_epoch, kept_state = 0, {}
    for epoch in range(1, settings.epochs + 1):
        order = _epoch_order(positions, examples.labels, settings, generator)
        train_scores = _train_epoch(model, target, examples, order, settings, optimiser, generator, augment)
        if settings.checkpoint is CheckpointRule.PAPER and augment is None:
            train_scores = evaluate(model, target, examples, positions)
        scores = EpochScores(*train_scores, *evaluate(model, target, examples, val))
        _require_finite(scores, epoch, settings)
        recorder.epoch(epoch, asdict(scores))
        history.append(scores)
        if keeps(settings.checkpoint, scores, history[kept_epoch - 1] if kept_epoch else None):
            kept_epoch, kept_state = epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept_state)
    model.eval()
    return FitResult(kept_epoch, tuple(history))


@torch.inference_mode()
def predict_logits(model: nn.Module, inputs: Tensor, batch_size: int = 256) -> Tensor:
    """Run a model in evaluation mode over many inputs.

    Parameters
    ----------
    model : torch.nn.Module
        Inputs B x ... to outputs B x K.
    inputs : torch.Tensor
        N x ..., on the model's device.
    batch_size : int, optional
        Inputs in a step.

    Returns
    -------
    torch.Tensor
        Outputs N x K.
    """
    model.eval()
    return torch.cat([model(batch) for batch in inputs.split(batch_size)])


def evaluate(model: nn.Module, target: Target, examples: Examples, positions: Tensor) -> tuple[float, float]:
    """Score a model on some examples, without augmentation.

    Parameters
    ----------
    model : torch.nn.Module
        Inputs to outputs.
    target : Target
        Loss and probabilities.
    examples : Examples
        All inputs and labels.
    positions : torch.Tensor
        Which examples, int64.

    Returns
    -------
    tuple of float
        Mean loss, and macro F1 of the most probable class.
    """
    labels = examples.labels[positions]
    logits = predict_logits(model, examples.inputs[positions])
    predicted = target.probabilities(logits).argmax(dim=1)
    return float(target.loss(logits, labels)), macro_f1(labels.cpu().numpy(), predicted.cpu().numpy())


def part_scores(logits: Tensor, target: Target, labels: Tensor) -> dict[str, float]:
    """Score a model's outputs on one part of the data.

    Parameters
    ----------
    logits : torch.Tensor
        N x K.
    target : Target
        Loss and decoding.
    labels : torch.Tensor
        N class labels.

    Returns
    -------
    dict
        ``loss``, ``accuracy`` and ``macro_f1`` of the most probable class, and ``exact_accuracy`` and
        ``invalid`` (a count) of the paper's decoding.
    """
    true = labels.cpu().numpy()
    probable = target.probabilities(logits).argmax(dim=1).cpu().numpy()
    decoded = target.decode(logits).cpu().numpy()
    return {
        "loss": float(target.loss(logits, labels)),
        "accuracy": accuracy(true, probable),
        "macro_f1": macro_f1(true, probable),
        "exact_accuracy": accuracy(true, decoded),
        "invalid": float((decoded < 0).sum()),
    }


def _require_finite(scores: EpochScores, epoch: int, settings: FitSettings) -> None:
    if not (math.isfinite(scores.train_loss) and math.isfinite(scores.val_loss)):
        raise UserError(
            f"epoch {epoch} ended with training loss {scores.train_loss} and validation loss "
            f"{scores.val_loss}: lower learning_rate {settings.learning_rate}"
        )


def _epoch_order(
    positions: Tensor, labels: Tensor, settings: FitSettings, generator: torch.Generator
) -> Tensor:
    if settings.sampling == "weighted":
        return positions[weighted_order(labels[positions].cpu(), generator)]
    return positions[torch.randperm(len(positions), generator=generator)]


def _train_epoch(
    model: nn.Module,
    target: Target,
    examples: Examples,
    order: Tensor,
    settings: FitSettings,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    augment: Augmentation | None,
) -> tuple[float, float]:
    model.train()
    losses, predicted = [], []
    batches = list(order.split(settings.batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:  # batch normalisation needs two
        batches[-2:] = [torch.cat(batches[-2:])]
    for batch in batches:
        inputs, labels = examples.inputs[batch], examples.labels[batch]
        logits = model(inputs if augment is None else augment(inputs, generator))
        loss = target.loss(logits, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach() * len(batch))
        predicted.append(target.probabilities(logits.detach()).argmax(dim=1))
    mean_loss = float(torch.stack(losses).sum()) / len(order)
    labels = examples.labels[order]
    return mean_loss, macro_f1(labels.cpu().numpy(), torch.cat(predicted).cpu().numpy())
