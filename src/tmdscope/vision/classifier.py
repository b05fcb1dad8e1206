"""Backbone and head: from 8-bit images to outputs, and the fold ensemble that gives probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.published import Normalisation
from tmdscope.vision.targets import Multilabel, Target, make_target

EMBEDDING_WIDTH = 100
"""Values of the penultimate layer (TMD paper: features -> 100 -> ReLU -> dropout -> classes)."""


class Head(nn.Module):
    """The paper's head: features -> 100 -> ReLU -> dropout -> outputs."""

    def __init__(self, features: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Linear(features, EMBEDDING_WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(EMBEDDING_WIDTH, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features, N x F, into outputs, N x K."""
        return self.classify(self.embed(features))

    def classify(self, embedding: Tensor) -> Tensor:
        """Turn embeddings before their ReLU, N x 100, into outputs, N x K."""
        logits: Tensor = self.output(self.dropout(torch.relu(embedding)))
        return logits

    def embed(self, features: Tensor) -> Tensor:
        """Give the embedding before its ReLU, N x 100."""
        embedding: Tensor = self.embedding(features)
        return embedding


class Backbone(nn.Module):
    """A network that takes 8-bit grey images; `network` turns float images N x 3 x H x W into features N x F.

    Frozen layers and numbers stay as they are: no gradient, batch normalisation by the stored statistics.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        normalisation: Normalisation,
        frozen: Sequence[nn.Module | nn.Parameter] = (),
    ) -> None:
        super().__init__()
        self.network = network
        for part in frozen:
            part.requires_grad_(False)
        self._frozen = tuple(part for part in frozen if isinstance(part, nn.Module))
        self.register_buffer("mean", torch.tensor(normalisation.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(normalisation.std).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; frozen layers stay in evaluation mode."""
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Turn images, uint8, N x H x W, into features, float32, N x F."""
        scaled = images.to(torch.float32).div(255.0).unsqueeze(1)
        features: Tensor = self.network((scaled - self.mean) / self.std)
        return features


class Classifier(nn.Module):
    """A backbone with its head."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Turn images, uint8, N x H x W, into outputs, float32, N x K."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def embed(self, images: Tensor) -> Tensor:
        """Give the embedding before its ReLU, N x 100 (TMD paper, latent features)."""
        return self.head.embed(self.backbone(images))


@dataclass(frozen=True)
class EnsembleConfig:
    """What is needed to rebuild an ensemble around its tensors.

    Members are the fold models; atoms and wait are `Multilabel`'s (None: what its classes need); `trained`
    are classes that some fold's training showed, None for all.
    """

    architecture: str
    target: str
    classes: tuple[str, ...]
    size_px: int
    members: int
    shared_backbone: bool
    normalisation: Normalisation
    atoms: tuple[str, ...] | None = None
    wait: bool = False
    trained: tuple[str, ...] | None = None

    @property
    def not_trained(self) -> tuple[str, ...]:
        """Classes that no training image showed, then atoms that all of those shown hold, or none."""
        trained = self.classes if self.trained is None else self.trained
        classes = tuple(name for name in self.classes if name not in trained)
        target = self.make_target()
        if not isinstance(target, Multilabel):
            return classes
        told = target.told_apart(trained)
        return (*classes, *(atom for atom in target.atoms if atom not in told))

    def make_target(self) -> Target:
        """Make the encoding that the ensemble was trained with."""
        return make_target(self.target, self.classes, self.atoms, self.wait)


class Ensemble(nn.Module):
    """The mean of the fold models' class probabilities; a backbone for each head, or one that all share."""

    def __init__(self, backbones: Sequence[Backbone], heads: Sequence[Head], target: Target) -> None:
        super().__init__()
        if len(backbones) not in (1, len(heads)):
            raise ValueError(f"{len(backbones)} backbones for {len(heads)} heads")
        self.backbones = nn.ModuleList(backbones)
        self.heads = nn.ModuleList(heads)
        self.target = target

    def forward(self, images: Tensor) -> Tensor:
        """Turn images, uint8, N x H x W, into class probabilities, float32, N x K; rows sum to one."""
        logits, _ = self.member_outputs(images)
        return torch.stack([self.target.probabilities(values) for values in logits]).mean(dim=0)

    def member_outputs(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Give each fold's outputs, N x outputs, and its embeddings before the ReLU, N x 100."""
        features = [backbone(images) for backbone in self.backbones]
        if len(features) < len(self.heads):
            features = features * len(self.heads)
        heads = [head for head in self.heads if isinstance(head, Head)]
        embeddings = [head.embed(values) for head, values in zip(heads, features, strict=True)]
        return [head.classify(values) for head, values in zip(heads, embeddings, strict=True)], embeddings

    def member(self, fold: int) -> Classifier:
        """Give one fold's classifier, sharing the ensemble's tensors."""
        backbone = self.backbones[fold if len(self.backbones) > 1 else 0]
        head = self.heads[fold]
        if not isinstance(backbone, Backbone) or not isinstance(head, Head):
            raise TypeError("an ensemble holds backbones and heads")
        return Classifier(backbone, head)


def bare_ensemble(config: EnsembleConfig) -> Ensemble:
    """Build an ensemble from its configuration, with weights of chance, in training mode."""
    backbones, of = (
        1 if config.shared_backbone else config.members,
        (config.architecture, None, config.size_px),
    )
    target = config.make_target()
    return Ensemble(
        [Backbone(bare_backbone(*of), config.normalisation) for _ in range(backbones)],
        [Head(feature_count(config.architecture), target.outputs) for _ in range(config.members)],
        target,
    )


def rebuild_ensemble(config: EnsembleConfig, state: dict[str, Tensor]) -> Ensemble:
    """Build an ensemble in evaluation mode from its configuration and tensors, which become its own."""
    ensemble = bare_ensemble(config)
    ensemble.load_state_dict(state, assign=True)
    return ensemble.eval()
