"""Whatever lies where a file belongs, its reader names the file and a remedy, and ends soon."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tmdscope.dataset.store import SCHEMA, read_manifest
from tmdscope.errors import UserError
from tmdscope.files import open_array, read_json, read_table, sha256_file
from tmdscope.jobs.check import check_study
from tmdscope.profiles import merge_profile, read_profile
from tmdscope.record import read_record
from tmdscope.studies import study_of

SHIPPED = Path(__file__).parents[1] / "params.yaml"


def read_settings(path: Path) -> str:
    """Check settings as the command does."""
    return check_study(study_of(path))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


PLACES = [Path.mkdir, pipe, device, loop, huge]
BYTES = {
    "empty": b"",
    "zeros": bytes(100),
    "latin-1": "{a: \u00b5}".encode("latin-1"),
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "brackets": b"[" * 100_000,
    "braces": b'{"a":' * 100_000,
    "null": b"null",
    "list": b"[1, 2]",
    "number": b"3",
    "text": b'"a"',
    "magic": b"PAR1" + bytes(50) + b"PAR1",
    "npy": b"\x93NUMPY\x01\x00\x05\x00{'a'}",
}
READERS: dict[str, Callable[[Path], Any]] = {
    "json": read_json,
    "record": read_record,
    "parquet": read_table,
    "manifest": lambda path: read_manifest(path, SCHEMA),
    "npy": open_array,
    "yaml": read_settings,
    "profile": lambda path: merge_profile(
        SHIPPED.read_text(), read_profile(path.stem, path.parent), str(path)
    ),
}


def refuse(read: Callable[[Path], Any], path: Path) -> None:
    with pytest.raises((UserError, OSError)) as refused:
        read(path)
    assert str(path.name) in str(refused.value) or path.stem in str(refused.value)
    assert len(str(refused.value)) < 5000


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_what_is_no_file_to_read(tmp_path: Path, name: str, place: Callable[[Path], None]) -> None:
    path = tmp_path / "given.yaml"
    place(path)
    refuse(READERS[name], path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", BYTES)
def test_what_is_of_another_kind(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / "given.yaml"
    path.write_bytes(BYTES[content])
    refuse(READERS[name], path)


@pytest.mark.parametrize(
    "text", ['{"a": 1e999}', '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", '{"a": 1, "a": 2}', '\ufeff{"a": 1}']
)
def test_json_that_says_two_things_or_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    refuse(read_json, tmp_path / "a.json")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "data: &a [*a]",
        "data: &a {b: *a}",
        "data: !!python/object/apply:os.system [id]",
        "data: 1\ndata: 2",
        "data:\n\t- 1",
        "data: 9999-99-99",
        "data: " + "9" * 5000,
        "data: [unclosed",
        "? [a, b]\n: 1",
        "<<: 3",
        "- " * 1000,
        "x" * 2_000_000,
        "1: 2\nnull: 3\ntrue: 4\n2020-01-01: 5",
    ],
    ids=lambda text: text[:20],
)
def test_yaml_that_is_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    refuse(read_settings, tmp_path / "params.yaml")
    with pytest.raises(UserError):
        merge_profile(SHIPPED.read_text(), text, "profile")


SECTIONS = [
    line.partition(":")[0] for line in SHIPPED.read_text().splitlines() if line[:1].isalpha() and ":" in line
]
VALUES = [
    "3",
    "[1, [2]]",
    "null",
    "text",
    ".nan",
    "{}",
    "{1: 2, null: 3, false: {}}",
    "2020-01-01",
    "[{}]",
    "!!binary aa==",
]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", VALUES)
def test_a_section_of_another_kind_is_named(tmp_path: Path, section: str, value: str) -> None:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    content = yaml.load(SHIPPED)
    content[section] = yaml.load(value)
    with (tmp_path / "params.yaml").open("w") as stream:
        yaml.dump(content, stream)
    if value == "{}" and section in ("searches", "compute"):
        read_settings(tmp_path / "params.yaml")
        return
    with pytest.raises(UserError, match=section):
        read_settings(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "column",
    [
        [["a"], ["b"]],
        [{"a": 1}, {"a": 2}],
        pd.to_datetime(["2020", "2021"]),
        [None, None],
        [1, 2],
        [b"\xff", b"a"],
    ],
    ids=["lists", "maps", "times", "nothing", "numbers", "bytes"],
)
def test_a_manifest_whose_texts_are_none(tmp_path: Path, column: Any) -> None:
    table = pd.DataFrame(dict.fromkeys(SCHEMA.columns, "x"), index=range(2))
    table["sample_id"] = column
    table.to_parquet(tmp_path / "manifest.parquet")
    refuse(READERS["manifest"], tmp_path / "manifest.parquet")


def test_tables_that_are_too_much_or_say_a_thing_twice(tmp_path: Path) -> None:
    rows = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 20, np.int32)), ["x"])
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("a", rows.type)])) as writer:
        for _ in range(300):
            writer.write_table(pa.table({"a": rows}))
    pq.write_table(pa.table([[1], [2]], ["a", "a"]), tmp_path / "b.parquet")
    texts = pa.array(["x" * 1000]).take(pa.array(np.zeros(100_000, np.int64)))
    with pq.ParquetWriter(tmp_path / "c.parquet", pa.schema([("a", texts.type)])) as writer:
        for _ in range(25):
            writer.write_table(pa.table({"a": texts}))
    for name in "abc":
        refuse(read_table, tmp_path / f"{name}.parquet")


def test_arrays_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    refuse(open_array, path)
    for shape in ("(10000000000000, 10)", "(-1,)", "((" * 1000, "(1.5,)", "('a',)"):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        refuse(open_array, path)


def test_a_record_that_names_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="no regular file"):
        sha256_file(tmp_path / "a")
    forms: list[Any] = [[], "x", None, {"data": 3}]
    for of in forms:
        (tmp_path / "a.json").write_text(json.dumps({"record": {"sha256": "0", "of": of}}))
        refuse(read_record, tmp_path / "a.json")
