"""Networks with hidden layers on stored features, as the paper's ImageNet* classifier."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitSettings, fit
from tmdscope.learn.recorder import FoldRecorder
from tmdscope.params.families import MlpFamily, MlpParams
from tmdscope.vision.targets import Target


class Mlp(nn.Sequential):
    """Hidden layers with ReLU, dropout (in [0, 1)), and an output layer: linear if its width is given."""

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int | Callable[[int], nn.Module], dropout: float
    ) -> None:
        widths = [inputs, *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        last = nn.Linear(widths[-1], outputs) if isinstance(outputs, int) else outputs(widths[-1])
        super().__init__(*layers, nn.Dropout(dropout), last)


def mlp_settings(params: MlpParams | MlpFamily, seed: int) -> FitSettings:
    """Say how a network is trained: oversampled to the largest class; a family's keeps its last epoch."""
    rule = CheckpointRule(params.checkpoint) if isinstance(params, MlpParams) else CheckpointRule.LAST
    return FitSettings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        checkpoint=rule,
        sampling="oversampled",
        seed=seed,
    )


def train_mlp(
    params: MlpParams | MlpFamily,
    seed: int,
    target: Target,
    examples: Examples,
    train: Tensor,
    val: Tensor,
    listener: FoldRecorder,
) -> Mlp:
    """Train a network on some rows of the examples; others validate it."""
    torch.manual_seed(seed)
    if isinstance(params, MlpParams):
        hidden = list(params.hidden)
    else:
        hidden = [width for width in (params.hidden, params.second) if width]
    model = Mlp(examples.inputs.shape[1], hidden, target.make_output, params.dropout)
    fit(model, target, examples, train, val, mlp_settings(params, seed), listener)
    return model
