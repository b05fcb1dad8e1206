"""Every door takes a file for what its content says, reads the channel asked for, and passes doubts on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from tests.scan.read import files, more_files
from tmdscope.dataset.folder import ingest_folder
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.pictures import PictureError, decode_picture
from tmdscope.dataset.prepare import prepare, prepare_content, prepare_scan
from tmdscope.dataset.sources import ingest
from tmdscope.dataset.store import MANIFEST
from tmdscope.doubt import Doubt, names_of
from tmdscope.errors import UserError
from tmdscope.params.images import (
    DataParams,
    FolderParams,
    LevellingParams,
    PrepareParams,
    SimulatedParams,
)
from tmdscope.scan.read.read import decode_file

HEIGHT = np.random.default_rng(8).normal(size=(24, 24)).cumsum(axis=0)
SETTINGS = PrepareParams(
    size_px=16, percentiles=[0.5, 99.5], levelling=LevellingParams(crop_nm="whole", steps=["plane"])
)
TWO = {0: "Height", 1: "Height Sensor"}


def data(folder: Path, channel: str = "") -> DataParams:
    return DataParams(
        source="folder",
        classes=["MoS2", "WS2"],
        simulated=SimulatedParams(images=10, samples=10, size_px=16, frame_nm=1.0, seed=1),
        folder=FolderParams(path=str(folder), manifest="manifest.csv", channel=channel),
    )


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """Scans under names of pictures and of text, a field with two channels, and a frame that was stopped."""
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "a.tiff").write_bytes(files.park(HEIGHT, 480, 480))
    (folder / "b.txt").write_bytes(files.nanoscope(HEIGHT, width_nm=480.0))
    (folder / "c.gwy").write_bytes(files.gwy(HEIGHT**2, 480, 480, titles=TWO))
    (folder / "d.ibw").write_bytes(files.ibw(HEIGHT, 480, 960, (20.0, 20.0)))
    (folder / "manifest.csv").write_text(
        "path,sample_id,material,channel\na.tiff,1,MoS2,\nb.txt,2,MoS2,\nc.gwy,3,WS2,Height\nd.ibw,4,WS2,\n"
    )
    return folder


def test_a_study_reads_what_ingest_checked(
    user: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, prepared = tmp_path / "raw", tmp_path / "prepared"
    table = ingest(data(user), raw)
    channels = ["Topography", "Height Sensor", "Height", "HeightTrace"]
    assert table["channel"].tolist() == channels
    assert table["pixel_size_nm"].tolist() == pytest.approx([20.0] * 4)
    assert table["warnings"].isna().tolist() == [True, True, True, False]
    assert "line 5: 'd.ibw': it is 24 of 48 pixels high" in capsys.readouterr().err
    dataset = prepare(raw, prepared, SETTINGS)
    stored = pd.read_parquet(prepared / MANIFEST)
    assert stored["channel"].tolist() == channels
    assert "24 of 48" in stored["warnings"][3]
    found = Heights.of(raw, dataset.manifest, None)
    assert found is not None
    for (name, channel), image, read in zip(
        zip(table["image_id"], channels, strict=True), dataset.images, found.read(), strict=True
    ):
        scan = decode_file((user / name).read_bytes(), name, channel).scan
        np.testing.assert_array_equal(image, prepare_scan(scan.height_nm, scan.pixel_size_nm, SETTINGS).image)
        assert read is not None
        np.testing.assert_array_equal(read[0], scan.height_nm)


def test_frames_and_ways_back_are_named_by_the_manifest_or_for_all(user: Path, tmp_path: Path) -> None:
    for name in ("a.asd", "b.asd"):
        (user / name).write_bytes(more_files.asd(HEIGHT, 480, 480, 3))
    (user / "c.sxm").write_bytes(more_files.sxm(HEIGHT, 480, 480))
    lines = "a.asd,1,MoS2,\nb.asd,2,MoS2,Topography frame 2\nc.sxm,3,WS2,Backward Z\n"
    (user / "manifest.csv").write_text("path,sample_id,label,channel\n" + lines)
    table = ingest(data(user, "Topography frame 3"), tmp_path / "raw")
    assert table["channel"].tolist() == ["Topography frame 3", "Topography frame 2", "Backward Z"]
    told = [str(cell).partition(":")[0] for cell in table["warnings"]]
    assert told == ["it is frame 3 of 3 of a movie", "it is frame 2 of 3 of a movie", "nan"]


@pytest.mark.parametrize(
    ("line", "channel", "message"),
    [
        (
            "c.gwy,3,WS2,Heigth",
            "",
            r"line 2: scan 'c\.gwy' .*no channel 'Heigth'.*\(channels: Height, Height Sensor\)",
        ),
        ("c.gwy,3,WS2,", "Current", r"no channel 'Current'.*\(channels: Height, Height Sensor\)"),
        ("p.png,3,WS2,Height", "", "channel is 'Height' here, but a picture has none"),
        ("curve.tif,3,WS2,", "", "'curve.tif' cannot be used: it is a Park TIFF of a force curve"),
        ("p.spm,3,WS2,", "", "no instrument's file that can be read"),
    ],
)
def test_a_wrong_channel_or_file_is_reported(user: Path, line: str, channel: str, message: str) -> None:
    from PIL import Image

    for name in ("p.png", "p.spm"):
        Image.new("L", (8, 8)).save(user / name, format="PNG")
    (user / "curve.tif").write_bytes(files.park(HEIGHT, 480, 480, kind=2))
    (user / "manifest.csv").write_text(f"path,sample_id,material,channel\n{line}\n")
    with pytest.raises(UserError, match=message):
        ingest_folder(user, "manifest.csv", ["WS2"], user.parent / "copies", channel)


def test_the_channel_of_params_is_that_of_lines_without_one(user: Path) -> None:
    (user / "manifest.csv").write_text("path,sample_id,material\nc.gwy,3,WS2\n")
    for channel, read in (("", "Height Sensor"), ("Height", "Height")):
        table = ingest_folder(user, "manifest.csv", ["WS2"], user.parent / f"copies{channel}", channel)
        assert table["channel"].tolist() == [read]


@pytest.mark.parametrize("ending", ["gsf", "npy", "tif"])
def test_what_is_doubtful_in_a_scan_is_doubtful_in_an_array(
    tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = np.minimum(HEIGHT, np.quantile(HEIGHT, 0.9)).astype(np.float32)
    path = tmp_path / f"a.{ending}"
    if ending == "gsf":
        path.write_bytes(files.gsf(cut, 480, 480))
    elif ending == "npy":
        np.save(path, cut)
    else:
        tifffile.imwrite(path, cut)
    (tmp_path / "manifest.csv").write_text(f"path,sample_id,label\n{path.name},3,WS2\n")
    table = ingest_folder(tmp_path, "manifest.csv", ["WS2"], None)
    assert names_of(table["warnings"][0]) == {Doubt.SATURATED}
    assert "line 2: 'a." in capsys.readouterr().err
    told = prepare_content(path.read_bytes(), path.name, SETTINGS).warnings
    assert told == (table["warnings"][0],)


def test_no_door_takes_a_preview_for_a_picture() -> None:
    content = files.park(HEIGHT, 480, 480)
    scan = decode_file(content, "a").scan
    for name in ("a.tiff", "a.tif", "a.png"):
        image = prepare_content(content, name, SETTINGS).image
        np.testing.assert_array_equal(image, prepare_scan(scan.height_nm, scan.pixel_size_nm, SETTINGS).image)
        with pytest.raises(PictureError, match=r"an instrument's file \(Park TIFF\), not a picture"):
            decode_picture(content, Path(name).suffix)  # as archives do


def test_pictures_of_other_microscopes_stay_pictures() -> None:
    from io import BytesIO

    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for tag in (34118, 34682):  # Zeiss and FEI electron microscopes
        stream = BytesIO()
        with tifffile.TiffWriter(stream) as tiff:
            tiff.write(values, extratags=[(tag, "s", 0, "AP_MAG = 1", True)], metadata=None)
        np.testing.assert_array_equal(decode_picture(stream.getvalue(), ".tif"), values)
