"""Target encodings: how classes become a loss, and outputs become class probabilities."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from tmdscope.materials import INVALID, atom_vector, atoms_of


class Target(Protocol):
    """One encoding of K classes into the network's outputs.

    Attributes
    ----------
    name : str
        As written in `params.yaml`.
    classes : tuple of str
        Class names; label k is the k-th.
    outputs : int
        Width of the network's last layer.
    """

    name: str
    classes: tuple[str, ...]
    outputs: int

    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the loss of each image.

        Parameters
        ----------
        logits : torch.Tensor
            N x `outputs`.
        labels : torch.Tensor
            N class labels, int64.
        smoothing : float, optional
            Share of every target that is spread evenly over what else it could be, in [0, 1).

        Returns
        -------
        torch.Tensor
            N values.
        """

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the mean loss of a batch.

        Parameters
        ----------
        logits : torch.Tensor
            N x `outputs`.
        labels : torch.Tensor
            N class labels, int64.
        smoothing : float, optional
            Share of every target that is spread evenly over what else it could be, in [0, 1).

        Returns
        -------
        torch.Tensor
            A scalar.
        """

    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn outputs into class probabilities.

        Parameters
        ----------
        logits : torch.Tensor
            N x `outputs`.

        Returns
        -------
        torch.Tensor
            N x K, rows sum to one.
        """

    def decode(self, logits: Tensor) -> Tensor:
        """Turn outputs into labels as the paper does.

        Parameters
        ----------
        logits : torch.Tensor
            N x `outputs`.

        Returns
        -------
        torch.Tensor
            N labels, int64; `INVALID` where the output stands for no class.
        """


class Multiclass:
    """One output per class, softmax and cross-entropy.

    Parameters
    ----------
    classes : sequence of str
        Class names in label order.
    """

    name = "multiclass"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.outputs = len(self.classes)

    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the cross-entropies, see `Target.losses`."""
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the mean cross-entropy, see `Target.loss`."""
        return self.losses(logits, labels, smoothing).mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give the softmax, see `Target.probabilities`."""
        return torch.softmax(logits, dim=1)

    def decode(self, logits: Tensor) -> Tensor:
        """Give the most probable class, see `Target.decode`."""
        return logits.argmax(dim=1)


class Coded:
    """A target whose classes are codes of independent bits: sigmoid and binary cross-entropy.

    Class probabilities are those of the classes' codes among all declared ones.

    Parameters
    ----------
    classes : sequence of str
        Class names in label order.
    codes : torch.Tensor
        The bits of each class, K x `outputs`, 0 or 1, no two rows alike.
    """

    def __init__(self, classes: Sequence[str], codes: Tensor) -> None:
        self.classes = tuple(classes)
        self.codes = codes.float()
        self.outputs = codes.shape[1]

    def losses(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the mean binary cross-entropies over bits, see `Target.losses`."""
        wanted = self.codes.to(logits.device)[labels] * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Give the mean binary cross-entropy over images and bits, see `Target.loss`."""
        return self.losses(logits, labels, smoothing).mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give the probability of each class's code, see `Target.probabilities`."""
        codes = self.codes.to(logits.device)
        likelihood = functional.logsigmoid(logits) @ codes.T + functional.logsigmoid(-logits) @ (1 - codes).T
        return torch.softmax(likelihood, dim=1)


class Multilabel(Coded):
    """One output per atom; an output is a class when the atoms above one half are exactly its own.

    Parameters
    ----------
    classes : sequence of str
        Chemical formulae in label order; no two with the same atoms.
    """

    name = "multilabel"

    def __init__(self, classes: Sequence[str]) -> None:
        self.atoms = atoms_of(classes)
        super().__init__(classes, torch.tensor([atom_vector(name, self.atoms) for name in classes]))

    def decode(self, logits: Tensor) -> Tensor:
        """Give the class whose atoms are exactly those above one half, see `Target.decode`."""
        present = (logits > 0).float()
        distance = (present[:, None, :] - self.codes.to(logits.device)[None]).abs().sum(dim=2)
        nearest, label = distance.min(dim=1)
        return torch.where(nearest == 0, label, torch.full_like(label, INVALID))


class Ordinal(Coded):
    """Classes in a rising order: output j says whether the class is the j-th or a later one (NNRank).

    After Cheng, Wang & Pollastri (doi:10.1109/IJCNN.2008.4633963), as in Moses & Reinhart's growth
    temperatures (Mater. Charact. 209, 113701), with binary cross-entropy in place of their summed squares.

    Parameters
    ----------
    classes : sequence of str
        Class names, rising.
    """

    name = "ordinal"

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes, torch.tril(torch.ones(len(classes), len(classes))))

    def decode(self, logits: Tensor) -> Tensor:
        """Give the last of the leading outputs above one half, see `Target.decode`."""
        run = (logits > 0).long().cumprod(dim=1).sum(dim=1)
        return torch.where(run > 0, run - 1, torch.full_like(run, INVALID))


TARGETS: Mapping[str, Callable[[Sequence[str]], Target]] = {
    target.name: target for target in (Multiclass, Multilabel, Ordinal)
}
"""Target encodings by the name that `params.yaml` uses."""


def make_target(name: str, classes: Sequence[str]) -> Target:
    """Build a target encoding by name.

    Parameters
    ----------
    name : str
        A key of `TARGETS`.
    classes : sequence of str
        Class names in label order.

    Returns
    -------
    Target
        The encoding.

    Raises
    ------
    ValueError
        The name is unknown, or the classes do not suit multilabel targets.
    """
    if name not in TARGETS:
        raise ValueError(f"unknown target {name!r}; known: {', '.join(TARGETS)}")
    return TARGETS[name](classes)
