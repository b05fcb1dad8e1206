"""Windows as 8-bit images, all on one scale."""

import numpy as np
import pytest

from tmdscope.stem.windows import from_grey, to_grey


def test_grey_keeps_windows_to_half_a_level() -> None:
    windows = np.linspace(-1, 3, 4000, dtype=np.float32).reshape(4, 1000)
    assert from_grey(to_grey(windows)) == pytest.approx(windows, abs=0.5 * 4 / 255 + 1e-6)


def test_what_lies_beyond_the_scale_is_cut_off() -> None:
    assert to_grey(np.array([-9.0, 9.0], np.float32)).tolist() == [0, 255]
