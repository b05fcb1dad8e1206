"""Movies in every format that is read here: the same frames, and the size of a pixel where it is told."""

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from tmdscope.errors import UserError
from tmdscope.stem.frames import FrameError, open_movie

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
    np.save(tmp_path / "last.npy", np.moveaxis(MOVIE, 0, -1) / 255)  # three frames, no picture in colours
    with pytest.raises(UserError, match="64 frames of 3 x 80 px"):
        open_movie(tmp_path / "last.npy")
    np.save(tmp_path / "objects.npy", np.array([{}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read"):
        open_movie(tmp_path / "objects.npy")


@pytest.mark.parametrize(("unit", "per"), [("CENTIMETER", 1e7), ("INCH", 2.54e7)])
def test_a_resolution_of_atoms_is_the_size_of_a_pixel(unit, per, tmp_path):
    resolution = (per / 0.03, per / 0.03)
    tifffile.imwrite(tmp_path / "one.tif", MOVIE[0], resolution=resolution, resolutionunit=unit)
    assert open_movie(tmp_path / "one.tif").pixel_nm == pytest.approx(0.03)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_stacks_of_one_page_are_read(compression, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", MOVIE.astype(np.uint16), compression=compression)
    assert np.array_equal(np.stack(list(open_movie(tmp_path / "a.tif"))), MOVIE)


def test_frames_of_a_folder_are_in_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        np.save(tmp_path / f"frame{number}.npy", np.full((64, 64), number))
    assert [int(frame[0, 0]) for frame in open_movie(tmp_path)] == [1, 2, 10]


def test_a_frame_that_fails_is_told_and_others_are_read(tmp_path):
    path = write(tmp_path, "folder")
    Image.fromarray(MOVIE[0][:, :70]).save(path / "001.png")
    movie = open_movie(path)
    with pytest.raises(FrameError, match="frame 1 is 70 x 64 px, the others 80 x 64 px"):
        movie.frame(1)
    assert movie.frame(2).shape == (64, 80)


def test_hdf5_that_reads_other_files_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(64 * 64))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (64, 64), "u1", external=[(str(tmp_path / "secret"), 0, 64 * 64)])
    with pytest.raises(UserError, match="lies in other files"):
        open_movie(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "values", [np.ones((64, 64), complex), np.ones((2, 2, 2, 64, 64))], ids=["complex", "5"]
)
def test_arrays_that_are_no_frames_are_refused(values, tmp_path):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UserError, match=r"a\.npy holds"):
        open_movie(tmp_path / "a.npy")


def test_nothing_of_the_package_imports_the_gpl_reader():
    from tests.test_floors import MODULES, imports_of

    importers = [path for path in MODULES if any(name.startswith("rsciio") for name in imports_of(path))]
    assert importers == []
