"""TIFFs of every kind, written by hand: what a reader gives can be compared with what went in."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMATS = {"u": 1, "i": 2, "f": 3}
COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773}


def pack_lzw(data: bytes) -> bytes:
    """Literals of 9 bits, the table cleared before it asks for more."""
    codes = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def pack_bits(data: bytes) -> bytes:
    return b"".join(
        bytes([len(part) - 1]) + part for k in range(0, len(data), 100) if (part := data[k : k + 100])
    )


PACK: dict[str, Any] = {"none": bytes, "lzw": pack_lzw, "deflate": zlib.compress, "packbits": pack_bits}


def predicted(block: NDArray[Any], predictor: int, order: str) -> bytes:
    """Bytes of (rows, columns, samples), differenced."""
    rows, columns, samples = block.shape
    size = block.dtype.itemsize
    if predictor == 3:
        big = (
            np.ascontiguousarray(block.astype(f">f{size}"))
            .view(np.uint8)
            .reshape(rows, columns * samples, size)
        )
        planes = np.ascontiguousarray(big.swapaxes(1, 2)).reshape(rows, columns * size, samples)
        return np.diff(planes, axis=1, prepend=np.uint8(0)).tobytes()
    if predictor == 2:
        whole = np.ascontiguousarray(block).view(f"u{size}")
        block = np.diff(whole, axis=1, prepend=whole.dtype.type(0))
    return block.astype(block.dtype.newbyteorder(order)).tobytes()


def pack_numbers(block: NDArray[Any], bits: int) -> bytes:
    """Rows of numbers that are no whole bytes."""
    rows = []
    for row in block.reshape(len(block), -1):
        text = "".join(f"{int(value):0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def write_tiff(
    values: NDArray[Any],
    photometric: int | None = 1,
    order: str = "<",
    compression: str = "none",
    planar: int = 1,
    tile: int = 0,
    rows_per_strip: int = 3,
    predictor: int = 1,
    orientation: int = 1,
    bits: int = 0,
    extra: int = 2,
    big: bool = False,
    **changed: int,
) -> bytes:
    """Write values, shape (rows, columns) or (rows, columns, samples)."""
    values = values if values.ndim == 3 else values[..., None]
    rows, columns, samples = values.shape
    planes = [values] if planar == 1 else [values[..., k : k + 1] for k in range(samples)]
    blocks = []
    for plane in planes:
        if tile:
            padded = np.pad(plane, ((0, -rows % tile), (0, -columns % tile), (0, 0)))
            blocks += [
                padded[y : y + tile, x : x + tile]
                for y in range(0, rows, tile)
                for x in range(0, columns, tile)
            ]
        else:
            blocks += [plane[y : y + rows_per_strip] for y in range(0, rows, rows_per_strip)]
    data = [
        PACK[compression](pack_numbers(block, bits) if bits else predicted(block, predictor, order))
        for block in blocks
    ]
    colours = 3 if photometric == 2 else 1
    tags: dict[int, tuple[int, ...]] = {
        256: (columns,),
        257: (rows,),
        258: (bits or 8 * values.dtype.itemsize,) * samples,
        259: (COMPRESSIONS[compression],),
        274: (orientation,),
        277: (samples,),
        284: (planar,),
        339: (FORMATS[values.dtype.kind],) * samples,
    }
    if photometric is not None:
        tags[262] = (photometric,)
    if predictor != 1:
        tags[317] = (predictor,)
    if samples > colours:
        tags[338] = (extra,) * (samples - colours)
    places, sizes = (324, 325) if tile else (273, 279)
    tags |= {322: (tile,), 323: (tile,)} if tile else {278: (rows_per_strip,)}
    tags |= {int(name[1:]): (value,) for name, value in changed.items()}
    start = 16 if big else 8
    offsets = [start + sum(map(len, data[:k])) for k in range(len(data))]
    return _file(tags | {places: tuple(offsets), sizes: tuple(map(len, data))}, b"".join(data), order, big)


def _file(tags: dict[int, tuple[int, ...]], data: bytes, order: str, big: bool) -> bytes:
    name, letter, size = (b"II" if order == "<" else b"MM"), ("Q" if big else "I"), (8 if big else 4)
    begin = (16 if big else 8) + len(data)
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, begin) if big else struct.pack(f"{order}HI", 42, begin)
    entries, behind = b"", b""
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    behind_at = begin + len(count) + (20 if big else 12) * len(tags) + size
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(values) > 1:
            packed, behind = struct.pack(order + letter, behind_at + len(behind)), behind + packed
        entries += struct.pack(f"{order}HH{letter}", tag, 16 if big else 4, len(values)) + packed
    return name + head + data + count + entries + bytes(size) + behind
