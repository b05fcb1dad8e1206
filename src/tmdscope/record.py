"""Records of the study on disk: JSON that says what it is of, which files it describes, and its own hash.

Whoever reads a record asks for what it must be of. One that was edited, is of other data, or whose files are
not those that were written beside it is refused, with the stage to run again.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter, ValidationError

from tmdscope.files import broken, plain, read_json, sha256_file, sha256_json, write_json
from tmdscope.limits import MAX_TEXT_BYTES

_KEY = "record"


def write_record(
    path: Path, content: Mapping[str, Any], of: Mapping[str, str], files: Sequence[Path] = ()
) -> None:
    """Write a record atomically: NaN and infinity are refused.

    `of` says what it is of, ``data``, ``split`` ... to a SHA-256; `files` belong to it and are there.
    """
    beside = {_name(file, path): sha256_file(file) for file in files}
    sealed = {**content, _KEY: {"of": dict(of), "files": beside}}
    sealed[_KEY]["sha256"] = sha256_json(json.loads(json.dumps(sealed, default=plain)))
    write_json(path, sealed)


def read_record(
    path: Path, of: Mapping[str, str] | None = None, files: Sequence[Path] = (), most: int = MAX_TEXT_BYTES
) -> dict[str, Any]:
    """Read a record; refuse one that is changed, of something else, or whose files are, or of more bytes."""
    content, about = _open(path, most)
    for what, sha256 in (of or {}).items():
        found = about["of"].get(what, "no record of it")
        if found != sha256:
            raise broken(path, f"is of other {what} ({found[:12]}, the study's {what} is {sha256[:12]})")
    for file in files:
        recorded = about["files"].get(_name(file, path))
        if not file.is_file():
            raise broken(file, "does not exist")
        if recorded is None or sha256_file(file) != recorded:
            raise broken(file, f"is not the file that {path} was written with")
    return content


def record_of(path: Path) -> dict[str, str]:
    """Say what a record is of: ``data``, ``split`` ... to a SHA-256."""
    return dict(_open(path)[1]["of"])


def _open(path: Path, most: int = MAX_TEXT_BYTES) -> tuple[dict[str, Any], dict[str, Any]]:
    content = read_json(path, most)
    about = content.get(_KEY)
    if not isinstance(about, dict) or not isinstance(about.get("sha256"), str):
        raise broken(path, "says nothing of what it is of: another program or an earlier version wrote it")
    sealed = {**content, _KEY: {key: value for key, value in about.items() if key != "sha256"}}
    if sha256_json(sealed) != about["sha256"]:
        raise broken(path, "was changed since it was written: its SHA-256 is not the one that it holds")
    del content[_KEY]
    return content, about


def _name(file: Path, record: Path) -> str:
    return Path(os.path.relpath(file, record.parent)).as_posix()


class JsonRecord:
    """What a kind of JSON object says, a dataclass: its fields are the keys, beside ``version``.

    One without a version is of the first, as it was before versions were written.
    """

    VERSION: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """Give the object to write."""
        return {"version": self.VERSION, **TypeAdapter(type(self)).dump_python(self)}

    @classmethod
    def parse(cls, content: Any) -> Self:
        """Take a JSON object that was read; `ValueError` where it is of another version, or lacks a key."""
        if not isinstance(content, Mapping):
            raise ValueError(f"is a {type(content).__name__}, not an object")
        fields = dict(content)
        if (version := fields.pop("version", 1)) != cls.VERSION:
            raise ValueError(f"is of version {version!r}, this tmdscope reads version {cls.VERSION}")
        try:
            return TypeAdapter(cls).validate_json(json.dumps(fields), strict=True, extra="forbid")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise ValueError(f"is not what tmdscope writes there ({where}: {first['msg']})") from error

    def write(self, path: Path, of: Mapping[str, str], files: Sequence[Path] = ()) -> None:
        """Write it, see `write_record`."""
        write_record(path, self.to_dict(), of, files)

    @classmethod
    def read(cls, path: Path, of: Mapping[str, str] | None = None, files: Sequence[Path] = ()) -> Self:
        """Read it, see `read_record`."""
        content = read_record(path, of, files)
        try:
            return cls.parse(content)
        except ValueError as error:
            raise broken(path, str(error)) from error
