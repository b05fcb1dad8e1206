"""Tables come out as they went in; nothing that a pickle names is ever called."""

import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmdscope.dataset.safe_pickle import read_pickle
from tmdscope.errors import UserError


def _table():
    table = pd.DataFrame(
        {
            "sampleId": ["13164", "7408"],
            "targets": ["WSe2", "Mo-WSe2"],
            "ImageNet": [np.arange(3, dtype=np.float32), np.full(3, -0.5, np.float32)],
        },
        dtype=object,
    )
    table.columns = pd.Index(list(table.columns), dtype=object)
    return table


PICKLED = pickle.dumps(_table(), protocol=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pickles")


def _read(folder: Path, content: bytes):
    path = folder / "some.pkl"
    path.write_bytes(content)
    return read_pickle(path)


@pytest.mark.parametrize("protocol", [4, 5])
def test_table_of_text_and_arrays_comes_out_as_it_went_in(folder, protocol):
    found = _read(folder, pickle.dumps(_table(), protocol=protocol))
    assert found["sampleId"].tolist() == ["13164", "7408"]
    assert found.columns.tolist() == ["sampleId", "targets", "ImageNet"]
    for row, expected in zip(found["ImageNet"], _table()["ImageNet"], strict=True):
        assert row.dtype == np.float32
        np.testing.assert_array_equal(row, expected)


def test_module_paths_of_numpy_1_and_pandas_2_are_known(folder):
    # The same program with the names that the authors' versions wrote, each of them one string longer.
    old = pickle.dumps({"a": np.arange(4.0)}, protocol=4).replace(
        b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray"
    )
    frame = old.index(b"\x95") + 1
    length = int.from_bytes(old[frame : frame + 8], "little") - 1
    old = old[:frame] + length.to_bytes(8, "little") + old[frame + 8 :]
    assert b"numpy.core.multiarray" in old
    np.testing.assert_array_equal(_read(folder, old)["a"], np.arange(4.0))


arrays = st.tuples(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, ">f4"]),
    st.lists(st.integers(0, 4), min_size=1, max_size=3),
    st.booleans(),
)


@given(arrays, st.sampled_from([4, 5]))
def test_arrays_come_out_bit_for_bit(folder, case, protocol):
    dtype, shape, fortran = case
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    values = np.asfortranarray(values) if fortran else values
    found = _read(folder, pickle.dumps([values, {"again": values}], protocol=protocol))
    np.testing.assert_array_equal(found[0], values)
    assert found[0].dtype == values.dtype
    assert found[1]["again"].tobytes() == values.tobytes()


class _Malicious:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_command_in_a_pickle_is_named_and_not_run(folder, protocol):
    trace = folder / "trace"
    content = pickle.dumps({"a": _Malicious(os.system, f"touch {trace}")}, protocol=protocol)
    with pytest.raises(UserError, match=r"some\.pkl.*(posix\.system|instruction)"):
        _read(folder, content)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (eval, ("1 + 1",)),
        (getattr, (np.ndarray, "dumps")),
        (np.load, ("x.npy",)),
        (np.frombuffer, (b"abcd", "f4")),
        (pd.read_pickle, ("x.pkl",)),
        (OrderedDict, ()),
        (pickle.loads, (b"N.",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_other_global_is_refused_by_name(folder, function, arguments):
    with pytest.raises(UserError, match=rf"{function.__name__}.*nothing of it was run"):
        _read(folder, pickle.dumps(_Malicious(function, *arguments), protocol=4))


def test_dotted_names_do_not_reach_into_an_admitted_class(folder):
    content = b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93."
    with pytest.raises(UserError, match=r"numpy\.ndarray\.__new__"):
        _read(folder, content)


def test_an_admitted_class_cannot_be_changed_from_inside(folder):
    # BUILD on the class itself with a state that would set its attributes.
    content = b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93N}\x8c\x05build\x8c\x01xs\x86b."
    assert "BUILD" in {opcode.name for opcode, _, _ in pickletools.genops(content)}
    with pytest.raises(UserError, match="damaged"):
        _read(folder, content)
    assert _read(folder, PICKLED)["targets"].tolist() == ["WSe2", "Mo-WSe2"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"PK\x03\x04", b"version https://git-lfs.github.com/spec/v1\n", b"\x80\x05\x93."],
    ids=["empty", "json", "zip", "lfs-pointer", "empty-stack"],
)
def test_what_is_no_pickle_is_said_so(folder, content):
    with pytest.raises(UserError, match=r"some\.pkl is (truncated|not a safe pickle)"):
        _read(folder, content)


def test_missing_file_is_named(folder):
    with pytest.raises(UserError, match=r"absent\.pkl does not exist"):
        read_pickle(folder / "absent.pkl")


@given(st.integers(0, len(PICKLED) - 1))
def test_every_truncation_is_refused(folder, length):
    with pytest.raises(UserError, match=r"some\.pkl"):
        _read(folder, PICKLED[:length])


@given(st.integers(0, len(PICKLED) - 1), st.integers(0, 255))
@example(PICKLED.index(b"\x93"), ord("r"))
def test_damage_is_refused_or_harmless(folder, place, value):
    damaged = PICKLED[:place] + bytes([value]) + PICKLED[place + 1 :]
    try:
        _read(folder, damaged)
    except UserError as error:
        assert "some.pkl" in str(error)  # noqa: PT017 - harmless damage raises nothing


def test_what_is_mentioned_again_and_again_is_built_once(folder):
    value: list = []
    for _ in range(200):  # unfolded, 2 to the power of 200
        value = [value, value]
    assert _read(folder, pickle.dumps(value, protocol=4))[0] is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04}" + b")" + b"\x85" * 200_000 + b"Ns.", "a tuple where another kind belongs"),
        (b"\x80\x04]" + b"N0" * 3 + b".", "instruction POP"),
        (b"\x80\x04](" + b"N" * 1_000_001 + b"e.", "more than 1000000 instructions"),
        (b"\x80\x04" + b"]" + b"\x85" * 100_000 + b".", "recursion"),
        (b"\x80\x04]\x94h\x00a.", "recursion"),
        (b"\x80\x04B\xff\xff\xff\x7fabc.", "truncated"),
        (b"\x80\x04NN\x93.", "something that is no name"),
    ],
    ids=["deep key", "pop", "long", "deep", "a circle", "a size that lies", "names of nothing"],
)
def test_a_bomb_is_refused_at_once(folder, content, message):
    with pytest.raises(UserError, match=rf"(?s)some\.pkl.*{message}"):
        _read(folder, content)


def test_one_buffer_in_many_arrays_is_no_way_to_fill_memory(folder):
    program = b"\x80\x04](\x8c\x12numpy.core.numeric\x8c\x0b_frombuffer\x93\x94"  # memo 0: the function
    program += b"B\x40\x42\x0f\x00" + bytes(1_000_000) + b"\x94"  # memo 1: a megabyte
    program += b"\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02u1\x85R\x94"  # memo 2: its type
    array = b"h\x00(h\x01h\x02J\x40\x42\x0f\x00\x85\x8c\x01CtR"
    assert _read(folder, program + array + b"e.")[-1].shape == (1_000_000,)
    with pytest.raises(UserError, match="16 times its size"):
        _read(folder, program + array * 1000 + b"e.")


def test_a_pipe_in_place_of_a_pickle_is_told(folder):
    os.mkfifo(folder / "pipe.pkl")
    with pytest.raises(UserError, match="no regular file"):
        read_pickle(folder / "pipe.pkl")


@pytest.mark.realdata
def test_the_authors_principal_components_open(published_dir):
    path = published_dir / "original" / "Features_Embedding_multilabel.pkl"
    if not path.is_file():
        pytest.skip("the authors' pickles are not beside the published tables")
    found = read_pickle(path)
    assert found["5-feature"].shape == (1026, 3)
    assert np.bincount(found["5-target"]).tolist() == [476, 182, 137, 129, 102]
