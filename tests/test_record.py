"""A record that was edited, is of something else, or whose files are others is refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tmdscope.errors import UserError
from tmdscope.record import read_record, record_of, write_record

OF = {"data": "a" * 64, "split": "b" * 64}
CONTENT = {"name": "\u00b5m", "score": 0.1 + 0.2, "rows": [1, 2.5, None], "deep": {"b": True, "a": {}}}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "latent.json"
    path.parent.mkdir()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "latent.csv").write_text("a,b\n")
    write_record(path, CONTENT, OF, [tmp_path / "reports" / "latent.csv"])
    return path


def beside(record: Path) -> list[Path]:
    return [record.parents[1] / "reports" / "latent.csv"]


def test_round_trip(record: Path) -> None:
    assert read_record(record, OF, beside(record)) == CONTENT
    assert record_of(record) == OF


def test_numbers_and_keys_are_those_of_json(tmp_path: Path) -> None:
    write_record(tmp_path / "a.json", {"x": np.float32(0.1), "y": np.arange(3), "z": {1: (2,)}}, {})
    assert read_record(tmp_path / "a.json") == {"x": float(np.float32(0.1)), "y": [0, 1, 2], "z": {"1": [2]}}


def test_the_form_of_the_text_does_not_matter(record: Path) -> None:
    content = json.loads(record.read_text())
    record.write_text(json.dumps(dict(reversed(content.items())), ensure_ascii=True))
    assert read_record(record, OF) == CONTENT


def test_not_a_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path / "a.json", {"x": float("nan")}, {})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", "{}", '{"record": 1}', '{"record": {"sha256": 1}}', '{"a": NaN}', "\x00"],
)
def test_another_text_is_refused(record: Path, text: str) -> None:
    record.write_text(text)
    with pytest.raises(UserError, match=r"latent\.json .*dvc repro --force latent$"):
        read_record(record)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("score",), 0.31),
        (("score",), "0.3"),
        (("deep", "b"), False),
        (("new",), 1),
        (("record", "of", "data"), "c" * 64),
        (("record", "of"), {}),
        (("record", "files"), {}),
        (("record", "sha256"), "c" * 64),
        (("record",), []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_edit_is_seen(record: Path, keys: tuple[str, ...], value: Any) -> None:
    content = json.loads(record.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    record.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"latent\.json .*dvc repro --force latent$"):
        read_record(record, OF)


@pytest.mark.parametrize("what", ["data", "split", "backbone"])
def test_what_it_is_of_is_compared(record: Path, what: str) -> None:
    with pytest.raises(UserError, match=rf"latent\.json is of other {what}"):
        read_record(record, {**OF, what: "d" * 64})


@pytest.mark.parametrize("damage", ["edited", "missing", "never recorded"])
def test_a_file_beside_it_is_compared(record: Path, damage: str) -> None:
    file = beside(record)[0]
    if damage == "edited":
        file.write_text("a,b\n1,2\n")
    elif damage == "missing":
        file.unlink()
    else:
        file = file.with_name("other.csv")
        file.write_text("a,b\n")
    with pytest.raises(UserError, match=r"\.csv (is not the file that|does not exist).*dvc repro"):
        read_record(record, OF, [file])


def test_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"a\.json is not JSON"):
        read_record(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"is not JSON .*folder"):
        read_record(tmp_path)
