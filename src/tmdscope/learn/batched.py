"""Many small networks on stored features, trained at the same time as one batch of matrix products.

Every member gives what `tmdscope.learn.fit.fit` gives for it alone: the same initial weights, order of
examples, batches, optimiser and rule for the epoch that is kept. A step of one small network is mostly
waiting for the next call; a step of many at once is arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor, nn

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps
from tmdscope.learn.fit import Examples, FitResult, FitSettings, learning_rate_at
from tmdscope.learn.metrics import macro_f1_of_each
from tmdscope.learn.sampling import cut_batches, draw_epoch, starting_positions
from tmdscope.stage import UserError
from tmdscope.vision.targets import Target

_CACHE_BYTES = 14 << 20
_ADAM_COPIES = 4  # weights, gradients and two moments
_MASK_SEED = 0x5EED


@dataclass(frozen=True)
class HeadMember:
    """One network of a batch: its examples and what differs between members.

    Attributes
    ----------
    train, val : torch.Tensor
        Positions of its training and validation part, int64.
    settings : FitSettings
        How it is trained; learning rate, weight decay, patience and seed are its own, everything else is
        the same for all members.
    dropout : float
        Before its last layer, in [0, 1).
    """

    train: Tensor
    val: Tensor
    settings: FitSettings
    dropout: float = 0.0


@dataclass(frozen=True)
class HeadResult:
    """What one member gave.

    Attributes
    ----------
    fit : FitResult
        The kept epoch and the scores of all.
    state : dict
        State dict of the kept epoch, for the module that `build` makes.
    logits : torch.Tensor
        Outputs of the kept epoch for all examples, N x K.
    """

    fit: FitResult
    state: dict[str, Tensor]
    logits: Tensor


def train_heads(
    members: Sequence[HeadMember],
    build: Callable[[], nn.Module],
    target: Target,
    examples: Examples,
) -> list[HeadResult]:
    """Train many networks of one shape on stored features.

    Parameters
    ----------
    members : sequence of HeadMember
        The networks.
    build : callable
        Makes a network: linear layers with ReLU between them and dropout before the last. It is called
        for every member after ``torch.manual_seed`` with the member's seed.
    target : Target
        Loss and decoding.
    examples : Examples
        Features N x F, with variants where members draw symmetries.

    Returns
    -------
    list of HeadResult
        In the order of the members. Each is what training it alone gives, up to rounding; with dropout the
        masks come from another stream of random numbers.

    Raises
    ------
    ValueError
        Members differ in what all must share.
    UserError
        A member's loss is no longer finite.
    """
    shared = {_shared(member.settings) for member in members}
    if len(shared) > 1:
        raise ValueError("members may differ in learning rate, weight decay, patience and seed only")
    order = sorted(range(len(members)), key=lambda index: _group(members[index], examples))
    states = [_initial_state(build, members[index]) for index in order]
    size = _chunk_size(states[0]) if states else 1
    results: dict[int, HeadResult] = {}
    for start in range(0, len(order), size):
        chunk = order[start : start + size]
        trained = _Chunk(
            [members[index] for index in chunk], states[start : start + size], target, examples
        ).train()
        results.update(zip(chunk, trained, strict=True))
    return [results[index] for index in range(len(members))]


class _Chunk:
    """Members that train together: as many as the processor's cache holds."""

    def __init__(
        self,
        members: Sequence[HeadMember],
        states: Sequence[dict[str, Tensor]],
        target: Target,
        examples: Examples,
    ) -> None:
        self.members, self.target, self.examples = members, target, examples
        self.settings = members[0].settings
        self.device = examples.inputs.device
        self.names = list(states[0])
        stacked = {
            name: torch.stack([state[name] for state in states]).to(self.device) for name in self.names
        }
        self.weights = [stacked[name] for name in self.names if stacked[name].dim() == 3]
        self.biases = [stacked[name] for name in self.names if stacked[name].dim() == 2]
        self.grads = [torch.zeros_like(value) for value in (*self.weights, *self.biases)]
        self.kept = [value.clone() for value in (*self.weights, *self.biases)]
        self.table = examples.inputs if examples.variants is None else examples.variants.flatten(0, 1)
        self.versions = 1 if examples.variants is None else examples.variants.shape[1]
        self.generators = [torch.Generator().manual_seed(member.settings.seed) for member in members]
        self.masks = [torch.Generator().manual_seed(member.settings.seed ^ _MASK_SEED) for member in members]
        self.positions = [
            starting_positions(member.train, examples.labels, self.settings.sampling, generator)
            for member, generator in zip(members, self.generators, strict=True)
        ]
        self.train_rows = _pad([positions.to(self.device) for positions in self.positions])
        self.val_rows = _pad([member.val.to(self.device) for member in members])
        self.groups = self._make_groups()
        self.optimiser = self._make_optimiser()

    def train(self) -> list[HeadResult]:
        histories: list[list[EpochScores]] = [[] for _ in self.members]
        kept = [0] * len(self.members)
        for epoch in range(self.settings.epochs):
            for group, (first, _) in zip(self.optimiser.param_groups, self.groups, strict=True):
                group["lr"] = learning_rate_at(self.members[first].settings, epoch)
            train_scores = self._run_epoch()
            val_scores = self._evaluate(*self.val_rows)
            scores = [EpochScores(*values) for values in zip(*train_scores, *val_scores, strict=True)]
            self._close_epoch(scores, histories, kept)
        return self._results(histories, kept)

    def _make_groups(self) -> list[tuple[int, int]]:
        """Neighbours that share every step of the optimiser: first and last + 1."""
        keys = [_group(member, self.examples) for member in self.members]
        bounds = [len(list(same)) for _, same in groupby(keys)]
        ends = [sum(bounds[: number + 1]) for number in range(len(bounds))]
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def _make_optimiser(self) -> torch.optim.Optimizer:
        groups = []
        for first, last in self.groups:
            parameters = [nn.Parameter(value[first:last]) for value in (*self.weights, *self.biases)]
            settings = self.members[first].settings
            groups.append(
                {"params": parameters, "lr": settings.learning_rate, "weight_decay": settings.weight_decay}
            )
        make = torch.optim.AdamW if self.settings.optimiser == "adamw" else torch.optim.Adam
        return make(groups, fused=True)

    def _run_epoch(self) -> tuple[list[float], list[float]]:
        settings = self.settings
        drawn = [
            draw_epoch(positions, self.examples.labels, settings.sampling, settings.symmetries, generator)
            for positions, generator in zip(self.positions, self.generators, strict=True)
        ]
        orders, counts = _pad([order for order, _ in drawn])
        codes = None if settings.symmetries == 1 else _pad([code for _, code in drawn if code is not None])[0]
        keep = self._draw_masks(orders.shape[1])
        bounds = [cut_batches(len(order), settings.batch_size) for order, _ in drawn]
        losses, predicted = torch.zeros(len(drawn), device=self.device), torch.zeros_like(orders)
        for step in range(max(map(len, bounds))):
            sizes = [steps[step][1] - steps[step][0] if step < len(steps) else 0 for steps in bounds]
            start = step * settings.batch_size
            here = slice(start, start + max(sizes))
            code, mask = (None if values is None else values[:, here] for values in (codes, keep))
            probable, loss = self._step(orders[:, here], code, sizes, mask)
            if min(sizes) < max(sizes):  # a longer last step of one is the next step of another
                mine = self._counted(probable, torch.tensor(sizes, device=self.device))
                probable = torch.where(mine, probable, predicted[:, here])
            predicted[:, here] = probable
            losses += loss
        if settings.checkpoint is CheckpointRule.PAPER and settings.symmetries == 1:
            return self._evaluate(*self.train_rows)
        return (losses / counts).tolist(), self._macro_f1(orders, predicted, counts)

    def _step(
        self, rows: Tensor, codes: Tensor | None, sizes: list[int], mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Train one step; gives predictions M x B and each member's summed loss."""
        activations, logits = self._forward(self._inputs(rows, codes), mask)
        logits.requires_grad_()
        losses, probable = self._losses(rows, logits, self.settings.label_smoothing)
        if min(sizes) < rows.shape[1]:
            losses = torch.where(self._counted(rows, torch.tensor(sizes, device=self.device)), losses, 0.0)
        shares = [1 / size if size else 0.0 for size in sizes]
        weight = torch.tensor(shares, device=self.device)[:, None].expand_as(losses)
        (grad,) = torch.autograd.grad(losses, logits, weight)
        self._backward(activations, grad, mask)
        self._update(sizes)
        return probable, losses.detach().sum(dim=1)

    def _losses(self, rows: Tensor, logits: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
        """Loss and most probable class of every entry, M x B."""
        flat, labels = logits.flatten(0, 1), self.examples.labels[rows]
        losses = self.target.losses(flat, labels.flatten(), smoothing).view_as(labels)
        return losses, self.target.probabilities(flat.detach()).argmax(dim=1).view_as(labels)

    def _counted(self, rows: Tensor, counts: Tensor) -> Tensor:
        return torch.arange(rows.shape[1], device=self.device) < counts[:, None]

    def _forward(self, inputs: Tensor, mask: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        activations = [inputs]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            activations.append(torch.baddbmm(bias[:, None], activations[-1], weight.transpose(1, 2)).relu_())
        last = activations[-1] if mask is None else activations[-1] * mask
        logits = torch.baddbmm(self.biases[-1][:, None], last, self.weights[-1].transpose(1, 2))
        return activations, logits

    def _backward(self, activations: list[Tensor], grad: Tensor, mask: Tensor | None) -> None:
        layers = len(self.weights)
        for layer in reversed(range(layers)):
            inputs = activations[layer]
            if layer == layers - 1 and mask is not None:
                inputs = inputs * mask
            torch.bmm(grad.transpose(1, 2), inputs, out=self.grads[layer])
            torch.sum(grad, dim=1, out=self.grads[layers + layer])
            if layer:
                grad = torch.bmm(grad, self.weights[layer])
                if layer == layers - 1 and mask is not None:
                    grad = grad * mask
                grad = torch.where(activations[layer] > 0, grad, 0.0)

    def _update(self, sizes: list[int]) -> None:
        """One step of Adam; a group whose epoch is over keeps its weights and its count of steps."""
        for group, (first, last) in zip(self.optimiser.param_groups, self.groups, strict=True):
            for parameter, grad in zip(group["params"], self.grads, strict=True):
                parameter.grad = grad[first:last] if sizes[first] else None
        self.optimiser.step()

    def _evaluate(self, rows: Tensor, counts: Tensor) -> tuple[list[float], list[float]]:
        _, logits = self._forward(self._inputs(rows, None))
        losses, predicted = self._losses(rows, logits)
        mean = torch.where(self._counted(rows, counts), losses, 0.0).sum(dim=1) / counts
        return mean.tolist(), self._macro_f1(rows, predicted, counts)

    def _close_epoch(
        self, scores: list[EpochScores], histories: list[list[EpochScores]], kept: list[int]
    ) -> None:
        better = []
        for number, (member, score, history) in enumerate(zip(self.members, scores, histories, strict=True)):
            patience = member.settings.early_stopping
            if patience and len(history) - kept[number] >= patience:
                continue  # it has stopped; that the others train on leaves what it kept alone
            if not score.is_finite:
                raise UserError(
                    f"epoch {len(history) + 1} ended with training loss {score.train_loss} and validation "
                    f"loss {score.val_loss}: lower learning_rate {member.settings.learning_rate}"
                )
            best = history[kept[number] - 1] if kept[number] else None
            history.append(score)
            if keeps(member.settings.checkpoint, score, best):
                kept[number] = len(history)
                better.append(number)
        index = torch.tensor(better, dtype=torch.int64, device=self.device)
        for stored, value in zip(self.kept, (*self.weights, *self.biases), strict=True):
            stored[index] = value[index]

    def _results(self, histories: list[list[EpochScores]], kept: list[int]) -> list[HeadResult]:
        layers = len(self.weights)
        self.weights, self.biases = self.kept[:layers], self.kept[layers:]
        results = []
        for number, history in enumerate(histories):
            values = iter(zip(self.weights, self.biases, strict=True))
            state: dict[str, Tensor] = {}
            for weight_name, bias_name in zip(self.names[::2], self.names[1::2], strict=True):
                weight, bias = next(values)
                state |= {weight_name: weight[number].clone(), bias_name: bias[number].clone()}
            logits = self._member_logits(number)
            results.append(HeadResult(FitResult(kept[number], tuple(history)), state, logits))
        return results

    def _member_logits(self, number: int) -> Tensor:
        values = self.examples.inputs
        pairs = list(zip(self.weights, self.biases, strict=True))
        for weight, bias in pairs[:-1]:
            values = torch.addmm(bias[number], values, weight[number].T).relu_()
        weight, bias = pairs[-1]
        return torch.addmm(bias[number], values, weight[number].T)

    def _inputs(self, rows: Tensor, codes: Tensor | None) -> Tensor:
        index = rows * self.versions if codes is None else rows * self.versions + codes
        return self.table.index_select(0, index.flatten()).view(*rows.shape, -1)

    def _draw_masks(self, examples: int) -> Tensor | None:
        rates = [member.dropout for member in self.members]
        if not any(rates):
            return None
        width = self.weights[-1].shape[2]
        drawn = [
            (torch.rand(examples, width, generator=generator) >= rate) / (1 - rate)
            for rate, generator in zip(rates, self.masks, strict=True)
        ]
        return torch.stack(drawn).to(self.device)

    def _macro_f1(self, rows: Tensor, predicted: Tensor, counts: Tensor) -> list[float]:
        labels, counted = self.examples.labels[rows], self._counted(rows, counts)
        true, guess, mask = (values.cpu().numpy() for values in (labels, predicted, counted))
        return [float(score) for score in macro_f1_of_each(true, guess, mask, len(self.target.classes))]


def _shared(settings: FitSettings) -> FitSettings:
    """Keep what all members have alike; the rest is set to the same."""
    return replace(settings, learning_rate=1.0, weight_decay=0.0, early_stopping=0, seed=0)


def _group(member: HeadMember, examples: Examples) -> tuple[float, float, int]:
    """Name what members must share to take every step of the optimiser together."""
    count = len(member.train)
    if member.settings.sampling == "oversampled":
        labels = torch.bincount(examples.labels[member.train])
        count = int(labels.max()) * int((labels > 0).sum())
    steps = len(cut_batches(count, member.settings.batch_size))
    return (member.settings.learning_rate, member.settings.weight_decay, steps)


def _initial_state(build: Callable[[], nn.Module], member: HeadMember) -> dict[str, Tensor]:
    torch.manual_seed(member.settings.seed)
    return {name: value.detach() for name, value in build().state_dict().items()}


def _chunk_size(state: dict[str, Tensor]) -> int:
    member = _ADAM_COPIES * sum(value.numel() * value.element_size() for value in state.values())
    return max(1, _CACHE_BYTES // member)


def _pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack vectors of different lengths, filled up with zeros; gives them and their lengths."""
    counts = torch.tensor([len(row) for row in rows], device=rows[0].device)
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True), counts
