import io

import numpy as np
import pandas as pd
from PIL import Image, ImageColor

from tmdscope.report.figures.base import colours
from tmdscope.report.figures.defects import annotated, gif
from tmdscope.report.figures.embeddings import Plane, component_planes
from tmdscope.report.figures.images import image_grid
from tmdscope.report.figures.scores import confusion_matrices, training_curves
from tmdscope.scores.task import CLASSES

METRIC = CLASSES.primary


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def history(epochs: int) -> pd.DataFrame:
    columns = ["train_loss", "train_macro_f1", "val_loss", "val_macro_f1"]
    table = pd.DataFrame(np.random.default_rng(1).random((epochs, 4)), columns=columns)
    table.insert(0, "epoch", np.arange(1, epochs + 1))
    return table


def test_curves_of_different_lengths_share_a_figure() -> None:
    assert pixels(training_curves({"a": history(3), "b": history(40)}, METRIC)).std() > 0


def test_an_odd_number_of_matrices_leaves_no_empty_axes() -> None:
    counts = np.diag([3.0, 2.4])
    classes = ("MoS2", "WS2")
    three = pixels(confusion_matrices(dict.fromkeys("abc", counts), classes))
    one = pixels(confusion_matrices({"a": counts}, classes))
    assert three.shape[0] > one.shape[0]
    corner = three[three.shape[0] // 2 + 40 :, three.shape[1] // 2 + 40 :]
    assert corner.min() == 255


def test_more_classes_than_colours_can_be_drawn() -> None:
    classes = [f"class {k}" for k in range(11)]
    scores = pd.DataFrame(np.random.default_rng(1).normal(size=(22, 2)), columns=["PC1", "PC2"])
    scores["label"] = classes * 2
    plain = component_planes([Plane("", scores)], classes)
    scores["part"] = ["test"] * 11 + ["train and validation"] * 11
    assert component_planes([Plane("", scores)], classes) != plain


def test_a_class_with_fewer_images_leaves_its_row_short() -> None:
    image = np.zeros((8, 8), np.uint8)
    grid = pixels(image_grid({"many": [image] * 4, "few": [image]}))
    assert grid[grid.shape[0] // 2 + 10 :, grid.shape[1] // 2 :].min() == 255


def test_every_figure_is_a_png() -> None:
    scores = pd.DataFrame({"PC1": [0.0, 1.0], "PC2": [1.0, 0.0], "label": ["a", "b"]})
    figures = [
        training_curves({"a": history(1)}, METRIC),
        confusion_matrices({"a": np.zeros((2, 2))}, ("a", "b")),
        component_planes([Plane("", scores)], ["a", "b"]),
        image_grid({"a": [np.zeros((8, 8), np.uint8)]}),
    ]
    for png in figures:
        picture = Image.open(io.BytesIO(png))
        assert picture.format == "PNG"
        assert min(picture.size) > 100


def test_the_same_data_give_the_same_picture() -> None:
    assert training_curves({"a": history(3)}, METRIC) == training_curves({"a": history(3)}, METRIC)


def test_marks_of_a_moving_picture_keep_the_colours_of_classes() -> None:
    names = ("SW", "Mo", "VW")
    grey = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    marks = pd.DataFrame({"x_px": [12.0, 32.0, 52.0], "y_px": 32.0, "label": names})
    film = Image.open(io.BytesIO(gif([annotated(grey, marks, names)] * 2)))
    shown = np.asarray(film.convert("RGB"))
    for x, colour in zip((12, 32, 52), colours(names).values(), strict=True):
        assert tuple(shown[32, x - 9]) == ImageColor.getrgb(colour)
