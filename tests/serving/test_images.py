import json
import tracemalloc

import numpy as np
import pytest

from tmdscope.limits import MAX_REQUEST_IMAGES
from tmdscope.serving.door import RefusedError
from tmdscope.serving.images import read_images

GOOD = "[[1,2],[3,4]]"


def read(text: str) -> np.ndarray:
    return read_images(bytearray(text.encode()), 2)


@pytest.mark.parametrize("indent", [None, 1, "\t"])
@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_all_values_are_read(key: str, indent: int | str | None) -> None:
    images = np.arange(3 * 16 * 16).astype(np.uint8).reshape(3, 16, 16)
    body = json.dumps({key: images.tolist()}, indent=indent).encode()
    np.testing.assert_array_equal(read_images(bytearray(body), 16), images)


@pytest.mark.parametrize(
    "value",
    [
        *"256 -1 3.0 0.5 1e2 07 +1 true null NaN Infinity -Infinity 0x1 [4] {}".split(),
        *('"4"', "", "1 2", "9" * 5000, "٣", "\x1b[31m"),
    ],
    ids=ascii,
)
def test_only_whole_numbers_of_a_byte_are_pixels(value: str) -> None:
    with pytest.raises(RefusedError, match=r"image 0, row 1: .*whole number|white space") as refused:
        read(f'{{"inputs":[[[1,2],[3,{value}]]]}}')
    assert refused.value.status == 400
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "inputs",
    [
        *("[]", "[[]]", "[[[]]]", "1", "null", GOOD, f"[[{GOOD}]]", "[[[1,2],[3]]]", "[[[1,2],[3,4,5]]]"),
        *("[[[1,2]]]", f"[{GOOD},[[1,2]]]", "[[[1,2],[3,4],[5,6]]]", "[[[1,2]],[[3,4]]]"),
        *(f'{{"a":[{GOOD}]}}', "[" * 100_000),
    ],
    ids=lambda text: text[:40],
)
def test_other_shapes_are_refused(inputs: str) -> None:
    with pytest.raises(RefusedError, match="shape N x 2 x 2"):
        read(f'{{"inputs":{inputs}}}')


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "JSON object"),
        ("[]", "JSON object"),
        ('{"a":' * 100_000, "unknown key 'a'"),
        ('{"dataframe_split":{}}', "unknown key 'dataframe_split'"),
        (f'{{"in puts":[{GOOD}]}}', "unknown key 'in puts'"),
        (f'{{"inputs":[{GOOD}],"params":{{}}}}', "unknown key 'params'"),
        (f'{{"inputs":[{GOOD}],"instances":[{GOOD}]}}', "unknown key 'instances'"),
        (f'{{"inputs":[{GOOD}],"inputs":[{GOOD}]}}', "'inputs' is given twice"),
        (f'{{"inputs":[{GOOD}]', "cut off"),
        (f'{{"inputs":[{GOOD}]}} {{}}', "cut off"),
        ('{"inputs":]]]}', "shape"),
        (f'\ufeff{{"inputs":[{GOOD}]}}', "JSON object"),
    ],
)
def test_other_bodies_are_refused(body: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        read(body)


@pytest.mark.parametrize("part", ["1,", "],[", "1],[", "[", "1 "])
def test_a_hostile_body_costs_little_more_than_itself(part: str) -> None:
    body = bytearray(('{"inputs":[[[' + part * (2_000_000 // len(part)) + "]]]}").encode())
    tracemalloc.start()
    with pytest.raises(RefusedError):
        read_images(body, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * len(body)


def test_too_many_images_are_refused() -> None:
    with pytest.raises(RefusedError, match=f"{MAX_REQUEST_IMAGES} at most") as refused:
        read('{"inputs":[' + ",".join([GOOD] * (MAX_REQUEST_IMAGES + 1)) + "]}")
    assert refused.value.status == 413
