"""Files over HTTP: streamed, resumed where an earlier attempt stopped, never taken for whole when cut off."""

import http.client
import shutil
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from tmdscope.address import without_secrets

TIMEOUT_S = 60
"""Seconds without a byte after which a server counts as gone."""

_CHUNK_BYTES = 1 << 20


class DownloadError(OSError):
    """A file that could not be had, or not whole; the message names its address.

    Parameters
    ----------
    message : str
        What is wrong; passwords and tokens are taken out of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


def download(url: str, target: Path, size: int | None = None) -> None:
    """Download a file, going on where `target` ends if the server can.

    Parameters
    ----------
    url : str
        Address of the file.
    target : Path
        File to write. What it already holds counts as the beginning when `size` is given; without a
        size, or from a server that cannot go on, it is written anew. After an error it holds what came.
    size : int, optional
        Bytes of the whole file; without it, as many as the server announces.

    Raises
    ------
    DownloadError
        The server cannot be reached, has no such file, or the file was cut off.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url} is no address that begins with http:// or https://")
    have = target.stat().st_size if size is not None and target.is_file() else 0
    if size is not None and have >= size:
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as response:  # noqa: S310 - see above
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            announced = response.headers.get("Content-Length")
            with target.open("ab" if have and goes_on else "wb") as stream:
                begin = stream.tell()
                shutil.copyfileobj(response, stream, _CHUNK_BYTES)
                end = stream.tell()
    except (URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error}") from error
    expected = size if size is not None else announced and begin + int(announced)
    if expected is not None and end != expected:
        raise DownloadError(f"{url}: cut off, {end} bytes came of {expected}")
