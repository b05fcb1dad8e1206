"""Cross-validation: a fresh model per fold, scored on train, validation and the held-out test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.fit import Examples, FitResult, FitSettings, fit_in_turns, part_scores, predict_logits
from tmdscope.learn.recorder import Recorder
from tmdscope.learn.resume import Resume
from tmdscope.learn.together import Turns, folds_at_once, side_by_side
from tmdscope.scores.folds import PARTS
from tmdscope.vision.targets import Target


@dataclass(frozen=True)
class FoldResult:
    """What one fold, counted from 0, gave.

    `scores` are by ``<part>_<metric>``; `probabilities` of every example of the data set, N x K; `decoded`
    labels by the paper's decoding, N, -1 where the output stands for no class.
    """

    fold: int
    fit: FitResult
    scores: dict[str, float]
    probabilities: NDArray[np.float32]
    decoded: NDArray[np.int64]


def fold_seed(seed: int, fold: int) -> int:
    """Derive a fold's own seed, below 2**63, so that which folds ran before does not matter."""
    state: Any = np.random.SeedSequence([seed, fold]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def cross_validate(
    build: Callable[[], nn.Module],
    target: Target,
    examples: Examples,
    folds: Sequence[FoldParts],
    settings: FitSettings,
    recorder: Recorder,
    only: Sequence[int] | None = None,
    resume: Resume | None = None,
    starts: Sequence[Mapping[str, Tensor]] | None = None,
    at_once: int | None = None,
) -> list[FoldResult]:
    """Train and score one fresh model per fold, or for some (`only`).

    `build` makes a model on the examples' device, after seeding; each fold derives its own seed from that of
    the settings. By `resume` folds save checkpoints and go on from them; those that had ended are only scored
    again. `starts` are state dicts that folds begin with, in place of the fresh model's own. Results do not
    depend on how many folds train `at_once`, by default `folds_at_once`; an error in one ends all.
    """

    def train(number: int) -> Turns[FoldResult]:
        parts, seed = folds[number], fold_seed(settings.seed, number)
        with recorder.fold(number) as listener:
            torch.manual_seed(seed)
            model = build()
            if starts is not None:
                model.load_state_dict(dict(starts[number]))
            checkpoints = resume.fold(number) if resume is not None else None
            rows = torch.from_numpy(parts.train), torch.from_numpy(parts.val)
            own = replace(settings, seed=seed)
            fitted = yield from fit_in_turns(model, target, examples, *rows, own, listener, checkpoints)
            logits = predict_logits(model, examples.inputs)
            result = score_fold(number, fitted, logits, target, examples.labels, parts)
            listener.finish(result.scores, model)
        return result

    works = [train(number) for number in (range(len(folds)) if only is None else only)]
    return side_by_side(works, at_once or folds_at_once(), examples.inputs.device)


def score_fold(
    number: int, fitted: FitResult, logits: Tensor, target: Target, labels: Tensor, parts: FoldParts
) -> FoldResult:
    """Score a fold's kept model on its parts, from its outputs for every example, N x `target.outputs`.

    Labels of examples in no part may be any number.
    """
    scores: dict[str, float] = {}
    for part in PARTS:
        rows = torch.from_numpy(getattr(parts, part)).to(labels.device)
        own = part_scores(logits[rows], target, labels[rows])
        scores |= {f"{part}_{metric}": value for metric, value in own.items()}
    scores["kept_epoch"] = float(fitted.kept_epoch)
    return FoldResult(
        fold=number,
        fit=fitted,
        scores=scores,
        probabilities=target.probabilities(logits).cpu().numpy(),
        decoded=target.decode(logits).cpu().numpy(),
    )
