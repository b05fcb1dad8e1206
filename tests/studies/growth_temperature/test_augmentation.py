"""The MoS2 paper's augmentations, as meant and as its code did them."""

import numpy as np
import pytest

from tmdscope.studies.growth_temperature.augmentation import POLICIES, augment

LABELS = np.array([0] * 2 + [1] * 6 + [2] * 4)
IMAGES = np.random.default_rng(1).integers(0, 256, (len(LABELS), 16, 16)).astype(np.uint8)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_copy_is_of_a_row_and_the_same_again(policy) -> None:
    one, other = (augment(policy, IMAGES, LABELS, 2, 0.5, 3) for _ in range(2))
    assert one.images.shape == (len(one.rows), 16, 16)
    assert one.images.dtype == np.uint8
    assert len(one.labels) == len(one.rows)
    assert set(one.rows) == set(range(len(LABELS)))
    np.testing.assert_array_equal(one.images, other.images)


@pytest.mark.parametrize("policy", ["aug1", "aug2", "aug3", "aug4"])
def test_a_copy_keeps_its_label(policy) -> None:
    found = augment(policy, IMAGES, LABELS, 2, 0.5, 3)
    np.testing.assert_array_equal(found.labels, LABELS[found.rows])
    assert not found.bright


@pytest.mark.parametrize(
    ("policy", "counts"), [("aug1", [12, 12, 12]), ("aug3", [6, 6, 6]), ("aug4", [2, 6, 4])]
)
def test_rare_classes_are_copied_more_often(policy, counts) -> None:
    assert np.bincount(augment(policy, IMAGES, LABELS, 2, 0.5, 3).labels).tolist() == counts


def test_crops_of_the_code_are_all_the_same_and_some_labels_are_shifted() -> None:
    meant, done = (augment(name, IMAGES, LABELS, 3, 0.5, 3) for name in ("aug1", "aug1-paper-defects"))
    of_first = meant.images[meant.rows == 0], done.images[done.rows == 0]
    assert len({image.tobytes() for image in of_first[0]}) > 1
    assert len({image.tobytes() for image in of_first[1]}) == 1
    assert (done.labels != LABELS[done.rows]).any()


def test_images_of_the_codes_autoaugment_are_too_bright() -> None:
    assert augment("aug2-paper-defects", IMAGES, LABELS, 1, 0.5, 3).bright
