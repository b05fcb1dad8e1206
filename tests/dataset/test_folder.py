"""A user's folder: what is right is copied exactly, and everything that is wrong is listed at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.scan.read.files import nanoscope
from tmdscope.dataset import folder as folder_module
from tmdscope.dataset.folder import ingest_folder, match_class
from tmdscope.errors import UserError
from tmdscope.files import sha256_file

CLASSES = ["MoS2", "steel"]
GOOD = "a.png,007,MoS2,2.5\nsub/b.npy,s 1,steel,\n"


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """Two good pictures and their manifest."""
    folder = tmp_path / "user"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / "a.png")
    np.save(folder / "sub" / "b.npy", np.arange(20.0).reshape(4, 5))
    write_manifest(folder, GOOD)
    return folder


def write_manifest(folder: Path, rows: str, header: str = "path,sample_id,material,pixel_size_nm\n") -> None:
    (folder / "manifest.csv").write_text(header + rows, encoding="utf-8")


def ingest(user: Path) -> pd.DataFrame:
    return ingest_folder(user, "manifest.csv", CLASSES, user.parent / "copies")


def test_pictures_are_copied_and_described(user: Path) -> None:
    table = ingest(user)
    assert table["image_id"].tolist() == ["a.png", "sub/b.npy"]
    assert table["sample_id"].tolist() == ["007", "s 1"]
    assert table["label"].tolist() == ["MoS2", "steel"]
    assert table["pixel_size_nm"].tolist()[0] == 2.5
    assert np.isnan(table["pixel_size_nm"].tolist()[1])
    for row in table.itertuples():
        assert sha256_file(user.parent / "copies" / row.image_id) == row.source_sha256
        assert sha256_file(user / row.image_id) == row.source_sha256


def test_the_pixel_size_column_may_be_absent(user: Path) -> None:
    write_manifest(user, "a.png,1,MoS2\n\nsub/b.npy,2,steel\n", header="path,sample_id,material\n")
    assert ingest(user)["pixel_size_nm"].isna().all()


def test_a_spreadsheet_byte_order_mark_and_quotes_are_understood(user: Path) -> None:
    (user / "manifest.csv").write_text(
        '\ufeffmaterial,path,sample_id\nMoS2,"./a.png",NA\nsteel,sub/../sub/b.npy,"x,y"\n', encoding="utf-8"
    )
    table = ingest(user)
    assert table["image_id"].tolist() == ["a.png", "sub/b.npy"]
    assert table["sample_id"].tolist() == ["NA", "x,y"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.png,1,MoS2,", "line 4: path 'gone.png': there is no such file"),
        ("sub,1,MoS2,", "line 4: path 'sub': there is no such file"),
        (f"{'x' * 300},1,MoS2,", "there is no such file"),
        ("../other.png,1,MoS2,", "line 4: path '../other.png' leaves the folder"),
        ("/etc/hostname,1,MoS2,", "line 4: path '/etc/hostname' leaves the folder"),
        ("sub/../../user2/c.png,1,MoS2,", "leaves the folder"),
        ("sub\\b.npy,1,MoS2,", r"write / between folders"),
        ("a\0.png,1,MoS2,", r"control character"),
        (",1,MoS2,", "line 4: path is empty"),
        ("a.png, ,MoS2,", "line 4: sample_id is empty"),
        ("a.png,1,,", "line 4: material is empty"),
        ("a.png,1 ,MoS2,", "line 4: sample_id '1 ' has spaces around it"),
        ("a.png,1,steal,", "line 4: material 'steal' is not declared.*did you mean 'steel'"),
        ("a.png,1,WS2,", "line 4: material 'WS2' is not declared in data.classes"),
        ("a.png,1,MoS2,0", "line 4: pixel_size_nm '0' is not a positive number"),
        ("a.png,1,MoS2,-3", "pixel_size_nm '-3' is not a positive number"),
        ("a.png,1,MoS2,nan", "pixel_size_nm 'nan' is not a positive number"),
        ("a.png,1,MoS2,wide", "pixel_size_nm 'wide' is not a positive number"),
        ("a.png,007,MoS2,", "path 'a.png' occurs on lines 2, 4; keep one"),
        ("./a.png,007,MoS2,", "path 'a.png' occurs on lines 2, 4; keep one"),
        ("sub/c.npy,S 1,steel,", r"samples 's 1' and 'S 1' look alike: .*\(lines 3, 4\)"),
        ("sub/c.npy,s\u00a01,steel,", r"samples 's 1' and 's\\xa01' look alike"),
        ("sub/c.npy,s  1,steel,", r"samples 's 1' and 's  1' look alike"),
        ("sub/c.npy,s\t1,steel,", r"sample_id 's\\t1' has a control character"),
        ("A.png,1,MoS2,", r"path 'A\.png': there is no such file in .*; did you mean 'a\.png'"),
        ("sub/b.npy,007,steel,", "sample '007' has two classes, MoS2 and steel"),
        ("manifest.csv,1,MoS2,", "line 4: picture 'manifest.csv' cannot be used: its ending '.csv'"),
        ("cut.png,1,MoS2,", "line 4: picture 'cut.png' cannot be used: it does not decode"),
        ("nan.npy,1,MoS2,", "line 4: picture 'nan.npy' cannot be used: it holds NaN"),
        ("pickled.npy,1,MoS2,", "line 4: picture 'pickled.npy' cannot be used: .*without objects"),
    ],
)
def test_a_wrong_line_is_reported(user: Path, row: str, message: str) -> None:
    content = (user / "a.png").read_bytes()
    (user / "cut.png").write_bytes(content[: len(content) * 2 // 3])
    np.save(user / "sub" / "c.npy", np.arange(20.0).reshape(4, 5))
    np.save(user / "nan.npy", np.full((3, 3), np.nan))
    np.save(user / "pickled.npy", np.array([[{}]]), allow_pickle=True)
    write_manifest(user, GOOD + row + "\n")
    with pytest.raises(UserError, match=message) as error:
        ingest(user)
    assert str(user / "manifest.csv") in str(error.value)


def test_a_link_out_of_the_folder_is_refused(user: Path) -> None:
    (user.parent / "secret.png").write_bytes((user / "a.png").read_bytes())
    (user / "link.png").symlink_to(user.parent / "secret.png")
    write_manifest(user, GOOD + "link.png,1,MoS2,\n")
    with pytest.raises(UserError, match=r"'link\.png' leaves the folder"):
        ingest(user)


def test_a_huge_file_is_not_even_read(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_PICTURE_BYTES", (user / "sub/b.npy").stat().st_size - 1)
    with pytest.raises(UserError, match=r"'sub/b\.npy' cannot be used: .* at most are read"):
        ingest(user)


def test_lines_after_many_missing_files_are_not_looked_up(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "MAX_TOLD", 3)
    write_manifest(user, "".join(f"{n}.png,{n},MoS2,\n" for n in range(50)))
    with pytest.raises(UserError, match="later lines were not read") as error:
        ingest(user)
    assert "'4.png'" not in str(error.value)


def test_every_problem_is_listed_in_one_report(user: Path) -> None:
    write_manifest(user, "gone.png,1,MoS2,-1\n,2,WS2,\na.png,,MoS2,\n")
    with pytest.raises(UserError) as error:
        ingest(user)
    first, *lines = str(error.value).splitlines()
    assert "7 problem(s)" in first
    assert [line.split(":")[0].strip() for line in lines] == [
        *["line 2"] * 2,
        *["line 3"] * 2,
        "line 4",
        "class 'MoS2' of data.classes has no usable image; add some or remove the class",
        "class 'steel' of data.classes has no usable image; add some or remove the class",
    ]


def test_a_manifest_without_rows_has_empty_classes(user: Path) -> None:
    write_manifest(user, "")
    with pytest.raises(UserError, match=r"2 problem\(s\)"):
        ingest(user)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("path;sample_id;material\n", "column 'path' is missing.*separate columns by commas"),
        ("path,sample_id\n", "column 'label' is missing"),
        ("", "column 'path' is missing"),
        ("path,sample_id,material,pixel_size\n", "'pixel_size' is not known; did you mean 'pixel_size_nm'"),
        ("path,path,sample_id,material\n", "column 'path' occurs 2 times"),
    ],
)
def test_a_wrong_header_is_reported(user: Path, header: str, message: str) -> None:
    write_manifest(user, "", header=header)
    with pytest.raises(UserError, match=message):
        ingest(user)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,sample_id,material\na.png,1\n", "header has 3 columns, but line 2: 2 cells"),
        (b"path,sample_id,material\na.png,1,MoS2,2\n", "line 2: 4 cells; put quotes"),
        (b"path,sample_id,material\na.png,\xff,MoS2\n", "not a CSV in UTF-8"),
        (b'path,sample_id,material\n"a.png,1,MoS2\n', "not a CSV in UTF-8"),
    ],
    ids=["short line", "long line", "not UTF-8", "open quote"],
)
def test_a_broken_manifest_is_reported(user: Path, content: bytes, message: str) -> None:
    (user / "manifest.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        ingest(user)


@pytest.mark.parametrize("gone", ["manifest", "folder"])
def test_a_missing_manifest_says_what_to_write(user: Path, gone: str) -> None:
    (user / "manifest.csv").unlink()
    where = user if gone == "manifest" else user / "elsewhere"
    with pytest.raises(UserError, match=r"manifest\.csv does not exist; write a CSV with the columns path"):
        ingest_folder(where, "manifest.csv", CLASSES, user.parent / "copies")


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        ("MoS₂", ["MoS2", "WS2"], "MoS2"),
        ("mos2", ["MoS2", "WS2"], "MoS2"),
        ("mo wse2", ["WSe2", "Mo-WSe2"], "Mo-WSe2"),
        ("MoS2", ["MoS₂", "WS2"], "MoS₂"),
        ("mos2", ["mos2", "MoS2"], "mos2"),
        ("Steel ", ["MoS2", "steel"], "steel"),
        ("a\u2013MoO3", ["a-MoO3", "steel"], "a-MoO3"),
        ("caf\u00e9", ["cafe\u0301", "steel"], "cafe\u0301"),
    ],
)
def test_a_formula_is_matched_to_its_class(name: str, classes: list[str], expected: str) -> None:
    assert match_class(name, classes) == expected


def test_an_ambiguous_formula_is_not_guessed() -> None:
    with pytest.raises(UserError, match="MOS2"):
        match_class("MOS2", ["MoS2", "MoS₂"])


def test_scans_state_their_own_pixel_size(user: Path) -> None:
    (user / "day").mkdir()
    (user / "day" / "x.spm").write_bytes(
        nanoscope(np.ones((8, 10)), width_nm=500.0, height_of_frame_nm=800.0)
    )
    (user / "day" / "y.000").write_bytes(nanoscope(np.ones((8, 8)), "Height", width_nm=800.0))
    write_manifest(user, GOOD + "day/x.spm,3,MoS2,\nday/y.000,4,steel,100.4\n")
    table = ingest(user)
    assert table["pixel_size_nm"].tolist()[2:] == [50.0, 100.0]
    assert table["channel"].tolist()[2:] == ["Height Sensor", "Height"]
    assert table["channel"].isna().tolist()[:2] == [True, True]
    for row in table.itertuples():
        assert sha256_file(user.parent / "copies" / row.image_id) == row.source_sha256


@pytest.mark.parametrize(
    ("size", "cut", "message"),
    [
        ("60", 0, r"line 4: scan 'x\.spm' cannot be used: pixel_size_nm is 60 here, but 50 in the file"),
        ("", 100, r"line 4: scan 'x\.spm' cannot be used: channel 'Amplitude Error': .*it is cut off"),
    ],
)
def test_a_wrong_scan_is_reported(user: Path, size: str, cut: int, message: str) -> None:
    content = nanoscope(np.ones((8, 10)), width_nm=500.0)
    (user / "x.spm").write_bytes(content[: len(content) - cut])
    write_manifest(user, GOOD + f"x.spm,3,MoS2,{size}\n")
    with pytest.raises(UserError, match=message):
        ingest(user)


def test_further_columns_are_kept_beside_what_is_known(user: Path) -> None:
    write_manifest(
        user, "a.png,1,MoS2,Ann,7\nsub/b.npy,2,steel,,8\n", "path,sample_id,material,operator,day\n"
    )
    table = ingest(user)
    assert table["operator"].tolist() == ["Ann", None]
    assert table["day"].tolist() == [7, 8]


def test_a_folder_can_be_checked_without_a_copy(user: Path) -> None:
    assert len(ingest_folder(user, "manifest.csv", CLASSES, None)) == 2
    assert not (user.parent / "copies").exists()
