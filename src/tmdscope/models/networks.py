"""Networks with hidden layers as methods: of classes, of classes in an order, and of numbers."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import Tensor, nn

from tmdscope.learn.fit import Examples, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.models.cnn import side_of, train_cnn
from tmdscope.models.mlp import train_mlp
from tmdscope.models.scales import Features, Labels, Targets
from tmdscope.params.families import CnnFamily, MlpFamily
from tmdscope.vision.targets import Coral, Levels, Multiclass, Ordinal, Target

Values = NDArray[np.float64]

_WATCHED = 32
"""Training images by whose loss a training that diverges is noticed."""


class _Network(BaseEstimator):
    """A network that trains for all epochs and keeps the last, so that no image chooses one."""

    target_: Target
    model_: nn.Module

    def __init__(self, family: MlpFamily | CnnFamily, seed: int) -> None:
        self.family = family
        self.seed = seed

    def _train(self, target: Target, inputs: Features, labels: Labels) -> None:
        examples = Examples(self._shaped(inputs), torch.tensor(labels))
        rows = torch.arange(len(labels))
        self.target_ = target
        if isinstance(self.family, CnnFamily):
            self.model_ = train_cnn(self.family, self.seed, target, examples, rows)
        else:
            self.model_ = train_mlp(self.family, self.seed, target, examples, rows, rows[:_WATCHED], Silent())

    def _outputs(self, inputs: Features) -> Tensor:
        return predict_logits(self.model_, self._shaped(inputs))

    def _shaped(self, inputs: Features) -> Tensor:
        """Give features as the network takes them: pixels as a square image."""
        values = torch.tensor(inputs, dtype=torch.float32)
        return values.unflatten(1, (side_of(inputs), -1)) if isinstance(self.family, CnnFamily) else values


class NetworkClassifier(ClassifierMixin, _Network):
    """A network of classes; in an `ordered` framing with NNRank's outputs or CORAL's."""

    def __init__(
        self, family: MlpFamily | CnnFamily, classes: Sequence[str], seed: int, ordered: bool = False
    ) -> None:
        super().__init__(family, seed)
        self.classes = classes
        self.ordered = ordered

    def fit(self, inputs: Features, labels: Labels) -> Self:
        """Train it."""
        self.classes_ = np.arange(len(self.classes))
        kind: type[Multiclass | Ordinal | Coral] = Multiclass
        if self.ordered and isinstance(self.family, MlpFamily):
            kind = Coral if self.family.ordinal == Coral.name else Ordinal
        self._train(kind(tuple(self.classes)), inputs, labels)
        return self

    def predict(self, inputs: Features) -> Labels:
        """Give the most probable class, shape (N,)."""
        return np.asarray(self.target_.predict(self._outputs(inputs)).numpy(), dtype=np.int64)

    def decode(self, inputs: Features) -> Labels:
        """Give the class as the encoding's authors decode it, `INVALID` where it is none, shape (N,)."""
        return np.asarray(self.target_.decode(self._outputs(inputs)).numpy(), dtype=np.int64)

    def predict_proba(self, inputs: Features) -> Values:
        """Give probabilities of classes, shape (N, K)."""
        return self.target_.probabilities(self._outputs(inputs)).double().numpy()


class NetworkRegressor(RegressorMixin, _Network):
    """A network of numbers: one output, squared error of standardised numbers."""

    def fit(self, inputs: Features, numbers: Targets) -> Self:
        """Train it; numbers that occur are its classes, so that rare ones are shown as often as others."""
        levels, labels = np.unique(np.asarray(numbers, dtype=np.float64), return_inverse=True)
        self._train(Levels([f"{level:.10g}" for level in levels]), inputs, labels.astype(np.int64))
        return self

    def predict(self, inputs: Features) -> Targets:
        """Give the number, shape (N,)."""
        assert isinstance(self.target_, Levels)
        found: NDArray[Any] = self.target_.numbers(self._outputs(inputs)).double().numpy()
        return found
