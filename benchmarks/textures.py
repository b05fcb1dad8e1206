"""Pictures that are no AFM scans of two-dimensional materials, cut and drawn at the size of an image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.color import rgb2gray

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "cell",
    "checkerboard",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "logo",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)
"""Pictures of `skimage.data` that come with scikit-image itself, without a download."""

DRAWN = ("drawn checks", "drawn stripes", "drawn noise", "drawn letters")

_LEAST_STD = 5.0  # grey levels; a tile of even background is no picture
_LETTER_ROWS, _LETTER_COLUMNS = 5, 4

Pictures = NDArray[np.uint8]


def make_textures(size_px: int, each: int) -> dict[str, Pictures]:
    """Cut photographs into tiles and draw patterns.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    each : int
        Pictures of each kind at most; a photograph may be too small for as many.

    Returns
    -------
    dict
        Kind to pictures, uint8, shape (pictures, size, size).
    """
    kinds = {name: cut_tiles(name, size_px, each) for name in PHOTOGRAPHS}
    rng = np.random.default_rng(1)
    draw: tuple[Callable[..., Pictures], ...] = (draw_checks, draw_stripes, draw_noise, draw_letters)
    for name, function in zip(DRAWN, draw, strict=True):
        kinds[name] = np.stack([function(size_px, rng) for _ in range(each)])
    return {name: pictures for name, pictures in kinds.items() if len(pictures)}


def cut_tiles(name: str, size_px: int, most: int) -> Pictures:
    """Cut a photograph into tiles that do not overlap.

    Parameters
    ----------
    name : str
        Of a function of `skimage.data`.
    size_px : int
        Rows and columns.
    most : int
        Tiles at most, the first from the top left; those of even grey are left out.

    Returns
    -------
    numpy.ndarray
        uint8, shape (tiles, size, size).
    """
    picture = getattr(data, name)()
    grey = 255 * rgb2gray(picture[..., :3]) if picture.ndim == 3 else np.asarray(picture, dtype=np.float64)
    if picture.dtype == bool:
        grey = 255 * grey
    rows, columns = (length // size_px for length in grey.shape)
    cut = grey[: rows * size_px, : columns * size_px].reshape(rows, size_px, columns, size_px)
    tiles = cut.swapaxes(1, 2).reshape(-1, size_px, size_px)
    chosen: Pictures = tiles[tiles.std(axis=(1, 2)) >= _LEAST_STD][:most].astype(np.uint8)
    return chosen


def draw_checks(size_px: int, rng: np.random.Generator) -> Pictures:
    """Draw a turned checkerboard.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    rng : numpy.random.Generator
        Draws angle and width.

    Returns
    -------
    numpy.ndarray
        uint8, shape (size, size).
    """
    along, across = _turned(size_px, rng)
    return np.where(np.sin(along) * np.sin(across) > 0, 255, 0).astype(np.uint8)


def draw_stripes(size_px: int, rng: np.random.Generator) -> Pictures:
    """Draw turned stripes.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    rng : numpy.random.Generator
        Draws angle and width.

    Returns
    -------
    numpy.ndarray
        uint8, shape (size, size).
    """
    return (127.5 + 127.5 * np.sin(_turned(size_px, rng)[0])).astype(np.uint8)


def draw_noise(size_px: int, rng: np.random.Generator) -> Pictures:
    """Draw white noise.

    Parameters
    ----------
    size_px : int
        Rows and columns.
    rng : numpy.random.Generator
        Draws the pixels.

    Returns
    -------
    numpy.ndarray
        uint8, shape (size, size).
    """
    return rng.integers(0, 256, (size_px, size_px)).astype(np.uint8)


def draw_letters(size_px: int, rng: np.random.Generator) -> Pictures:
    """Draw lines of random black glyphs on white.

    Parameters
    ----------
    size_px : int
        Rows and columns, at least 24.
    rng : numpy.random.Generator
        Draws the glyphs and their size.

    Returns
    -------
    numpy.ndarray
        uint8, shape (size, size).
    """
    page = np.full((size_px, size_px), 255, dtype=np.uint8)
    scale = int(rng.integers(1, 4))
    height, width = scale * _LETTER_ROWS, scale * _LETTER_COLUMNS
    for top in range(2, size_px - height, height + 2 * scale):
        for left in range(2, size_px - width, width + scale):
            ink = rng.random((_LETTER_ROWS, _LETTER_COLUMNS)) < 0.5
            glyph = np.kron(ink, np.ones((scale, scale), dtype=bool))
            page[top : top + height, left : left + width][glyph] = 0
    return page


def _turned(size_px: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phases along and across a random direction, with a period of 4 to 24 pixels."""
    rows, columns = np.mgrid[:size_px, :size_px]
    turn, wave = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(4, 24)
    along = wave * (columns * np.cos(turn) + rows * np.sin(turn))
    across = wave * (rows * np.cos(turn) - columns * np.sin(turn))
    return along, across
