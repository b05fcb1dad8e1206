"""Images in the JSON of MLflow's protocol, read strictly and without a tree of Python objects.

A body is ``{"inputs": [[[0, 255, ...], ...], ...]}`` or the same with ``instances``, and nothing else: every
value must be one of the 256 texts ``0`` to ``255``, so that strings, booleans, fractions (3.0 too), NaN, deep
nesting and endless digits are refused where they stand.
"""

import re

import numpy as np
from numpy.typing import NDArray

from tmdscope.limits import MAX_REQUEST_IMAGES
from tmdscope.serving.door import RefusedError

_SPACE = b" \t\r\n"
_HEAD = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"(inputs|instances)"[ \t\r\n]*:')
_FIRST_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"([^"\\]{0,40})"')
_NEXT_KEY = re.compile(rb'\],"([^"\\]{0,40})"')
_CUT_NUMBER = re.compile(rb"[^][,:{} \t\r\n][ \t\r\n]+[^][,:{} \t\r\n]")
_VALUES = {b"%d" % value: value for value in range(256)}
_NEXT_IMAGE = b"]],[["
_SHOWN = 20


def read_images(body: bytearray, size_px: int) -> NDArray[np.uint8]:
    """Read a request's images, uint8, N x S x S; `RefusedError` names the image, the row and the value."""
    head = _HEAD.match(body)
    if head is None:
        told = "the body must be a JSON object with the key 'inputs' or 'instances'"
        raise RefusedError(400, _about_key(_FIRST_KEY.match(body), None) or told)
    key = bytes(head[1])
    if _CUT_NUMBER.search(body, head.end()):
        raise RefusedError(400, "the body is not JSON: white space stands within a value")
    text = body.translate(None, _SPACE)
    start, end = len(key) + 7, len(text) - 4
    shape = f"{key.decode()!r} must have the shape N x {size_px} x {size_px}: images, rows, whole numbers"
    if text[start - 3 : start + 1] == b"[[[[" or not text.startswith(b"[[[", start - 3):
        raise RefusedError(400, f"{shape}; it is no list of such images")
    if not text.endswith(b"]]]}") or end < start:
        told = "the body is not JSON, or is cut off: it must end in ]]]}"
        raise RefusedError(400, _about_key(_NEXT_KEY.search(text), key) or told)
    images = text.count(_NEXT_IMAGE) + 1
    if images > MAX_REQUEST_IMAGES:
        raise RefusedError(
            413, f"{images} images in one request, {MAX_REQUEST_IMAGES} at most; send them in parts"
        )
    values = bytearray()
    for number in range(images):
        stop = text.find(_NEXT_IMAGE, start, end)
        rows = bytes(text[start : end if stop < 0 else stop]).split(b"],[", size_px)
        start = stop + len(_NEXT_IMAGE)
        for place, row in enumerate(rows):
            texts = row.split(b",", size_px)
            try:
                values += bytes(map(_VALUES.__getitem__, texts))
            except KeyError as error:
                wrong = error.args[0]
                if told := _about_key(_NEXT_KEY.search(text), key):
                    raise RefusedError(400, told) from None
                what = f"{wrong[:_SHOWN].decode(errors='replace')!r} is no whole number from 0 to 255"
                raise RefusedError(400, f"image {number}, row {place}: {what}; {shape}") from None
            if len(texts) != size_px:
                raise RefusedError(400, f"image {number}, row {place}: not {size_px} values; {shape}")
        if len(rows) != size_px:
            raise RefusedError(400, f"image {number}: not {size_px} rows; {shape}")
    return np.frombuffer(values, np.uint8).reshape(images, size_px, size_px)


def _about_key(found: re.Match[bytes] | None, known: bytes | None) -> str:
    """Say what is wrong with a key; nothing where none is found."""
    if found is None:
        return ""
    name = bytes(found[1]).decode(errors="replace")
    if found[1] == known:
        return f"the key {name!r} is given twice"
    return f"unknown key {name!r}: one of 'inputs' and 'instances', and nothing else"
