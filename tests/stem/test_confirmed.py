"""Sites that a network confirms."""

import numpy as np

from tmdscope.stem.confirmed import Confirmed
from tmdscope.stem.crystal import WS2
from tmdscope.stem.localise import SiteIntensity
from tmdscope.stem.simulate import Condition, simulate_frames
from tmdscope.stem.windows import SIZE


def test_of_more_sites_those_are_kept_that_the_network_is_sure_of() -> None:
    frame = next(simulate_frames(WS2, Condition(noise=0.1), 256, 1, 1, 1))
    seen: list[tuple[int, ...]] = []

    def of_bright(windows: np.ndarray) -> np.ndarray:
        seen.append(windows.shape)
        middle = windows[:, SIZE // 2 - 1 : SIZE // 2 + 1, SIZE // 2 - 1 : SIZE // 2 + 1]
        return (middle.mean(axis=(1, 2)) > 175).astype(float)  # 1.7 columns: two atoms of W

    found, all_of_them = Confirmed(chance=of_bright)(frame.image), Confirmed()(frame.image)
    assert len(all_of_them) > len(SiteIntensity()(frame.image)) > len(found) == 1
    assert seen == [(len(all_of_them), SIZE, SIZE)]
    true = frame.truth[frame.truth["label"] == "W2S2"][["x_px", "y_px"]].to_numpy()[0]
    assert np.hypot(*(found[["x_px", "y_px"]].to_numpy()[0] - true)) < 2
