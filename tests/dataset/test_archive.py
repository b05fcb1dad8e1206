"""Published archives become grey pictures with a manifest, or every problem is listed."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image

from tests.dataset.zenodo_site import (
    GROWTH_TEMPERATURE,
    TMD_AFM,
    authors_tiff,
    grey,
    growth_pictures,
    publish,
    tiff,
    tmd_afm_pictures,
    zipped,
)
from tests.support.web import Site, serve
from tmdscope.dataset import zenodo
from tmdscope.dataset.archive import _read_temperatures, grey_tiff, ingest_archive
from tmdscope.dataset.pictures import PictureError, decode_picture
from tmdscope.dataset.store import RAW_SCHEMA
from tmdscope.errors import UserError
from tmdscope.files import read_json
from tmdscope.params.images import ArchiveParams

CLASSES = ["MoS2", "WS2"]
TEMPERATURES = {"10190": "950", "14729": "1000", "14730": "1000.0", "13000": "950"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv(zenodo.FOLDER_VARIABLE, str(tmp_path / "cache"))
    with serve() as site:
        monkeypatch.setenv(zenodo.SERVER_VARIABLE, site.url)
        yield site


def ingest(
    folder: Path, record: str = "tmd-afm", classes: list[str] = CLASSES, files: str = "*"
) -> pd.DataFrame:
    archive = ArchiveParams.model_validate({"record": record, "files": files})
    return ingest_archive(archive, classes, folder / "images", folder / "source.json")


def failing(site: Site, folder: Path, pictures: Mapping[str, bytes]) -> str:
    publish(site, TMD_AFM, {"pictures.zip": zipped(pictures)})
    with pytest.raises(UserError) as caught:
        ingest(folder / "raw")
    return str(caught.value)


def test_the_tmd_archive_becomes_a_manifest_and_pictures(site: Site, tmp_path: Path) -> None:
    pictures = tmd_afm_pictures()
    archive = zipped({"README.txt": b"", "Models/a.pth": b"", **pictures})
    publish(site, TMD_AFM, {"data.zip": archive})
    table = ingest(tmp_path / "raw")
    RAW_SCHEMA.validate(table)
    assert table["image_id"].tolist() == sorted(Path(name).name for name in pictures)
    assert table["sample_id"].nunique() == 8
    assert table["label"].value_counts().to_dict() == {"MoS2": 8, "WS2": 8}
    assert table.groupby("sample_id")["paper_test"].first().to_dict() == {
        f"{number:04d}": number in (0, 1) for number in range(8)
    }
    assert table["pixel_size_nm"].isna().all()
    originals = {Path(name).name: content for name, content in pictures.items()}
    for row in table.itertuples():
        assert row.source_sha256 == sha256(originals[row.image_id]).hexdigest()
        number = int(row.image_id.split("_")[0].removeprefix("image"))
        found = decode_picture((tmp_path / "raw/images" / row.image_id).read_bytes(), ".tif")
        np.testing.assert_array_equal(found, grey(number))
    note = read_json(tmp_path / "raw" / "source.json")
    assert note["doi"] == "10.5281/zenodo.13961220"
    assert note["files"]["data.zip"]["sha256"] == sha256(archive).hexdigest()
    assert (note["pictures"], note["left_out"]) == (16, {})


def test_pictures_may_lie_in_several_archives_and_beside_them(site: Site, tmp_path: Path) -> None:
    names = list(pictures := tmd_afm_pictures())
    parts = [{name: pictures[name] for name in half} for half in (names[:5], names[5:-1])]
    loose = {Path(names[-1]).name: pictures[names[-1]]}
    publish(site, TMD_AFM, {"a.zip": zipped(parts[0]), "b.zip": zipped(parts[1]), **loose})
    table = ingest(tmp_path / "several")
    publish(site, TMD_AFM, {"a.zip": zipped(pictures)})
    (tmp_path / "cache").rename(tmp_path / "other")
    pd.testing.assert_frame_equal(table, ingest(tmp_path / "one"))


def test_pictures_of_other_materials_are_left_out_and_counted(site: Site, tmp_path: Path) -> None:
    others = {f"image9_{name}_x_99_train.tif": authors_tiff(grey(9)) for name in ("WSe2", "MoTe2")}
    publish(site, TMD_AFM, {"data.zip": zipped({**tmd_afm_pictures(), **others})})
    assert len(ingest(tmp_path / "raw")) == 16
    assert read_json(tmp_path / "raw" / "source.json")["left_out"] == {
        "of MoTe2, which data.classes does not name": 1,
        "of WSe2, which data.classes does not name": 1,
    }


def test_every_picture_that_cannot_be_used_is_listed(site: Site, tmp_path: Path) -> None:
    message = failing(
        site,
        tmp_path,
        {
            **tmd_afm_pictures(),
            "MoS2.tif": authors_tiff(grey(1)),
            "image1_MoS2_x_12_train.tif": b"II*\0 not a picture",
            "image1_MoS2_x_y_train.tif": authors_tiff(grey(1)),
            "image1_MoS2_x_13_train.tif": tiff(np.full((4, 4), 7.0)),
            "again/image0_WS2_center_0000_test.tif": authors_tiff(grey(1)),
        },
    )
    assert "5 problem(s)" in message
    for part in (
        "'MoS2.tif': 1 fields",
        "'image1_MoS2_x_12_train.tif': it holds 0 pictures",
        "'image1_MoS2_x_y_train.tif': field 3",
        "'image1_MoS2_x_13_train.tif': its float64 values are not 8 bits or fractions",
        "'image0_WS2_center_0000_test.tif': the archive holds this name twice",
        "data.archive.files",
    ):
        assert part in message


def test_a_sample_of_two_materials_and_a_class_without_pictures_are_named(site: Site, tmp_path: Path) -> None:
    both = {f"image{n}_{name}_x_7_train.tif": authors_tiff(grey(n)) for n, name in enumerate(CLASSES)}
    assert "sample '7' has two classes, MoS2 and WS2" in failing(site, tmp_path, both)
    only = {"image0_MoS2_x_7_train.tif": authors_tiff(grey(0))}
    (tmp_path / "cache").rename(tmp_path / "other")
    (tmp_path / "raw").rename(tmp_path / "other raw")
    assert "class 'WS2' of data.classes has no picture" in failing(site, tmp_path, only)


def test_an_archive_without_pictures_says_what_it_holds(site: Site, tmp_path: Path) -> None:
    message = failing(site, tmp_path, {"a/1.spm": b"", "a/2.spm": b"", "b.pkl": b""})
    assert "it holds 1 .pkl, 2 .spm; pictures must be .tif or .tiff, instrument files are not read" in message


def test_an_archive_that_is_not_to_be_trusted_is_refused(site: Site, tmp_path: Path) -> None:
    assert "named outside the archive" in failing(site, tmp_path, {"../a_MoS2_x_7_test.tif": b""})
    assert not list(tmp_path.glob("*.tif"))


def publish_growth(site: Site, temperatures: Mapping[str, str]) -> None:
    files = growth_pictures(temperatures)
    table = files.pop("MoS2_activities_substrate.csv")
    publish(site, GROWTH_TEMPERATURE, {"scans.zip": zipped(files), "activities.csv": table})


def test_the_growth_temperature_archive_has_temperatures_for_classes(site: Site, tmp_path: Path) -> None:
    publish_growth(site, {**TEMPERATURES, "15000": "", "16000": "600", "11615": "900"})
    table = ingest(tmp_path / "raw", "growth-temperature", ["950C", "1000C"]).set_index("sample_id")
    RAW_SCHEMA.validate(table.reset_index())
    assert table["label"].to_dict() == {
        "10190": "950C",
        "13000": "950C",
        "14729": "1000C",
        "14730": "1000C",
    }
    assert table["growth_temperature_C"].to_dict() == {k: float(v) for k, v in TEMPERATURES.items()}
    assert table.index[table["paper_test"]].tolist() == ["10190"]
    assert read_json(tmp_path / "raw" / "source.json")["left_out"] == {
        "of 600C, which data.classes does not name": 1,
        "of a sample that the authors dropped": 1,
        "of a sample whose growth temperature is not known": 1,
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("sampleId,temperature\n10190,950", "one CSV with the columns sampleId and T; found: none"),
        ("sampleId,T\n10190,950\n10190,1000", "sample 10190 has two temperatures, 950 and 1000"),
        ("sampleId,T\n10190,hot", "sample 10190 has T 'hot'"),
        ("sampleId,T\n7,950", "no table of the record knows sample 10190"),
    ],
)
def test_a_table_that_does_not_say_the_temperature_is_refused(
    site: Site, tmp_path: Path, lines: str, message: str
) -> None:
    files = {**growth_pictures({"10190": "950"}), "MoS2_activities_substrate.csv": lines.encode()}
    publish(site, GROWTH_TEMPERATURE, {"all.zip": zipped(files)})
    with pytest.raises(UserError, match=message):
        ingest(tmp_path / "raw", "growth-temperature", ["950C", "1000C"])


@given(arrays(np.uint8, (5, 7)))
def test_fractions_are_rounded_to_the_very_grey_values(image: np.ndarray) -> None:
    for values in (image, image / 255, (image / 255).astype(np.float32)):
        for stack in (values, np.repeat(values[None], 3, 0), np.repeat(values[..., None], 3, -1)):
            np.testing.assert_array_equal(grey_tiff(tiff(stack)), image)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.stack([grey(0), grey(0), grey(1)]), "three that are equal"),
        (np.stack([grey(0), grey(0)]), "expected one channel"),
        (np.zeros((2, 3, 4, 5), np.uint8), "expected rows and columns"),
        (np.full((4, 4), np.nan), "not 8 bits or fractions"),
        (np.full((4, 4), 1.01), "not 8 bits or fractions"),
        (np.full((4, 4), 300, np.uint16), "uint16 values are not 8 bits"),
    ],
    ids=["colour", "two channels", "four axes", "nan", "above one", "16 bits"],
)
def test_other_tiffs_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        grey_tiff(tiff(values))


def test_a_picture_that_is_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmdscope.dataset.archive.MAX_PICTURE_BYTES", 100)
    with pytest.raises(PictureError, match="too large"):
        grey_tiff(authors_tiff(grey(0)))


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5])
def test_a_truncated_tiff_is_refused(keep: float) -> None:
    content = authors_tiff(grey(0))
    with pytest.raises(PictureError):
        grey_tiff(content[: int(len(content) * keep) if keep < 1 else int(keep)])


def test_a_tiff_that_pil_writes_is_read(tmp_path: Path) -> None:
    Image.fromarray(grey(3)).save(tmp_path / "a.tif", compression="tiff_adobe_deflate")
    np.testing.assert_array_equal(grey_tiff((tmp_path / "a.tif").read_bytes()), grey(3))


def test_a_strip_that_unpacks_to_a_bomb_is_refused() -> None:
    content = bytearray(tiff(grey(1, 256)))
    packed = zlib.compress(bytes(300_000_000), 9)
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as read:
        tags = {name: read.pages[0].tags[name] for name in ("Compression", "StripOffsets", "StripByteCounts")}
        for tag, value in zip(tags.values(), (8, len(content), len(packed)), strict=True):
            size = struct.calcsize({3: "<H", 4: "<I", 16: "<Q"}[int(tag.dtype)])
            content[tag.valueoffset : tag.valueoffset + size] = value.to_bytes(size, "little")
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match="a bomb"):
            grey_tiff(bytes(content + packed))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sampleId,T" + b",x" * 20_000 + b"\n" + b"1\n" * 20_000, "line 2 ends before"),
        (b"sampleId,T\n1," + b"9" * 200_000 + b"\n", "field larger"),
        (b"sampleId,T\n1,inf\n", "expected a temperature"),
    ],
    ids=["ragged", "long", "infinite"],
)
def test_a_hostile_table_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.csv: .*{message}"):
        _read_temperatures([tmp_path / "a.csv"], "10.5281/zenodo.1")
