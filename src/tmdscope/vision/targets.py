"""Target encodings: how classes become a loss, and outputs become class probabilities."""

from collections.abc import Sequence
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

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the mean loss of a batch.

        Parameters
        ----------
        logits : torch.Tensor
            N x `outputs`.
        labels : torch.Tensor
            N class labels, int64.

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

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the mean cross-entropy, see `Target.loss`."""
        return functional.cross_entropy(logits, labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give the softmax, see `Target.probabilities`."""
        return torch.softmax(logits, dim=1)

    def decode(self, logits: Tensor) -> Tensor:
        """Give the most probable class, see `Target.decode`."""
        return logits.argmax(dim=1)


class Multilabel:
    """One output per atom, sigmoid and binary cross-entropy.

    Class probabilities are those of the classes' atom vectors among all declared classes, with atoms
    taken as independent; decoding asks for an exact match of the atoms above one half, as the paper does.

    Parameters
    ----------
    classes : sequence of str
        Chemical formulae in label order; no two with the same atoms.
    """

    name = "multilabel"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.atoms = atoms_of(self.classes)
        self.outputs = len(self.atoms)
        self.codes = torch.tensor(
            [atom_vector(name, self.atoms) for name in self.classes], dtype=torch.float32
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the mean binary cross-entropy over images and atoms, see `Target.loss`."""
        return functional.binary_cross_entropy_with_logits(logits, self.codes.to(logits.device)[labels])

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give the probability of each class's atom vector, see `Target.probabilities`."""
        codes = self.codes.to(logits.device)
        likelihood = functional.logsigmoid(logits) @ codes.T + functional.logsigmoid(-logits) @ (1 - codes).T
        return torch.softmax(likelihood, dim=1)

    def decode(self, logits: Tensor) -> Tensor:
        """Give the class whose atoms are exactly those above one half, see `Target.decode`."""
        present = (logits > 0).float()
        distance = (present[:, None, :] - self.codes.to(logits.device)[None]).abs().sum(dim=2)
        nearest, label = distance.min(dim=1)
        return torch.where(nearest == 0, label, torch.full_like(label, INVALID))


def make_target(name: str, classes: Sequence[str]) -> Target:
    """Build a target encoding by name.

    Parameters
    ----------
    name : str
        ``multiclass`` or ``multilabel``.
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
    if name == Multiclass.name:
        return Multiclass(classes)
    if name == Multilabel.name:
        return Multilabel(classes)
    raise ValueError(f"unknown target {name!r}; known: {Multiclass.name}, {Multilabel.name}")
