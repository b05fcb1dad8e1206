"""Pre-training on simulated scans: a backbone learns to read physical quantities off an image."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmdscope.errors import UserError
from tmdscope.learn.fit import predict_logits
from tmdscope.materials import MATERIALS
from tmdscope.params.images import PretrainParams
from tmdscope.progress import progress
from tmdscope.scan.level import SIMPLE, level
from tmdscope.scan.robust import CORNERS, Points
from tmdscope.scan.simulate import SamplePlan, plan_samples, simulate_sample
from tmdscope.vision.augment import FLIPS, apply_symmetry
from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.convolutions import fast_convolutions
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.recorded import send

_HELD_OUT = 0.1


@dataclass(frozen=True)
class PretrainResult:
    """A pre-trained backbone (state dict of the bare one) and how well it reads the quantities.

    `history` has ``epoch``, ``train_loss``, ``val_loss`` (mean squared error in standard deviations);
    `r_squared` the share of each quantity's variance that is read off held-out images, if it varies on them.
    """

    state: dict[str, Tensor]
    history: list[dict[str, float]]
    r_squared: dict[str, float]


def simulate_corpus(
    settings: PretrainParams,
    percentiles: Sequence[float],
    steps: Sequence[str] = SIMPLE,
    points: Points = CORNERS,
) -> tuple[NDArray[np.uint8], pd.DataFrame]:
    """Simulate images to pre-train on, one per sample and all materials alike.

    Percentiles (black and white point in %), levelling steps and their points are those of the study's
    images. Gives uint8 images, N x S x S, and a table of N rows with the simulator's truth. Samples are named
    ``pretrain-...``, so that none is a sample of a study whatever its seed.
    """
    shares = dict.fromkeys(MATERIALS, 1.0)
    plans = plan_samples(shares, settings.images, settings.images, settings.seed)
    images = np.empty((settings.images, settings.size_px, settings.size_px), np.uint8)
    truth = []
    for row, plan in enumerate(progress(plans, len(plans), "simulate scans to pre-train on")):
        named = SamplePlan(f"pretrain-{plan.sample_id}", plan.material, plan.images)
        (simulated,) = simulate_sample(named, settings.size_px, settings.frame_nm, settings.seed)
        images[row] = level(simulated.scan.height_nm, percentiles, steps, points)
        truth.append(simulated.truth)
    return images, pd.DataFrame(truth)


def pretrain(
    images: NDArray[np.uint8],
    truth: pd.DataFrame,
    settings: PretrainParams,
    device: torch.device,
    on_epoch: Callable[[dict[str, float]], None],
) -> PretrainResult:
    """Train a backbone to predict the simulator's quantities, with one learning-rate cycle.

    Images are uint8, N x S x S; the last tenth is held out. Of the N rows of `truth`, quantities that are
    always positive are learnt as logarithms, all standardised; NaN is left out of the loss. The backbone is
    that after the last epoch. A loss that is no longer finite is a `UserError`.
    """
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    targets = _standardise(truth)
    held_out = max(2, round(len(images) * _HELD_OUT))
    train, val = len(images) - held_out, slice(len(images) - held_out, None)
    inputs = torch.from_numpy(images).to(device)
    wanted = torch.tensor(targets.to_numpy(np.float32), device=device)
    network = bare_backbone(settings.architecture, size_px=images.shape[1])
    regressor = nn.Linear(feature_count(settings.architecture), targets.shape[1])
    model = nn.Sequential(Backbone(network, GREY_NORMALISATION), regressor)
    model.to(device).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    steps = settings.epochs * -(-train // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    history = []
    for epoch in range(1, settings.epochs + 1):
        batches = torch.randperm(train, generator=generator).split(settings.batch_size)
        train_loss = _train_epoch(model, inputs, wanted, batches, schedule, generator)
        predicted = predict_logits(model, inputs[val], settings.batch_size)
        scores = {
            "epoch": float(epoch),
            "train_loss": train_loss,
            "val_loss": float(_loss(predicted, wanted[val])),
        }
        if not math.isfinite(train_loss):
            raise UserError(
                f"pretrain.learning_rate {settings.learning_rate}: the loss is {train_loss}, lower it"
            )
        history.append(scores)
        on_epoch(scores)
    state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    return PretrainResult(state, history, _r_squared(predicted, wanted[val], list(targets.columns)))


def _train_epoch(
    model: nn.Module,
    inputs: Tensor,
    wanted: Tensor,
    batches: Sequence[Tensor],
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    generator: torch.Generator,
) -> float:
    """Train on batches (rows, on the CPU) and give the mean loss; rows and flips are sent in one piece."""
    model.train()
    drawn = [
        torch.stack([batch, torch.randint(FLIPS, (len(batch),), generator=generator)]) for batch in batches
    ]
    there = send(torch.cat(drawn, dim=1), inputs.device)
    losses = []
    for batch, codes in there.split([len(batch) for batch in batches], dim=1):
        with fast_convolutions(inputs.device):
            loss = _loss(model(apply_symmetry(inputs[batch], codes)), wanted[batch])
        schedule.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        schedule.optimizer.step()
        schedule.step()
        losses.append(loss.detach() * len(batch))
    return float(torch.stack(losses).sum()) / sum(map(len, batches))


def _standardise(truth: pd.DataFrame) -> pd.DataFrame:
    scaled = truth.astype(float)
    positive = scaled.columns[scaled.min() > 0]
    scaled[positive] = np.log(scaled[positive])
    spread = scaled.std(ddof=0)
    return ((scaled - scaled.mean()) / spread).loc[:, spread > 0]


def _r_squared(predicted: Tensor, wanted: Tensor, names: Sequence[str]) -> dict[str, float]:
    residual = (predicted - wanted).square().nanmean(dim=0)
    variance = (wanted - wanted.nanmean(dim=0)).square().nanmean(dim=0)
    shares = zip(names, (1 - residual / variance).tolist(), strict=True)
    return {name: share for name, share in shares if math.isfinite(share)}


def _loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    known = wanted.isfinite()  # nanmean would give an unknown quantity the gradient NaN
    return torch.where(known, predicted - wanted, 0.0).square().sum() / known.sum()
