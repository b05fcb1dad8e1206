from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.lifecycle.programs import PREPARE, SIZE_PX, make_complete
from tests.scan.read.files import gwy, ibw, nanoscope
from tests.tracking.programs import CLASSES, IMAGES, make_program
from tmdscope.dataset.prepare import prepare_content, prepare_scan
from tmdscope.errors import UserError
from tmdscope.lifecycle.predictor import BATCH, Predictor
from tmdscope.params.images import LevellingParams
from tmdscope.reliability.reliability import assess
from tmdscope.scan.level import level, resize_area
from tmdscope.scan.read.read import read_file
from tmdscope.tracking.scale import Scale

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(make_complete(), "a model", CPU)


def save(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(path)
    return path


def test_a_prediction_says_what_the_program_says(predictor: Predictor) -> None:
    with torch.inference_mode():
        expected = make_complete().ensemble(torch.from_numpy(IMAGES)).numpy()
    found = predictor.predict(IMAGES, ["a", "b", "c"])
    for row, prediction in zip(expected, found, strict=True):
        assert prediction.material == CLASSES[row.argmax()]
        assert prediction.probability == pytest.approx(row.max(), abs=1e-5)
        assert prediction.probabilities == pytest.approx(dict(zip(CLASSES, row, strict=True)), abs=1e-5)


def test_what_is_stored_beside_the_model_is_used(predictor: Predictor) -> None:
    program = make_complete()
    with torch.inference_mode():
        logits, embeddings = program.ensemble.member_outputs(torch.from_numpy(IMAGES))
        given = torch.stack([program.ensemble.target.probabilities(values) for values in logits]).numpy()
    assert program.reliability is not None
    expected = assess(program.reliability, given, torch.stack(embeddings).numpy())
    for k, prediction in enumerate(predictor.predict(IMAGES, ["a", "b", "c"])):
        label = CLASSES.index(prediction.material)
        assert prediction.calibrated == pytest.approx(expected.calibrated[k, label], abs=1e-5)
        assert prediction.spread == pytest.approx(expected.spread[k], abs=1e-5)
        assert prediction.candidates == tuple(np.array(CLASSES)[expected.sets[k]])
        assert prediction.unfamiliar == expected.unfamiliar[k]
        assert prediction.atoms == {}


def test_a_multilabel_model_tells_atoms() -> None:
    program = make_complete(multilabel=True)
    found = Predictor(program, "a model", CPU).predict(IMAGES, ["a", "b", "c"])
    with torch.inference_mode():
        logits, _ = program.ensemble.member_outputs(torch.from_numpy(IMAGES))
    expected = torch.stack(logits).sigmoid().mean(dim=0)[1].tolist()
    assert found[1].atoms == pytest.approx(dict(zip(("Mo", "W", "S", "Se"), expected, strict=True)), abs=1e-5)
    assert found[1].not_trained == ()


def test_nothing_is_said_of_what_no_training_image_could_tell() -> None:
    program = make_complete(multilabel=True)
    predictor = Predictor(
        replace(program, config=replace(program.config, trained=("MoS2", "WS2"))), "a model", CPU
    )
    for said in predictor.predict(IMAGES, ["a", "b", "c"]):
        assert said.not_trained == ("WSe2", "S", "Se")
        assert set(said.atoms) == {"Mo", "W"}
        assert set(said.probabilities) == {"MoS2", "WS2"}
        assert said.material in ("MoS2", "WS2")
        assert "WSe2" not in said.candidates


@pytest.mark.parametrize(
    ("width_nm", "said"),
    [
        (1000.0, ""),
        (1030.0, ""),
        (5000.0, "cropped: 1000 of 5000 nm"),
        (300.0, "differs: 300 nm wide, trained on 1000 nm"),
    ],
)
def test_a_scan_of_another_width_is_cropped_or_told(tmp_path: Path, width_nm: float, said: str) -> None:
    heights = np.random.default_rng(7).normal(size=(80, 80)).astype(np.float32)
    program = make_complete()
    knows = Predictor(replace(program, scale=Scale(1000.0, 1000.0, 9, 9)), "a model", CPU)
    (tmp_path / "a.spm").write_bytes(nanoscope(heights, width_nm=width_nm))
    (found,) = knows.stream([tmp_path / "a.spm"])
    assert found.scale == said
    scan = read_file(tmp_path / "a.spm").scan
    own = PREPARE.cropped_to(1000.0) if said.startswith("cropped") else PREPARE
    image = prepare_scan(scan.height_nm, scan.pixel_size_nm, own).image
    (expected,) = knows.predict(image[None], ["a"])
    assert found.probabilities == expected.probabilities
    np.save(tmp_path / "a.npy", scan.height_nm)
    (unknown,) = knows.stream([tmp_path / "a.npy"])
    assert unknown.scale == "unknown"
    (given,) = knows.stream([tmp_path / "a.npy"], pixel_size_nm=width_nm / 80)
    assert (given.scale, given.probabilities) == (found.scale, found.probabilities)
    (silent,) = Predictor(program, "a model", CPU).stream([tmp_path / "a.spm"])
    assert silent.scale == ""


def test_files_are_prepared_as_those_of_the_study(predictor: Predictor, tmp_path: Path) -> None:
    large = np.random.default_rng(2).integers(0, 256, (80, 100), dtype=np.uint8)
    path = save(tmp_path / "large.png", large)
    (from_file,) = predictor.stream([path])
    (expected,) = predictor.predict(resize_area(large, SIZE_PX)[None], [str(path)])
    assert from_file == expected


def test_heights_are_levelled_first(predictor: Predictor, tmp_path: Path) -> None:
    rows = np.arange(64, dtype=np.float32)
    heights = np.random.default_rng(3).normal(size=(64, 64)).astype(np.float32) + 0.5 * rows[:, None]
    np.save(tmp_path / "scan.npy", heights)
    path = tmp_path / "scan.npy"
    (levelled,) = predictor.stream([path], heights=True)
    (expected,) = predictor.predict(
        resize_area(level(heights, PREPARE.percentiles), SIZE_PX)[None], [str(path)]
    )
    assert levelled == expected
    (untold,) = predictor.stream([path])
    assert untold == levelled
    (as_picture,) = predictor.stream([path], heights=False)
    assert as_picture.probabilities != levelled.probabilities


def test_a_picture_is_no_height_map(predictor: Predictor, tmp_path: Path) -> None:
    path = save(tmp_path / "grey.png", IMAGES[0])
    (said,) = predictor.stream([path], heights=True)
    assert "not heights" in said.problem


def test_one_bad_file_among_many_leaves_the_others_as_they_are(predictor: Predictor, tmp_path: Path) -> None:
    images = np.random.default_rng(4).integers(0, 256, (BATCH + 3, SIZE_PX, SIZE_PX), dtype=np.uint8)
    paths = [save(tmp_path / f"{k:03d}.png", image) for k, image in enumerate(images)]
    whole = list(predictor.stream(paths))
    paths[5].write_bytes(paths[5].read_bytes()[:60])
    found = list(predictor.stream(paths))
    assert [prediction.file for prediction in found] == [str(path) for path in paths]
    assert found[5].problem
    assert not found[5].material
    for k in (0, 4, 6, BATCH + 2):
        assert found[k].material == whole[k].material
        assert found[k].probability == pytest.approx(whole[k].probability, abs=1e-5)


def test_only_bad_files_are_no_error(predictor: Predictor, tmp_path: Path) -> None:
    (said,) = predictor.stream([tmp_path / "absent.png"])
    assert said.problem == "No such file or directory"


def test_a_model_that_knows_nothing_of_itself_is_refused() -> None:
    with pytest.raises(UserError, match=r"models:/m-1 does not say how its images were prepared"):
        Predictor(make_program(members=1), "models:/m-1", CPU)


def test_one_file_is_prepared_as_the_stage_does() -> None:
    raw = np.random.default_rng(5).normal(size=(40, 40)).astype(np.float32)
    from io import BytesIO

    stream = BytesIO()
    np.save(stream, raw)
    content = stream.getvalue()
    np.testing.assert_array_equal(
        prepare_content(content, "a.npy", PREPARE, heights=True).image,
        resize_area(level(raw, PREPARE.percentiles), SIZE_PX),
    )
    assert prepare_content(content, "a.npy", PREPARE).image.shape == (SIZE_PX, SIZE_PX)


def test_an_instrument_file_is_levelled_as_the_models_own_were(tmp_path: Path) -> None:
    tilted = np.random.default_rng(6).normal(size=(60, 80)) + np.arange(60)[:, None]
    path = tmp_path / "scan.004"
    path.write_bytes(nanoscope(tilted, width_nm=800.0, height_of_frame_nm=600.0))
    steps = LevellingParams(crop_nm=500.0, steps=["row_parabolas"])
    program = make_complete()
    own = program.prepare.model_copy(update={"levelling": steps})
    predictor = Predictor(replace(program, prepare=own), "a model", CPU)
    scan = read_file(path).scan
    found = prepare_scan(scan.height_nm, scan.pixel_size_nm, own)
    image, prepared_nm = found.image, found.width_nm / own.size_px
    assert prepared_nm == pytest.approx(500.0 / SIZE_PX)
    (expected,) = predictor.predict(image[None], [str(path)])
    for heights in (False, True):
        (said,) = predictor.stream([path], heights)
        assert said == expected
    np.save(tmp_path / "scan.npy", tilted)
    (refused,) = predictor.stream([tmp_path / "scan.npy"], heights=True)
    assert "does not say how large its pixels are" in refused.problem


def test_the_channel_and_doubts_of_an_instrument_file_are_told(tmp_path: Path) -> None:
    height = np.random.default_rng(6).normal(size=(30, 30)).cumsum(axis=0)
    named, stopped = tmp_path / "scan.gwy", tmp_path / "scan.tif"
    named.write_bytes(gwy(height, 600, 600, titles={0: "Height", 1: "Height Sensor"}))
    stopped.write_bytes(ibw(height, 600, 1200, (20.0, 20.0)))
    predictor = Predictor(make_complete(), "a model", CPU)
    found, other = predictor.stream([named, stopped])
    assert (found.channel, found.warnings) == ("Height Sensor", ())
    assert other.channel == "HeightTrace"
    assert "30 of 60 pixels high" in other.warnings[0]
    wanted, without = predictor.stream([named, stopped], channel="Height")
    assert wanted.channel == "Height"
    assert "no channel 'Height'" in without.problem


def test_a_model_of_numbers_tells_the_expected_one_and_an_interval() -> None:
    program, levels = make_complete(), ("900 C", "950 C", "1000 C")[: len(CLASSES)]
    graded = replace(program, config=replace(program.config, classes=levels))
    named = Predictor(program, "a model", CPU).predict(IMAGES, ["a", "b", "c"])
    for plain, found in zip(named, Predictor(graded, "a model", CPU).predict(IMAGES, "abc"), strict=True):
        assert plain.expected is None
        number = found.expected
        assert number is not None
        numbers = [float(name.split()[0]) for name in (found.material, *found.candidates)]
        ends = min(*numbers, number.value), max(*numbers, number.value)
        assert (number.low, number.high, number.unit) == (*ends, "C")
        assert 900 <= number.value <= 1000
