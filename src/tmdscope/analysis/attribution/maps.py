"""Maps of where in an image a class's score comes from, by three methods.

``cam`` is the TMD paper's: the last layer's maps summed over channels and divided by the largest value. No
class enters it. ``grad_cam`` (Selvaraju et al. 2017, arXiv:1610.02391) weighs the channels by the class
score's gradient. ``occlusion`` (Zeiler & Fergus 2014, arXiv:1311.2901) hides a square of the image and takes
what the score loses. The last is captum's.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tmdscope.params.images import AttributionParams
from tmdscope.vision.classifier import Classifier
from tmdscope.vision.features import apply_in_batches, fold_batch_norm
from tmdscope.vision.targets import Target

Maps = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Explained:
    """One fold's network, on `device`, in evaluation mode, and what is asked of it.

    Maps are those of `layer`, one of its stages (`tmdscope.vision.backbones.stages`), interpolated linearly
    to the images' N x S x S; tokens of a transformer are maps of its patches.
    """

    classifier: Classifier
    target: Target
    layer: str
    batch_size: int
    device: torch.device

    @property
    def module(self) -> nn.Module:
        """The layer itself."""
        return self.classifier.backbone.network.get_submodule(self.layer)

    def scores(self, images: Tensor) -> Tensor:
        """Give `Target.class_scores`, N x K, of images with grey values 0..255, N x S x S."""
        return self.target.class_scores(self.classifier(images))

    def predict(self, images: NDArray[np.uint8]) -> Labels:
        """Give the most probable class of each image (N x S x S), int64, shape (N,)."""

        def predict(batch: Tensor) -> Tensor:
            return self.target.predict(self.classifier(batch))

        return apply_in_batches(predict, images, self.batch_size, self.device)

    def map_px(self, images: NDArray[np.uint8]) -> int:
        """Say how many rows the layer's maps have before interpolation: about S / 32 for ``layer4``."""
        return int(self._activation(torch.tensor(images[:1], device=self.device)).shape[-2])

    def cam(self, images: NDArray[np.uint8], labels: Labels) -> Maps:
        """Sum the layer's maps and divide by the largest value, as the paper does; `labels` are not used."""

        def _summed(batch: Tensor, _: Tensor) -> Tensor:
            maps = self._activation(batch).sum(dim=1, keepdim=True)
            return maps / maps.amax(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)

        return self._maps(_summed, images, labels)

    def grad_cam(self, images: NDArray[np.uint8], labels: Labels) -> Maps:
        """Weigh the layer's maps by the mean gradient of a class's score; below 0 speaks against it."""

        def _weighed(batch: Tensor, wanted: Tensor) -> Tensor:
            seen: list[Tensor] = []

            def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
                seen.append(output)
                return output.clone()  # a layer behind may write into it

            handle = self.module.register_forward_hook(keep)
            score = self.scores(batch).gather(1, wanted[:, None]).sum()
            handle.remove()
            (gradient,) = torch.autograd.grad(score, seen[0])
            weights = self._as_maps(gradient).mean(dim=(2, 3), keepdim=True)
            return (weights * self._as_maps(seen[0])).sum(dim=1, keepdim=True).detach()

        return self._maps(_weighed, images, labels)

    def occlusion(self, images: NDArray[np.uint8], labels: Labels, settings: AttributionParams) -> Maps:
        """Give each pixel the mean loss of a class's score over the squares that hide it, N x S x S."""
        from captum.attr import Occlusion

        backbone = fold_batch_norm(self.classifier.backbone)
        folded = Classifier(backbone, self.classifier.head)
        method = Occlusion(lambda batch: self.target.class_scores(folded(batch)))
        found = np.empty(images.shape, np.float32)
        for row, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            inputs = torch.tensor(image, dtype=torch.float32, device=self.device)[None]
            lost = method.attribute(
                inputs,
                target=label,
                sliding_window_shapes=(settings.patch_px, settings.patch_px),
                strides=(settings.stride_px, settings.stride_px),
                baselines=float(settings.grey),
                perturbations_per_eval=self.batch_size,
            )
            found[row] = lost[0].detach().cpu().numpy()
        return found

    @torch.no_grad()
    def _activation(self, batch: Tensor) -> Tensor:
        from captum.attr import LayerActivation

        maps: Tensor = LayerActivation(self.classifier, self.module).attribute(batch.float())
        return self._as_maps(maps)

    def _as_maps(self, output: Tensor) -> Tensor:
        """Bring what a layer gives into the form N x channels x h x w."""
        network = self.classifier.backbone.network
        if output.ndim == 3:
            patches = output[:, int(getattr(network, "num_prefix_tokens", 0)) :].transpose(1, 2)
            side = math.isqrt(patches.shape[2])
            return patches.reshape(*patches.shape[:2], side, side)
        return output.permute(0, 3, 1, 2) if getattr(network, "output_fmt", "NCHW") == "NHWC" else output

    def _maps(
        self, method: Callable[[Tensor, Tensor], Tensor], images: NDArray[np.uint8], labels: Labels
    ) -> Maps:
        """Bring the maps of each batch, B x 1 x h x w, to the images' size."""
        size = images.shape[-2:]
        parts = [
            functional.interpolate(method(batch, wanted), size=size, mode="bilinear", align_corners=False)
            for batch, wanted in self._batches(images, labels)
        ]
        none = torch.empty(0, 1, *size)
        return torch.cat([none, *(part.float().cpu() for part in parts)])[:, 0].numpy()

    def _batches(self, images: NDArray[np.uint8], labels: Labels) -> Iterator[tuple[Tensor, Tensor]]:
        """Images as floats, for gradients pass through no integers."""
        for start in range(0, len(images), self.batch_size):
            rows = slice(start, start + self.batch_size)
            batch = torch.tensor(np.array(images[rows]), dtype=torch.float32, device=self.device)
            yield batch, torch.tensor(labels[rows], device=self.device)
