import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.scan.read import more_files
from tests.scan.read.files import nanoscope
from tmdscope.dataset.pictures import PictureError
from tmdscope.errors import UserError
from tmdscope.lifecycle.inputs import find_files, passed_over, read_ahead


def read(content: bytes, name: str) -> NDArray[np.uint8]:
    """A 1 x 1 image of the first byte."""
    assert name.endswith(".png")
    if not content:
        raise PictureError("it is empty")
    return np.array([[content[0]]], dtype=np.uint8)


def make_files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:03d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    return paths


def test_a_folder_stands_for_the_pictures_and_scans_below_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/2.PNG", "a/b/1.tif", "a/b/2.spm", "a/b/3.007", "a/notes.txt"):
        (tmp_path / name).touch()
    found = find_files([tmp_path / "a", tmp_path / "a" / "2.PNG", Path("named.xyz")])
    inside = [tmp_path / "a" / name for name in ("2.PNG", "b/1.tif", "b/2.spm", "b/3.007")]
    assert found == [*inside, Path("named.xyz")]


def test_a_scan_of_any_ending_is_known_by_its_first_words(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "scan.txt").write_bytes(more_files.gwyddion_text(np.ones((4, 4)), 800.0, 800.0))
    (tmp_path / "a" / "binary.txt").write_bytes(nanoscope(np.ones((4, 4))))
    (tmp_path / "a" / "counts.bin").write_bytes(b"\5\0" + bytes(100))  # as an Igor binary wave begins
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "scan.txt").write_bytes(nanoscope(np.ones((4, 4))))
    for name in ("a/notes.txt", "a/.hidden", "a/table.csv", "a/readme"):
        (tmp_path / name).write_text("1 2 3\n")
    found = find_files([tmp_path])
    assert found == [tmp_path / "a" / "binary.txt", tmp_path / "a" / "scan.txt"]
    told = (
        "4 files that are no picture and no scan by ending or content (.bin 1, .csv 1, .txt 1, no ending 1)"
    )
    assert passed_over([tmp_path], found) == f"passed over: {told}"
    assert passed_over(found, found) == ""


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"holds no picture and no scan; endings known: \.png.*\.spm, \.000 to \.999"
    ):
        find_files([tmp_path])


@pytest.mark.parametrize("batch", [1, 3, 20, 50])
def test_files_come_in_order_and_whole(tmp_path: Path, batch: int) -> None:
    batches = list(read_ahead(make_files(tmp_path, 20), read, batch))
    assert [len(one) for one in batches[:-1]] == [batch] * (len(batches) - 1)
    values = [int(given.image[0, 0]) for one in batches for given in one if given.image is not None]
    assert values == list(range(20))


def test_a_file_that_cannot_be_used_says_why_and_the_rest_goes_on(tmp_path: Path) -> None:
    paths = make_files(tmp_path, 4)
    paths[1].write_bytes(b"")
    paths[2].unlink()
    given = [one for batch in read_ahead(paths, read, 2) for one in batch]
    assert [one.problem for one in given] == ["", "it is empty", "No such file or directory", ""]
    assert [one.path for one in given] == paths


def test_reading_keeps_a_few_batches_ahead_and_no_more(tmp_path: Path) -> None:
    seen, lock = [], threading.Lock()

    def count(content: bytes, _: str) -> NDArray[np.uint8]:
        with lock:
            seen.append(content)
        return np.zeros((1, 1), np.uint8)

    batches = read_ahead(make_files(tmp_path, 60), count, 2)
    for _ in range(5):
        next(batches)
    assert len(seen) <= (5 + 3) * 2


def test_a_real_picture_too_large_to_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (8, 8)).save(path)
    monkeypatch.setattr("tmdscope.lifecycle.inputs.MAX_PICTURE_BYTES", 10)
    ((given,),) = list(read_ahead([path], read, 2))
    assert "10 at most are read" in given.problem
