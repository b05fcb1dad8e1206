import torch
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.vision.augment import random_flips


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_flips_keep_every_pixel_and_hit_every_variant() -> None:
    images = torch.arange(16, dtype=torch.uint8).view(1, 4, 4).expand(200, 4, 4)
    flipped = random_flips(images, generator())
    variants = [images[0], images[0].flip(0), images[0].flip(1), images[0].flip(0, 1)]
    counts = [int((flipped == variant).all(dim=2).all(dim=1).sum()) for variant in variants]
    assert sum(counts) == 200
    assert min(counts) > 25


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_an_image_becomes_a_mirror_image_of_itself(seed: int, count: int, height: int, width: int) -> None:
    images = torch.arange(count * height * width).view(count, height, width)
    flipped = random_flips(images, torch.Generator().manual_seed(seed))
    for image, result in zip(images, flipped, strict=True):
        assert torch.equal(result.flatten().sort().values, image.flatten())
        assert any(torch.equal(result, image.flip(axes)) for axes in ([], [0], [1], [0, 1]))


def test_the_same_generator_flips_the_same_way() -> None:
    images = torch.randint(0, 255, (20, 5, 5), dtype=torch.uint8)
    assert torch.equal(random_flips(images, generator()), random_flips(images, generator()))
