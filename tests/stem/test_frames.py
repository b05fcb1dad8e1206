"""Movies in every format that is read here: the same frames, and the size of a pixel where it is told."""

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from tmdscope.errors import UserError
from tmdscope.stem.frames import open_movie

MOVIE = np.random.default_rng(1).integers(0, 255, (3, 64, 80)).astype(np.uint8)


def write(path, kind):
    """Write the movie in a format."""
    if kind == "folder":
        path = path / "frames"
        path.mkdir()
        for number, frame in enumerate(MOVIE):
            Image.fromarray(frame).save(path / f"{number:03d}.png")
        return path
    path = path / f"movie.{kind}"
    if kind == "npy":
        np.save(path, MOVIE)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("frames", data=MOVIE).attrs["pixel_nm"] = 0.03
    elif kind == "tif":
        tifffile.imwrite(path, MOVIE, imagej=True, resolution=(1 / 0.03, 1 / 0.03), metadata={"unit": "nm"})
    else:
        first, *others = (Image.fromarray(frame) for frame in MOVIE)
        first.save(path, save_all=True, append_images=others)
    return path


@pytest.mark.parametrize("kind", ["npy", "h5", "tif", "gif", "folder"])
def test_every_format_gives_the_frames(kind, tmp_path):
    movie = open_movie(write(tmp_path, kind))
    frames = list(movie)
    assert (movie.frames, movie.shape) == (3, (64, 80))
    assert [frame.dtype for frame in frames] == [np.float32] * 3
    assert np.abs(np.stack(frames) - MOVIE).max() <= 1
    assert movie.pixel_nm == (pytest.approx(0.03) if kind in ("h5", "tif") else None)


def test_a_printers_resolution_is_no_size_of_a_pixel(tmp_path):
    tifffile.imwrite(tmp_path / "one.tif", MOVIE[0], resolution=(72, 72))
    movie = open_movie(tmp_path / "one.tif")
    assert (movie.frames, movie.pixel_nm) == (1, None)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.txt", b"x", "none of"),
        ("a.npy", b"x", "cannot be read"),
        ("a.tif", b"x", "cannot be read"),
        ("a.png", b"x", "cannot be read"),
        ("a.h5", b"x", "cannot be read"),
        ("a.dm3", b"x", "rosettasciio"),
    ],
)
def test_what_is_no_movie_is_told(name, content, match, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=match):
        open_movie(tmp_path / name)


def test_small_frames_and_pickles_are_refused(tmp_path):
    np.save(tmp_path / "small.npy", MOVIE[:, :20])
    with pytest.raises(UserError, match="3 frames of 80 x 20 px"):
        open_movie(tmp_path / "small.npy")
    np.save(tmp_path / "objects.npy", np.array([{}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        open_movie(tmp_path / "objects.npy")


def test_nothing_of_the_package_imports_the_gpl_reader():
    from tests.test_floors import MODULES, imports_of

    importers = [path for path in MODULES if any(name.startswith("rsciio") for name in imports_of(path))]
    assert importers == []
