"""Where a user's files are and where their copies go: nothing of the user's is ever written to."""

import os
import posixpath
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from tmdscope import layout
from tmdscope.alike import plain_name
from tmdscope.stage import UserError


def relative_id(folder: Path, path: str) -> str:
    """Name a file of a folder by where it lies in it.

    Parameters
    ----------
    folder : Path
        The user's folder.
    path : str
        As the manifest gives it: relative to the folder, or absolute but inside.

    Returns
    -------
    str
        The path relative to the folder, without ``.`` and ``..``, ``/`` between folders, as it is written.

    Raises
    ------
    UserError
        It leaves the folder, or holds a backslash or a control character.
    """
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
    """Find a file whose name may be encoded otherwise on disk than where it is named (NFC, NFD).

    Parameters
    ----------
    folder : Path
        Where to start.
    inside : str
        Relative path; one written exactly so comes first.

    Returns
    -------
    Path or None
        The file; None where there is none.
    """
    exact = folder / inside
    if os.path.isfile(exact):  # noqa: PTH113 - False, not an error, for a name that cannot be one
        return exact
    return next(_spelt(folder, inside, nfc), None)


def user_file(folder: Path, path: str) -> tuple[str, Path]:
    """Find a file that a manifest names, and what to call it.

    Parameters
    ----------
    folder : Path
        The user's folder.
    path : str
        As the manifest gives it.

    Returns
    -------
    tuple
        Its id (relative path, NFC), and the file.

    Raises
    ------
    UserError
        It leaves the folder, also through a link, is not there, or its name is malformed.
    """
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
    """Find the manifest of a folder.

    Parameters
    ----------
    folder : Path
        The user's folder.
    name : str
        Path of the CSV in it.

    Returns
    -------
    Path
        The file, which may be missing.

    Raises
    ------
    UserError
        It leaves the folder, also through a link: what is there is another's, and is neither read nor shown.
    """
    found = folder / name
    if not _lies_in(folder, found):
        raise UserError(f"manifest {name!r} leaves the folder {folder}; copy it into the folder")
    return found


def nfc(name: str) -> str:
    """Write a name as most systems do, accents and letters in one.

    Parameters
    ----------
    name : str
        A name or a path.

    Returns
    -------
    str
        Unicode form NFC.
    """
    return unicodedata.normalize("NFC", name)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet; its folders are made.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        Its whole content.

    Raises
    ------
    FileExistsError
        Something is there; it stays as it is.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(content)


def check_apart(folder: Path, root: Path = Path()) -> None:
    """See that a user's folder and what a study writes are apart.

    Parameters
    ----------
    folder : Path
        The user's folder.
    root : Path, optional
        The project's.

    Raises
    ------
    UserError
        One holds the other.
    """
    try:
        theirs = folder.resolve()
    except (RuntimeError, ValueError) as error:  # links in a circle, or a NUL
        raise UserError(f"{str(folder)!r} is no folder: {error}") from error
    for own in layout.WRITTEN:
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
