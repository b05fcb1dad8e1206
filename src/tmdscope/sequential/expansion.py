"""How a model of some classes becomes the start of one that knows more."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_OUTPUT = ("output.weight", "output.bias")
"""Names, or their ends, of the last layer (`tmdscope.vision.classifier.Head`)."""


def expand(
    known: Mapping[str, Tensor],
    known_outputs: Sequence[str],
    fresh: Mapping[str, Tensor],
    outputs: Sequence[str],
    redraw: bool = False,
) -> dict[str, Tensor]:
    """Give a model with further outputs the weights of one without them, as state dicts.

    Outputs are named by what they speak about, classes or atoms; each known one keeps its row of the last
    layer. `redraw` takes that from the new model as a whole, if there are new outputs. `ValueError` where the
    models differ in more than their last layer.
    """
    if set(fresh) != set(known):
        raise ValueError(f"the models differ in {min(set(fresh) ^ set(known))}, not in their last layer only")
    new = [name for name in outputs if name not in known_outputs]
    started = {name: value.detach().clone() for name, value in fresh.items()}
    for name, value in known.items():
        if not name.endswith(_OUTPUT):
            if started[name].shape != value.shape:
                raise ValueError(f"{name} of the known model has no place in the new one")
            started[name] = value.detach().clone()
        elif not (redraw and new):
            rows = [(known_outputs.index(o), k) for k, o in enumerate(outputs) if o in known_outputs]
            old, own = (torch.tensor(part) for part in zip(*rows, strict=True))
            started[name][own] = value.detach()[old].to(started[name])
    return started
