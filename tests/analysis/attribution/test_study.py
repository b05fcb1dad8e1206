"""Attribution of held-out images, from network to numbers."""

import json

import numpy as np
import pytest

from tests.analysis.attribution.networks import BRIGHT, SETTINGS, image, known_network, noise, random_network
from tmdscope.analysis.attribution.study import AttributionData, choose, explain
from tmdscope.analysis.record import Attribution, ExplainedModel
from tmdscope.params.common import ScoringParams

MODEL = ExplainedModel("m", 3, "best", 1)
SCORING = ScoringParams(bootstrap=100, seed=1)


@pytest.mark.parametrize("target", ["multiclass", "multilabel"])
def test_everything_is_measured(target: str) -> None:
    explained, images = random_network(target=target), noise(6)
    labels = explained.predict(images)
    masks = {"steps": np.random.default_rng(2).random(images.shape) < 0.5}
    data = AttributionData(images, labels, ["a", "a", "b", "b", "c", "c"], masks)
    found = explain(explained, data, SETTINGS, SCORING, MODEL)
    summary = found.summary
    assert Attribution.parse(json.loads(json.dumps(summary.to_dict(), allow_nan=False))) == summary
    assert (summary.images, summary.correct, summary.map_px) == (6, 6, 2)
    assert summary.shown == len(found.shown) == len(found.maps["occlusion"])
    assert set(summary.agreement) == {"cam-grad_cam", "cam-occlusion", "grad_cam-occlusion"}
    assert list(summary.sanity["cam"]) == [
        "output",
        "embedding",
        "layer4",
        "layer3",
        "layer2",
        "layer1",
        "conv1",
    ]
    assert summary.sanity["cam"]["embedding"].mean == pytest.approx(1)  # the head is not in the sum
    last = summary.sanity["grad_cam"]["conv1"].mean
    assert last is not None
    assert last < 0.99
    assert summary.truth["steps"]["occlusion"].gain.images == len(found.shown)
    assert summary.truth["steps"]["cam"].area == pytest.approx(0.5, abs=0.05)


def test_a_network_that_looks_at_the_feature_gains_on_it() -> None:
    pixels = image()
    pixels[20:28, 20:28] = 128
    masks = np.zeros((2, *pixels.shape), bool)
    masks[:, BRIGHT[0], BRIGHT[1]] = True
    data = AttributionData(np.stack([pixels] * 2), np.zeros(2, np.int64), ["a", "b"], {"bright": masks})
    patch = {"patch_px": 8, "stride_px": 4}
    # The known network has no lower layers to draw anew.
    import tmdscope.analysis.attribution.study as study

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study, "randomised", lambda network, seed: iter([("conv1", network)]))
        found = explain(known_network(), data, SETTINGS.model_copy(update=patch), SCORING, MODEL).summary
    area = 64 / 32**2
    for method in ("cam", "grad_cam"):
        on_it = found.truth["bright"][method]
        assert on_it.mass > 0.9
        assert on_it.area == pytest.approx(area)
        assert on_it.hit.mean == 1
    assert found.truth["bright"]["occlusion"].mass > 4 * area
    assert found.agreement["cam-grad_cam"].mean > 0.95


def test_images_that_are_not_simulated_have_no_truth() -> None:
    explained, images = random_network(), noise(2)
    data = AttributionData(images, explained.predict(images), ["a", "b"], {})
    assert explain(explained, data, SETTINGS, SCORING, MODEL).summary.truth == {}


def test_a_network_that_is_always_wrong_shows_nothing() -> None:
    explained, images = random_network(), noise(2)
    wrong = (explained.predict(images) + 1) % 3
    found = explain(explained, AttributionData(images, wrong, ["a", "b"], {}), SETTINGS, SCORING, MODEL)
    assert found.summary.shown == found.summary.correct == 0
    assert found.maps["occlusion"].shape == (0, 64, 64)
    assert found.summary.agreement["cam-occlusion"].mean is None
    json.dumps(found.summary.to_dict(), allow_nan=False)


def test_each_sample_is_chosen_before_any_twice() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    data = AttributionData(noise(5), labels, ["a", "a", "b", "c", "c"], {})
    assert choose(data, labels, 2).tolist() == [0, 2, 3, 4]
    assert choose(data, np.array([0, 0, 1, 1, 0]), 2).tolist() == [0, 1, 3]
