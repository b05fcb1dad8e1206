"""Both ways of preparing pictures give the same images."""

from pathlib import Path

import numpy as np
from benchmarks.prepare_1026 import PICTURES, RAW_PX, SETTINGS, plain_prepare, raw

from tmdscope.dataset.prepare import prepare


def test_both_ways_give_the_same_images(tmp_path: Path) -> None:
    folder = Path(raw(3).name) / "raw"
    ours = prepare(folder, tmp_path / "prepared", SETTINGS).images
    plain_prepare(sorted((folder / PICTURES).iterdir()), tmp_path / "plain.npy")
    plain = np.load(tmp_path / "plain.npy")
    assert ours.shape == plain.shape == (3, SETTINGS.size_px, SETTINGS.size_px)
    assert SETTINGS.size_px < RAW_PX
    apart = np.abs(ours.astype(int) - plain.astype(int))
    assert apart.mean() < 1.0  # grey levels: PIL's box takes whole pixels, ours the parts of them inside
    assert np.corrcoef(ours.ravel(), plain.ravel())[0, 1] > 0.999
