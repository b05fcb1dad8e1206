"""Where a user's files are and where their copies go: nothing of the user's is ever written to."""

import os
import posixpath
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from tmdscope import layout
from tmdscope.alike import plain_name
from tmdscope.errors import UserError


def relative_id(folder: Path, path: str) -> str:
    """Name a file by its path relative to the folder, normalised; an absolute path must lie inside."""
    if "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path):
        raise UserError(f"path {path!r} has a backslash or a control character; write / between folders")
    inside = posixpath.normpath(path)
    if posixpath.isabs(inside) or inside.startswith(".."):
        here = Path(os.path.abspath(folder))  # noqa: PTH100 - as it is named, through links
        whole = Path(os.path.normpath(here / path))
        ways = ((whole, here), (whole, here.resolve()), (whole.resolve(), here.resolve()))
        found = (way.parts[len(base.parts) :] for way, base in ways if _nfc(way).is_relative_to(_nfc(base)))
        if (parts := next(found, None)) is None:
            raise UserError(_leaves(folder, path))
        inside = Path(*parts).as_posix()
    return inside


def find_file(folder: Path, inside: str) -> Path | None:
    """Find a file whose name may be encoded otherwise on disk (NFC, NFD); an exact match comes first."""
    exact = folder / inside
    if os.path.isfile(exact):  # noqa: PTH113 - False, not an error, for a name that cannot be one
        return exact
    return next(_spelt(folder, inside, nfc), None)


def user_file(folder: Path, path: str) -> tuple[str, Path]:
    """Find a file that a manifest names, and its id (relative path, NFC); a link may not leave the folder."""
    inside = relative_id(folder, path)
    found = find_file(folder, inside)
    if found is None:
        if os.path.lexists(folder / inside):
            raise UserError(
                f"path {path!r}: there is no such file in {folder}, but a folder, a pipe, a device or a link "
                "to nothing; name a file"
            )
        near = next(_spelt(folder, inside, plain_name), None)
        meant = f"; did you mean {near.relative_to(folder).as_posix()!r}?" if near else ""
        raise UserError(f"path {path!r}: there is no such file in {folder}{meant}")
    if not _lies_in(folder, found):
        raise UserError(_leaves(folder, path))
    return nfc(inside), found


def manifest_file(folder: Path, name: str) -> Path:
    """Find the manifest of a folder, which may be missing; one outside is another's: not read or shown."""
    found = folder / name
    if not _lies_in(folder, found):
        raise UserError(f"manifest {name!r} leaves the folder {folder}; copy it into the folder")
    return found


def nfc(name: str) -> str:
    """Write a name in Unicode form NFC, as most systems do, accents and letters in one."""
    return unicodedata.normalize("NFC", name)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet (else FileExistsError, and it stays); its folders are made."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(content)


def check_apart(folder: Path, root: Path = Path()) -> None:
    """See that neither a user's folder nor what a study writes below the project's `root` holds the other."""
    try:
        theirs = folder.resolve()
    except (RuntimeError, ValueError) as error:  # links in a circle, or a NUL
        raise UserError(f"{str(folder)!r} is no folder: {error}") from error
    for own in layout.MAIN.written:
        ours = (root / own).resolve()
        if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
            raise UserError(
                f"the folder {folder} and {own}, which the study writes, lie in each other: what is there "
                "would be replaced; put your files into a folder of their own, such as data/user"
            )


def _spelt(folder: Path, inside: str, key: Callable[[str], str]) -> Iterator[Path]:
    """Files below a folder whose relative path is the same to `key`."""
    first, _, rest = inside.partition("/")
    try:
        found = sorted(one for one in folder.iterdir() if key(one.name) == key(first))
    except OSError:
        return
    for one in found:
        if rest:
            yield from _spelt(one, rest, key)
        elif one.is_file():
            yield one


def _lies_in(folder: Path, file: Path) -> bool:
    """Say whether links lead no further than the folder; links in a circle lead nowhere."""
    try:
        return file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _leaves(folder: Path, path: str) -> str:
    return f"path {path!r} leaves the folder {folder}; copy the file into it"


def _nfc(path: Path) -> Path:
    return Path(nfc(str(path)))
