"""Many small networks on stored features, trained at the same time as one batch of matrix products.

Every member gives what `tmdscope.learn.fit.fit` gives for it alone: the same initial weights, order of
examples, batches, optimiser and rule for the epoch that is kept. A step of one small network is mostly
waiting for the next call; a step of many at once is arithmetic. Members that see the same examples in the
same order (a fold under different settings) share them, and their first layers are one product.

Weights are held divided by the member's learning rate: Adam then takes steps of one for all of them, in one
call.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, zip_longest

import numpy as np
import torch
from torch import Tensor, nn

from tmdscope.learn.checkpoint import CheckpointRule, EpochScores, keeps
from tmdscope.learn.fit import DivergedError, Examples, FitResult, FitSettings, learning_rate_at
from tmdscope.learn.sampling import cut_batches, draw_epoch, starting_positions
from tmdscope.scores.task import read_task
from tmdscope.vision.recorded import send
from tmdscope.vision.targets import Target

_CACHE_BYTES = 32 << 20
_ADAM_COPIES = 4  # weights, gradients and two moments
_MASK_SEED = 0x5EED


@dataclass(frozen=True)
class HeadMember:
    """One network of a batch: its examples (positions, int64) and what differs between members.

    Of `settings` only learning rate, weight decay, patience and seed are its own. `dropout` is before the
    last layer, in [0, 1), where it is not the network's; `start` are initial weights by name, in place of
    fresh ones.
    """

    train: Tensor
    val: Tensor
    settings: FitSettings
    dropout: float | None = None
    start: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class HeadResult:
    """What one member gave; `state` (of `build`'s module) and `logits` (N x K) are of the kept epoch."""

    fit: FitResult
    state: dict[str, Tensor]
    logits: Tensor


def train_heads(
    members: Sequence[HeadMember],
    build: Callable[[], nn.Module],
    target: Target,
    examples: Examples,
) -> list[HeadResult]:
    """Train many networks of one shape on stored features, N x F.

    Where members draw symmetries, the examples have variants. Each result is what training that member alone
    gives, up to rounding; with dropout the masks come from another stream of random numbers. `build` makes a
    network, linear layers with ReLU between them and dropout before the last, for every member without a
    start of its own, after ``torch.manual_seed`` with the member's seed. `ValueError` where members differ in
    what all must share; `DivergedError` where a loss is no longer finite.
    """
    if len({shared_settings(member.settings) for member in members}) > 1:
        raise ValueError("members may differ in learning rate, weight decay, patience and seed only")
    if not members:
        return []
    torch.manual_seed(members[0].settings.seed)
    results: dict[int, HeadResult] = {}
    network = build()
    own = next((layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)), 0.0)
    members = [replace(one, dropout=own) if one.dropout is None else one for one in members]
    for streams in _chunks(members, _chunk_size(network)):
        chunk = _Chunk([[members[index] for index in stream] for stream in streams], build, target, examples)
        results.update(zip(chain.from_iterable(streams), chunk.train(), strict=True))
    return [results[index] for index in range(len(members))]


class _Chunk:
    """Members that train together: G streams of examples, S members on each, M = G S in that order."""

    def __init__(
        self,
        streams: Sequence[Sequence[HeadMember]],
        build: Callable[[], nn.Module],
        target: Target,
        examples: Examples,
    ) -> None:
        self.members = list(chain.from_iterable(streams))
        self.streams, self.each = [stream[0] for stream in streams], len(streams[0])
        self.settings, self.examples = self.members[0].settings, examples
        self.device, self.labels = examples.inputs.device, examples.labels.cpu()
        self.target = target.to(self.device)
        states = [_initial_state(build, member, self.device) for member in self.members]
        self.names, self.values = _stack(states)
        self.layers = len(self.values) // 2
        self.kept = [value.clone() for value in self.values]
        self.grads = [torch.zeros_like(value) for value in self.values]
        self.step_sizes, self.rates = [1.0] * len(self.members), self._column([1.0] * len(self.members))
        self.decays = self._column([member.settings.weight_decay for member in self.members])
        self.decaying = any(member.settings.weight_decay for member in self.members)
        self.versions = 1 if examples.variants is None else examples.variants.shape[1]
        self.table = examples.inputs if examples.variants is None else examples.variants.flatten(0, 1)
        self.generators = [torch.Generator().manual_seed(stream.settings.seed) for stream in self.streams]
        self.masks = [torch.Generator().manual_seed(m.settings.seed ^ _MASK_SEED) for m in self.members]
        self.positions = [
            starting_positions(stream.train, self.labels, self.settings.sampling, generator)
            for stream, generator in zip(self.streams, self.generators, strict=True)
        ]
        self.train_rows = self._rows(self.positions)
        self.val_rows = self._rows([stream.val.cpu() for stream in self.streams])
        bounds = [cut_batches(len(rows), self.settings.batch_size) for rows in self.positions]
        sizes = zip_longest(*([end - start for start, end in steps] for steps in bounds), fillvalue=0)
        self.sizes = list(sizes)  # of each step, one for each stream
        self.sizes_there = send(torch.tensor(self.sizes), self.device)
        self.optimiser = self._make_optimiser()

    def train(self) -> list[HeadResult]:
        histories: list[list[EpochScores]] = [[] for _ in self.members]
        kept = [0] * len(self.members)
        for epoch in range(self.settings.epochs):
            self._set_rates([learning_rate_at(member.settings, epoch) for member in self.members])
            self._close_epoch(self._run_epoch(), histories, kept)
        return [
            HeadResult(FitResult(kept[number], tuple(history)), *self._kept_member(number))
            for number, history in enumerate(histories)
        ]

    def _make_optimiser(self) -> torch.optim.Optimizer:
        """Adam of step one, with a group of neighbours for each number of steps in an epoch."""
        steps = [sum(size > 0 for size in sizes) for sizes in zip(*self.sizes, strict=True)]
        self.spans: list[tuple[int, int]] = []
        for _, same in groupby(range(len(steps)), key=lambda stream: steps[stream]):
            numbers = list(same)
            self.spans.append((numbers[0] * self.each, (numbers[-1] + 1) * self.each))
        groups = [
            {"params": [nn.Parameter(value[first:last]) for value in self.values]}
            for first, last in self.spans
        ]
        return torch.optim.Adam(groups, lr=1.0, fused=True)

    def _set_rates(self, rates: list[float]) -> None:
        if rates != self.step_sizes:
            new = self._column(rates)
            for value in self.values:
                value.mul_((self.rates / new).view(-1, *[1] * (value.dim() - 1)))
            self.step_sizes, self.rates = rates, new

    def _run_epoch(self) -> list[EpochScores]:
        """Train every member on its examples once and score; the device is waited for once, at the end."""
        settings = self.settings
        drawn = [
            draw_epoch(positions, self.labels, settings.sampling, settings.symmetries, generator)
            for positions, generator in zip(self.positions, self.generators, strict=True)
        ]
        train = self._rows([order for order, _ in drawn])
        orders, codes = train.there, None
        if settings.symmetries > 1:
            codes = self._rows([code for _, code in drawn if code is not None]).there
        keep = self._draw_masks()
        labels = self._each(self.examples.labels[orders])
        outputs = torch.zeros(*labels.shape, self.target.outputs, device=self.device)
        for step, sizes in enumerate(self.sizes):
            start = step * settings.batch_size
            here = slice(start, start + max(sizes))
            code = None if codes is None else codes[:, here]
            mask = None if keep is None else keep[..., here]
            logits = self._step(self._inputs(orders[:, here], code), labels[:, here], step, mask)
            if min(sizes) < max(sizes):  # a longer last step of one is the next step of another
                mine = self._counted(logits, self._each(self.sizes_there[step]))
                logits = torch.where(mine[:, :, None], logits, outputs[:, here])
            outputs[:, here] = logits
        trained = outputs, settings.label_smoothing
        if settings.checkpoint is CheckpointRule.PAPER and settings.symmetries == 1:
            train, trained = self.train_rows, (self._look(self.train_rows), 0.0)
        told = self._tell(train, *trained), self._tell(self.val_rows, self._look(self.val_rows), 0.0)
        read = torch.cat(told, dim=1).cpu()
        train_scores = self._score(train, read[:, : told[0].shape[1]])
        val_scores = self._score(self.val_rows, read[:, told[0].shape[1] :])
        return [EpochScores(*values) for values in zip(*train_scores, *val_scores, strict=True)]

    def _step(self, inputs: Tensor, labels: Tensor, step: int, mask: Tensor | None) -> Tensor:
        """Train one step on inputs G x B x F; gives the outputs M x B x K."""
        sizes = self.sizes[step]
        activations, logits = self._forward(inputs, mask)
        logits.requires_grad_()
        losses = self.target.losses(logits.flatten(0, 1), labels.flatten(), self.settings.label_smoothing)
        if min(sizes) == labels.shape[1]:
            weight = torch.full_like(losses, 1 / labels.shape[1])
        else:
            counts = self._each(self.sizes_there[step])
            weight = (self._counted(labels, counts) / counts.clamp(min=1)[:, None]).flatten()
        (grad,) = torch.autograd.grad(losses, logits, weight)
        self._backward(inputs, activations, grad, mask)
        self._update(step)
        return logits.detach()

    def _forward(self, inputs: Tensor, mask: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """Turn inputs G x B x F into hidden activations, M x H x B each, and outputs, M x B x K."""
        streams, batch, width = inputs.shape
        weights, biases = self.values[: self.layers], self.values[self.layers :]
        first = weights[0].view(streams, -1, width)
        values = torch.bmm(first, inputs.transpose(1, 2)).view(len(self.members), -1, batch)
        activations: list[Tensor] = []
        for layer in range(self.layers):
            if layer:
                last = activations[-1] if mask is None or layer < self.layers - 1 else activations[-1] * mask
                values = torch.bmm(weights[layer], last)
            values = values.add_(biases[layer][:, :, None]).mul_(self.rates[:, None])
            if layer < self.layers - 1:
                activations.append(values.relu_())
        return activations, values.transpose(1, 2).contiguous()

    def _backward(self, inputs: Tensor, activations: list[Tensor], grad: Tensor, mask: Tensor | None) -> None:
        """Write the gradients of the weights themselves, from that of the outputs, M x B x K."""
        grad = grad.transpose(1, 2).contiguous()
        for layer in reversed(range(self.layers)):
            dropped = mask if layer == self.layers - 1 else None
            torch.sum(grad, dim=2, out=self.grads[self.layers + layer])
            if layer == 0:
                streams, batch, width = inputs.shape
                out = self.grads[0].view(streams, -1, width)
                torch.bmm(grad.view(streams, -1, batch), inputs, out=out)
                return
            below = activations[layer - 1]
            seen = below if dropped is None else below * dropped
            torch.bmm(grad, seen.transpose(1, 2), out=self.grads[layer])
            grad = torch.bmm(self.values[layer].transpose(1, 2), grad).mul_(self.rates[:, None])
            if dropped is not None:
                grad.mul_(dropped)
            grad = torch.ops.aten.threshold_backward(grad, below, 0)

    def _update(self, step: int) -> None:
        """One step of Adam; members whose epoch is over keep their weights and their count of steps."""
        sizes = self.sizes[step]
        if self.decaying:
            for value, grad in zip(self.values, self.grads, strict=True):
                decay = (self.rates * self.decays).view(-1, *[1] * (value.dim() - 1))
                if self.settings.optimiser == "adamw":
                    active = self._each(self.sizes_there[step] > 0)
                    value.mul_(1 - decay * active.view_as(decay))
                else:
                    grad.addcmul_(value, decay)
        for group, (first, last) in zip(self.optimiser.param_groups, self.spans, strict=True):
            for parameter, grad in zip(group["params"], self.grads, strict=True):
                parameter.grad = grad[first:last] if sizes[first // self.each] else None
        self.optimiser.step()

    def _look(self, rows: "_Rows") -> Tensor:
        return self._forward(self._inputs(rows.there, None))[1]

    def _tell(self, rows: "_Rows", logits: Tensor, smoothing: float) -> Tensor:
        """Mean loss of each member and what it predicts, M x 1 + N, from outputs M x N x K."""
        labels, flat = self._each(self.examples.labels[rows.there]), logits.flatten(0, 1)
        counts = self._each(rows.counts_there)
        losses = self.target.losses(flat, labels.flatten(), smoothing).view_as(labels)
        mean = torch.where(self._counted(labels, counts), losses, 0.0).sum(dim=1) / counts
        return torch.cat([mean[:, None], self.target.predict(flat).view_as(labels)], dim=1)

    def _score(self, rows: "_Rows", told: Tensor) -> tuple[list[float], list[float]]:
        """Mean loss and primary score of each member, from what `_tell` gave, on the CPU."""
        labels = self._each(self.labels[rows.rows])
        counted = torch.arange(labels.shape[1]) < self._each(rows.counts)[:, None]
        said = (values.numpy() for values in (labels, told[:, 1:].to(labels.dtype), counted))
        scores = read_task(self.target.task).score_each(*said)
        return told[:, 0].tolist(), [float(score) for score in scores]

    def _close_epoch(
        self, scores: list[EpochScores], histories: list[list[EpochScores]], kept: list[int]
    ) -> None:
        better, metric = [], read_task(self.target.task).primary
        for number, (member, score, history) in enumerate(zip(self.members, scores, histories, strict=True)):
            patience = member.settings.early_stopping
            if patience and len(history) - kept[number] >= patience:
                continue  # it has stopped; that the others train on leaves what it kept alone
            if not score.is_finite:
                raise DivergedError(
                    f"epoch {len(history) + 1} ended with training loss {score.train_loss} and validation "
                    f"loss {score.val_loss}: lower learning_rate {member.settings.learning_rate}"
                )
            best = history[kept[number] - 1] if kept[number] else None
            history.append(score)
            if keeps(member.settings.checkpoint, metric, score, best):
                kept[number] = len(history)
                better.append(number)
        index = send(torch.tensor(better, dtype=torch.int64), self.device)
        for stored, value in zip(self.kept, self.values, strict=True):
            rates = self.rates[index].view(-1, *[1] * (value.dim() - 1))
            stored[index] = value[index] * rates

    def _kept_member(self, number: int) -> tuple[dict[str, Tensor], Tensor]:
        """State dict of a member and its outputs for all examples."""
        weights = [value[number].clone() for value in self.kept]
        values = self.examples.inputs
        for layer in range(self.layers):
            weight, bias = weights[layer], weights[self.layers + layer]
            values = torch.addmm(bias, values if layer == 0 else values.relu_(), weight.T)
        return dict(zip(self.names, weights, strict=True)), values

    def _inputs(self, rows: Tensor, codes: Tensor | None) -> Tensor:
        index = rows * self.versions if codes is None else rows * self.versions + codes
        return self.table.index_select(0, index.flatten()).view(*rows.shape, -1)

    def _draw_masks(self) -> Tensor | None:
        """Draw what every member keeps of its own examples, M x H x N: whoever trains beside it."""
        rates = [member.dropout or 0.0 for member in self.members]
        if not any(rates):
            return None
        width = self.values[self.layers - 1].shape[2]
        counts = self._each(self.train_rows.counts)
        kept = torch.ones(len(self.members), width, int(counts.max()))
        for mask, rate, own, generator in zip(kept, rates, counts.tolist(), self.masks, strict=True):
            mask[:, :own] = (rate <= torch.rand(own, width, generator=generator).T) / (1 - rate)
        return send(kept, self.device)

    def _counted(self, entries: Tensor, counts: Tensor) -> Tensor:
        return torch.arange(entries.shape[1], device=self.device) < counts[:, None]

    def _each(self, values: Tensor) -> Tensor:
        """From one entry per stream to one per member."""
        return values.repeat_interleave(self.each, dim=0)

    def _column(self, values: list[float]) -> Tensor:
        return send(torch.tensor(values), self.device)[:, None]

    def _rows(self, rows: Sequence[Tensor]) -> "_Rows":
        """Stack a vector for each stream, filled up with their first value, here and on the device."""
        counts = torch.tensor([len(row) for row in rows])
        longest = max(map(len, rows))
        padded = torch.stack([torch.cat([row, row[:1].expand(longest - len(row))]) for row in rows])
        return _Rows(padded, counts, send(padded, self.device), send(counts, self.device))


@dataclass(frozen=True)
class _Rows:
    """Rows of every stream, G x N, of which the first `counts` count: on the CPU and on the device."""

    rows: Tensor
    counts: Tensor
    there: Tensor
    counts_there: Tensor


def shared_settings(settings: FitSettings) -> FitSettings:
    """Keep what networks that train as one batch must have alike; the rest is set to the same."""
    return replace(settings, learning_rate=1.0, weight_decay=0.0, early_stopping=0, seed=0)


def _chunks(members: Sequence[HeadMember], size: int) -> list[list[list[int]]]:
    """Cut members into chunks of streams, as many members on each stream of a chunk and `size` in all."""
    streams: dict[tuple[int, bytes, bytes], list[int]] = defaultdict(list)
    for number, member in enumerate(members):
        rows = (member.train.cpu().numpy().tobytes(), member.val.cpu().numpy().tobytes())
        streams[member.settings.seed, *rows].append(number)
    pieces = [
        piece.tolist()
        for stream in streams.values()
        for piece in np.array_split(stream, -(-len(stream) // size))
    ]
    pieces.sort(key=lambda piece: (len(piece), len(members[piece[0]].train)))
    chunks: list[list[list[int]]] = []
    for piece in pieces:
        last = chunks[-1] if chunks else []
        if last and len(last[0]) == len(piece) and len(piece) * (len(last) + 1) <= size:
            last.append(piece)
        else:
            chunks.append([piece])
    return chunks


def _chunk_size(network: nn.Module) -> int:
    member = _ADAM_COPIES * sum(value.numel() * value.element_size() for value in network.parameters())
    return max(1, _CACHE_BYTES // member)


def _initial_state(
    build: Callable[[], nn.Module], member: HeadMember, device: torch.device
) -> dict[str, Tensor]:
    torch.manual_seed(member.settings.seed)
    state = build().state_dict() if member.start is None else member.start
    return {name: value.detach().to(device) for name, value in state.items()}


def _stack(states: Sequence[dict[str, Tensor]]) -> tuple[list[str], list[Tensor]]:
    """Stack the members' weights, then their biases, layer by layer."""
    names = [
        *[n for n, v in states[0].items() if v.dim() == 2],
        *[n for n, v in states[0].items() if v.dim() == 1],
    ]
    return names, [torch.stack([state[name] for state in states]) for name in names]
