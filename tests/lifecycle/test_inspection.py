"""`tmdscope inspect`: what is in a file, a picture, and errors before anything slow."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scan.read.files import ibw, nanoscope
from tmdscope.errors import UserError
from tmdscope.lifecycle.inspection import compare_chains, inspect_file
from tmdscope.params.images import LevellingParams, PrepareParams
from tmdscope.scan.level_error import CHAINS

SETTINGS = PrepareParams(
    size_px=100, percentiles=[0.5, 99.5], levelling=LevellingParams(crop_nm=500.0, steps=["plane", "scars"])
)


def test_channels_sizes_and_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "scan.spm"
    heights = np.random.default_rng(1).uniform(-30, 30, (40, 50))
    path.write_bytes(nanoscope(heights, width_nm=1000.0, height_of_frame_nm=600.0))
    picture = tmp_path / "pictures" / "scan.png"
    said = inspect_file(path, SETTINGS, picture)
    assert "Bruker Nanoscope, 2 channel(s)" in said
    assert "* Height Sensor: 50 x 40 px of 20 x 15 nm, in nm" in said
    assert "  Amplitude Error: 50 x 40 px of 20 x 15 nm, in mV" in said
    assert "1000 x 600 nm" in said
    assert "levelled: plane, scars; an image's pixel is 5 nm" in said
    assert str(picture) in said
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert np.ptp(np.asarray(drawn.convert("L"))) > 100


def test_a_damaged_file_leaves_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "scan.spm"
    path.write_bytes(nanoscope(np.ones((40, 50)))[:-10])
    with pytest.raises(UserError, match=r"scan\.spm: .*it is cut off"):
        inspect_file(path, SETTINGS, tmp_path / "scan.png")
    assert not (tmp_path / "scan.png").exists()


def test_doubts_are_told(tmp_path: Path) -> None:
    path = tmp_path / "scan.ibw"
    path.write_bytes(ibw(np.random.default_rng(1).uniform(-30, 30, (40, 50)), 1000.0, 2000.0, (20.0, 20.0)))
    said = inspect_file(path, SETTINGS, tmp_path / "scan.png")
    assert "on 1000 x 800 nm" in said
    assert "warning: it is 40 of 100 pixels high" in said
    assert "warning: neighbouring lines have nothing in common" in said


def test_chains_side_by_side_with_the_error_of_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:64, :64] / 64
    heights = 0.7 * (np.hypot((3 * x) % 1 - 0.5, (3 * y) % 1 - 0.5) < 0.3) + x + rng.normal(0, 0.06, (64, 64))
    path = tmp_path / "scan.ibw"
    path.write_bytes(ibw(heights, 1000.0, 1000.0, (1000 / 64, 1000 / 64)))
    settings = SETTINGS.model_copy(update={"levelling": LevellingParams(crop_nm="whole", steps=[])})
    said = compare_chains(path, settings, tmp_path / "scan.png")
    assert re.search(r"levels 0\.(6|7)\d* nm apart, the upper one on 2\d%", said)
    for name, steps in CHAINS.items():
        assert f"  {name} ({', '.join(steps)}): step off by" in said
    assert "an estimate on simulated surfaces" in said
    with Image.open(tmp_path / "scan.png") as drawn:
        assert drawn.width > drawn.height > 400
