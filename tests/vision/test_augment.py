import torch
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.vision.augment import FLIPS, apply_symmetry

ALL = 8

IMAGE = torch.arange(9, dtype=torch.uint8).view(1, 3, 3)


def versions(count: int) -> list[torch.Tensor]:
    return list(apply_symmetry(IMAGE.expand(count, 3, 3), torch.arange(count)))


def test_the_first_version_is_the_image_itself() -> None:
    assert torch.equal(versions(FLIPS)[0], IMAGE[0])


def test_flips_are_the_two_mirror_images_and_the_half_turn() -> None:
    image = IMAGE[0]
    wanted = [image, image.fliplr(), image.flipud(), image.rot90(2)]
    assert all(torch.equal(got, want) for got, want in zip(versions(FLIPS), wanted, strict=True))


def test_rotations_complete_the_symmetries_of_a_square() -> None:
    image = IMAGE[0]
    turned = [turn for k in range(4) for turn in (image.rot90(k), image.rot90(k).T)]
    found = {tuple(version.flatten().tolist()) for version in versions(ALL)}
    assert found == {tuple(turn.flatten().tolist()) for turn in turned}
    assert len(found) == ALL


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_every_image_gets_its_own_symmetry_and_keeps_its_pixels(seed: int, count: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, size, size), dtype=torch.uint8, generator=generator)
    codes = torch.randint(ALL, (count,), generator=generator)
    results = apply_symmetry(images, codes)
    for image, code, result in zip(images, codes, results, strict=True):
        assert torch.equal(result.flatten().sort().values, image.flatten().sort().values)
        assert torch.equal(result, apply_symmetry(image[None], code[None])[0])
