"""Files appear whole or not at all; hashes depend on content alone."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.peak import memory_kb
from hypothesis import given, settings
from hypothesis import strategies as st

from tmdscope import files
from tmdscope.errors import UserError
from tmdscope.files import (
    atomic_path,
    forget_pages,
    open_array,
    read_bytes,
    read_json,
    require_finite,
    sha256_array,
    sha256_csv,
    sha256_file,
    sha256_json,
    sha256_rows,
    write_array,
    write_json,
    write_table,
    write_text,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "new" / "table.csv"
    write_text(target, "old")

    def fail_halfway() -> None:
        with atomic_path(target) as temporary:
            assert temporary.suffix == ".csv"
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with atomic_path(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()

    def fail_halfway() -> None:
        with atomic_path(tmp_path / "folder") as temporary:
            temporary.mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["old"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_where_nothing_can_be_written_the_old_file_stays_and_a_repeat_is_right(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "numbers.npy"
    write_text(path, "old")

    def rows() -> Iterator[np.ndarray]:
        yield np.zeros(3)
        if number:
            raise OSError(number, os.strerror(number))
        yield np.ones(3)

    def write() -> None:
        with atomic_path(path) as temporary:
            write_array(temporary, rows(), (2, 3), np.float32)

    with pytest.raises(OSError, match=os.strerror(number)):
        write()
    assert path.read_text() == "old"
    number = 0
    write()
    assert np.load(path).tolist() == [[0.0] * 3, [1.0] * 3]
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=30)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "content.json"
    write_json(path, content)
    assert read_json(path) == content


def test_numpy_and_paths_become_plain_json(tmp_path: Path) -> None:
    write_json(
        tmp_path / "a.json", {"n": np.int64(3), "x": np.float32(0.5), "v": np.eye(2), "p": Path("a") / "b"}
    )
    assert read_json(tmp_path / "a.json") == {"n": 3, "x": 0.5, "v": [[1, 0], [0, 1]], "p": "a/b"}


@pytest.mark.parametrize("value", [float("nan"), np.float64("inf")])
def test_json_refuses_what_is_not_finite(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_json_refuses_unknown_types(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        write_json(tmp_path / "a.json", {"x": {1}})


@pytest.mark.parametrize(("text", "message"), [("{", "a.json is not JSON"), ("[1]", "holds a list")])
def test_a_broken_json_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_json(tmp_path / "a.json")


def test_only_a_regular_file_of_a_known_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "text")
    os.mkfifo(tmp_path / "pipe")
    assert read_bytes(tmp_path / "link", 5) == b"12345"
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match=f"{path} is no regular file"):
            read_bytes(path)
    with pytest.raises(UserError, match="text has 5 bytes, 4 at most are read"):
        read_bytes(tmp_path / "text", 4)
    with pytest.raises(UserError, match="is no name of a file"):
        read_bytes(Path("a\0b"))
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")


def test_a_file_that_states_no_size_ends_at_the_limit() -> None:
    with pytest.raises(UserError, match="has more than 3 bytes"):
        read_bytes(Path("/proc/self/status"), 3)


def test_sha256_of_a_file_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256_of_a_file_longer_than_a_chunk(tmp_path: Path) -> None:
    for name, tail in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(bytes(3_000_000) + tail)
    first, same, other = (sha256_file(tmp_path / name) for name in "abc")
    assert first == same != other


def test_an_array_hash_depends_on_values_shape_and_type_only() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert sha256_array(array) == sha256_array(np.asfortranarray(array))
    others = [array.T, array.ravel(), array.astype(np.int64), array + 1]
    assert len({sha256_array(array), *map(sha256_array, others)}) == 5


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_json_hash_ignores_the_order_of_keys(content: dict[str, Any]) -> None:
    assert sha256_json(content) == sha256_json(dict(reversed(content.items())))
    assert sha256_json(content) == sha256_json(json.loads(json.dumps(content)))
    assert sha256_json(content) != sha256_json({**content, "changed": [content]})


@given(st.lists(JSON, max_size=6), st.integers(1, 4))
def test_a_list_has_one_hash_however_it_is_cut(rows: list[Any], size: int) -> None:
    assert sha256_rows(rows[start : start + size] for start in range(0, len(rows), size)) == sha256_json(rows)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_table_has_the_hash_of_its_csv(rows: int) -> None:
    table = pd.DataFrame({"a": ["x", 'é "1"', "z,\n"], "b": [1.0, np.nan, 1e-7]})[:rows]
    assert sha256_csv(table) == hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def test_the_first_row_that_is_not_finite_is_named_in_whatever_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_ROWS", 4)
    values = np.zeros((11, 2))
    require_finite(Path("a.npy"), values)
    values[9, 1] = np.inf
    with pytest.raises(UserError, match="first in row 109"):
        require_finite(Path("a.npy"), values, first=100)


def test_what_was_read_of_a_mapped_file_can_be_let_go_of(tmp_path: Path) -> None:
    path, size = tmp_path / "a.npy", 1 << 25
    write_array(path, (np.full(size, row, np.uint8) for row in range(2)), (2, size), np.uint8)
    mapped = open_array(path)
    assert mapped.sum() == size
    held = memory_kb(field="RssFile")
    forget_pages(mapped[1:])
    assert held - memory_kb(field="RssFile") > size >> 10
    assert mapped.sum() == size


def test_a_csv_holds_no_formula_and_the_numbers_as_they_are(tmp_path: Path) -> None:
    table = pd.DataFrame({"image_id": ["=1+1", "-a", "b"], "score": [-1.5, 2.0, 3.0]})
    write_table(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text() == "image_id,score\n'=1+1,-1.5\n'-a,2.0\nb,3.0\n"
