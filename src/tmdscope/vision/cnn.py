"""The small convolutional network of the poster *DefectFinder*, without its last layer."""

from itertools import pairwise

from torch import Tensor, nn

FEATURES = 64
"""Values that it gives of an image."""

_KERNELS = (7, 5, 3, 3)
_WIDTHS = (1, 8, 16, 32, FEATURES)


class Convolutions(nn.Module):
    """Four convolutions, each with batch norm, ReLU, pooling and dropout, then the mean of their maps.

    Takes images N x C x S x S, whose first channel it sees, 16 px or more: they are halved four times.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, k, padding=k // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for (a, b), k in zip(pairwise(_WIDTHS), _KERNELS, strict=True)
        ]
        pools = [nn.Sequential(nn.MaxPool2d(2), nn.Dropout(dropout)) for _ in blocks]
        self.first = nn.Sequential(
            *(layer for pair in zip(blocks[:-1], pools[:-1], strict=True) for layer in pair)
        )
        self.last, self.pool = blocks[-1], pools[-1]

    def maps(self, images: Tensor) -> Tensor:
        """Give the activations before the last pooling, N x 64 x S/8 x S/8."""
        activations: Tensor = self.last(self.first(images[:, :1]))
        return activations

    def forward(self, images: Tensor) -> Tensor:
        """Give features, N x 64."""
        features: Tensor = self.pool(self.maps(images)).mean(dim=(2, 3))
        return features
