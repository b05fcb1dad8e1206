"""Target encodings: how classes become a loss, and outputs become class probabilities."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmdscope.materials import INVALID, atom_vector, atoms_of
from tmdscope.scores.levels import levels_of


class Target(ABC):
    """One encoding of K classes into the network's outputs.

    `output_names` are classes or atoms; an output that two encodings share may keep its weights. Logits are
    N x `outputs`, labels N, int64. `task` says what is predicted, see `tmdscope.scores.task.read_task`.
    """

    name: ClassVar[str]
    task: ClassVar[Mapping[str, Any]] = {"name": "classes"}

    def __init__(self, classes: Sequence[str], output_names: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.output_names = tuple(output_names)
        self.outputs = len(self.output_names)

    def to(self, device: torch.device) -> Self:
        """Copy it with its constants on a device, so that none has to be sent there in every step."""
        placed = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(placed, name, value.to(device))
        return placed

    def make_output(self, width: int) -> nn.Module:
        """Make the layer that gives the outputs from so many values."""
        return nn.Linear(width, self.outputs)

    @abstractmethod
    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the loss of each image; `smoothing`, in [0, 1), is spread over what else it could be."""

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the mean loss of a batch, see `losses`."""
        return self.losses(logits, labels, smoothing).mean()

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn outputs into class probabilities, N x K; rows sum to one."""

    def predict(self, logits: Tensor) -> Tensor:
        """Give what is scored: the most probable class, N."""
        return self.probabilities(logits).argmax(dim=1)

    @abstractmethod
    def class_scores(self, logits: Tensor) -> Tensor:
        """Give what speaks for each class, N x K, linear in the outputs: attribution asks its reasons."""

    @abstractmethod
    def decode(self, logits: Tensor) -> Tensor:
        """Turn outputs into labels as the paper does; `INVALID` where the output stands for no class."""


class Multiclass(Target):
    """One output per class, softmax and cross-entropy."""

    name = "multiclass"

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes, classes)

    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the cross-entropies, see `Target.losses`."""
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give the softmax, see `Target.probabilities`."""
        return torch.softmax(logits, dim=1)

    def class_scores(self, logits: Tensor) -> Tensor:
        """Give the outputs themselves, see `Target.class_scores`."""
        return logits

    def decode(self, logits: Tensor) -> Tensor:
        """Give the most probable class, see `Target.decode`."""
        return logits.argmax(dim=1)


class Coded(Target):
    """A target whose classes are codes of bits, K x `outputs`, no two alike: binary cross-entropy."""

    def __init__(self, classes: Sequence[str], codes: Tensor, names: Sequence[str]) -> None:
        super().__init__(classes, names)
        self.codes = codes.float()
        self.asked = torch.ones(self.outputs)

    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the mean binary cross-entropies over bits, see `Target.losses`."""
        wanted = self.codes.to(logits.device)[labels] * (1 - smoothing) + smoothing / 2
        each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return each @ (self.asked / self.asked.sum()).to(logits.device)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give the probability of each class's code, see `Target.probabilities`."""
        codes = self.codes.to(logits.device)
        likelihood = functional.logsigmoid(logits) @ codes.T + functional.logsigmoid(-logits) @ (1 - codes).T
        return torch.softmax(likelihood, dim=1)

    def class_scores(self, logits: Tensor) -> Tensor:
        """Give the outputs of the bits that are set less those that are not, see `Target.class_scores`."""
        return logits @ (2 * self.codes.to(logits.device) - 1).T


class Multilabel(Coded):
    """One output per atom; an output is a class when the atoms above one half are exactly its own.

    Classes are chemical formulae, no two of the same atoms. `atoms` may be more than they need, for classes
    still to come. With `wait` nothing is asked of an output that is the same for all these classes: one
    trained to be always on or off must be torn down for a class for which it is not, and on frozen features
    most hidden units die of it.
    """

    name = "multilabel"

    def __init__(
        self, classes: Sequence[str], atoms: Sequence[str] | None = None, wait: bool = False
    ) -> None:
        needed = atoms_of(classes)
        self.atoms = needed if atoms is None else tuple(atoms)
        missing = [atom for atom in needed if atom not in self.atoms]
        if missing:
            raise ValueError(f"atoms {', '.join(self.atoms)} lack {missing[0]}, which a class holds")
        codes = torch.tensor([atom_vector(name, self.atoms) for name in classes])
        super().__init__(classes, codes, self.atoms)
        self.wait = wait
        if wait:
            self.asked = (self.codes != self.codes[0]).any(dim=0).float()

    def told_apart(self, trained: Sequence[str]) -> tuple[str, ...]:
        """List the atoms that training could tell: some of its classes hold them and some do not."""
        shown = self.codes[[self.classes.index(name) for name in trained]]
        varies = (shown != shown[:1]).any(dim=0).tolist()
        return tuple(atom for atom, told in zip(self.atoms, varies, strict=True) if told)

    def decode(self, logits: Tensor) -> Tensor:
        """Give the class whose atoms are exactly those above one half, see `Target.decode`."""
        present = (logits > 0).float()
        differs = (present[:, None, :] - self.codes.to(logits.device)[None]).abs()
        distance = differs @ self.asked.to(logits.device)
        nearest, label = distance.min(dim=1)
        return torch.where(nearest == 0, label, torch.full_like(label, INVALID))


class Ordinal(Coded):
    """Classes in a rising order: output j says whether the class is the j-th or a later one (NNRank).

    After Cheng, Wang & Pollastri (doi:10.1109/IJCNN.2008.4633963), as in Moses & Reinhart's growth
    temperatures (Mater. Charact. 209, 113701), with binary cross-entropy in place of their summed squares.
    """

    name = "ordinal"

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes, torch.tril(torch.ones(len(classes), len(classes))), classes)

    def decode(self, logits: Tensor) -> Tensor:
        """Give the last of the leading outputs above one half, see `Target.decode`."""
        run = (logits > 0).long().cumprod(dim=1).sum(dim=1)
        return torch.where(run > 0, run - 1, torch.full_like(run, INVALID))


class Coral(Coded):
    """Classes in a rising order: a score that all thresholds share, and a bias for each of them.

    Cao, Mirjalili & Raschka 2020 (doi:10.1016/j.patrec.2020.11.008). Its output layer is no plain one: it is
    for networks on features, not among `TARGETS`.
    """

    name = "coral"

    def __init__(self, classes: Sequence[str]) -> None:
        below = torch.tril(torch.ones(len(classes), len(classes)), diagonal=-1)[:, :-1]
        super().__init__(classes, below, tuple(classes)[1:])

    def make_output(self, width: int) -> nn.Module:
        """Make one linear score and a bias for each threshold, see `Target.make_output`."""
        return nn.Sequential(nn.Linear(width, 1, bias=False), Thresholds(self.outputs))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give differences of the thresholds' probabilities, see `Target.probabilities`."""
        reached = torch.sigmoid(logits).cummin(dim=1).values
        ones, zeros = torch.ones_like(reached[:, :1]), torch.zeros_like(reached[:, :1])
        return -torch.diff(torch.cat([ones, reached, zeros], dim=1), dim=1)

    def decode(self, logits: Tensor) -> Tensor:
        """Count the outputs above one half, see `Target.decode`; each number of them is a class."""
        return (logits > 0).sum(dim=1)


class Thresholds(nn.Module):
    """Adds a bias for each threshold to one score, N x 1 to N x `count`; they begin apart, falling."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.arange(count, 0, -1).float() / max(count, 1))

    def forward(self, score: Tensor) -> Tensor:
        """Add them."""
        return score + self.bias


class Levels(Target):
    """Classes that are numbers, such as ``900`` or ``900 C``: one output, the standardised number.

    Squared error. Not among `TARGETS`: the nearest class is no better founded than the number itself.
    """

    name = "levels"

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes, ("number",))
        self.levels = torch.tensor(levels_of(classes).numbers)
        self.middle = self.levels.mean()
        self.spread = self.levels.std(correction=0).clamp_min(1e-6)

    def numbers(self, logits: Tensor) -> Tensor:
        """Give the number in its unit, N."""
        return logits[:, 0] * self.spread + self.middle

    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:  # noqa: ARG002
        """Give the squared errors, see `Target.losses`; there is nothing to smooth."""
        wanted = ((self.levels - self.middle) / self.spread).to(logits.device)[labels]
        return (logits[:, 0] - wanted) ** 2

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give shares that fall with the squared distance from each level, see `Target.probabilities`."""
        return torch.softmax(self.class_scores(logits), dim=1)

    def class_scores(self, logits: Tensor) -> Tensor:
        """Give the negative squared distance from each level, less what all share: linear in the output."""
        levels = ((self.levels - self.middle) / self.spread).to(logits.device)
        return 2 * logits[:, :1] * levels - levels**2

    def decode(self, logits: Tensor) -> Tensor:
        """Give the nearest level, see `Target.decode`."""
        return self.class_scores(logits).argmax(dim=1)


TARGETS: Mapping[str, Callable[[Sequence[str]], Target]] = {
    target.name: target for target in (Multiclass, Multilabel, Ordinal)
}
"""Target encodings by the name that `params.yaml` uses."""


def make_target(
    name: str, classes: Sequence[str], atoms: Sequence[str] | None = None, wait: bool = False
) -> Target:
    """Build a target encoding by name; `atoms` and `wait` are for `Multilabel`."""
    if name not in TARGETS:
        raise ValueError(f"unknown target {name!r}; known: {', '.join(TARGETS)}")
    return Multilabel(classes, atoms, wait) if name == Multilabel.name else TARGETS[name](classes)
