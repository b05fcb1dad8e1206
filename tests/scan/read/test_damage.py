"""Whatever the bytes are, there is a Scan or a ScanError, never another error, a hang or a crash."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scan.read import files, more_files
from tmdscope.scan.read import read
from tmdscope.scan.read.formats import FORMATS
from tmdscope.scan.read.read import ScanError, decode_file
from tmdscope.scan.scan import Scan

HEIGHT = np.random.default_rng(2).uniform(-40, 40, (9, 11))
WHOLE: dict[str, Callable[[], bytes]] = {
    "nanoscope": lambda: files.nanoscope(HEIGHT),
    "ibw": lambda: files.ibw(HEIGHT, 500, 500),
    "jpk": lambda: files.jpk(HEIGHT, 500, 500),
    "park": lambda: files.park(HEIGHT, 500, 500),
    "gsf": lambda: files.gsf(HEIGHT, 500, 500),
    "gwy": lambda: files.gwy(HEIGHT, 500, 500),
    "topostats": lambda: files.topostats(HEIGHT, 25.0),
    "nid": lambda: files.nid(HEIGHT, 500, 500),
    "sxm": lambda: more_files.sxm(HEIGHT, 500, 500),
    "nhf": lambda: more_files.nhf(HEIGHT, 500, 500),
    "h5-jpk": lambda: more_files.h5_jpk(HEIGHT, 500, 500, 2),
    "asd": lambda: more_files.asd(HEIGHT, 500, 500, 2),
    "mi": lambda: more_files.mi(HEIGHT, 500, 500),
    "mdt": lambda: more_files.mdt(HEIGHT, 500, 500),
    "wsxm": lambda: more_files.wsxm(HEIGHT, 500, 500),
    "spip": lambda: more_files.spip(HEIGHT, 500, 500),
    "nanoscope-text": lambda: more_files.nanoscope_text(HEIGHT, 500, 500),
    "gwyddion-text": lambda: more_files.gwyddion_text(HEIGHT, 550, 450),
    "xyz": lambda: more_files.xyz(HEIGHT, 500, 500),
}
SAY_NO_LINES = ("gwyddion-text", "xyz")
"""Texts that do not say how many lines they have: one that ends between two lines may be whole."""
BEGINNINGS = [start for form in FORMATS for start in form.starts]
EXAMPLES = 25


def outcome(content: bytes) -> Scan | ScanError:
    try:
        return decode_file(content, "scan").scan
    except ScanError as error:
        return error


@settings(max_examples=EXAMPLES)
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=2000))
def test_noise_behind_a_known_beginning(beginning: bytes, noise: bytes) -> None:
    assert isinstance(outcome(beginning + noise), ScanError)


@pytest.mark.parametrize("name", WHOLE)
def test_changed_bytes(name: str) -> None:
    whole = WHOLE[name]()
    places = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8)

    @settings(max_examples=EXAMPLES)
    @given(places)
    def change(edits: list[tuple[int, int]]) -> None:
        content = bytearray(whole)
        for place, value in edits:
            content[place] = value
        found = outcome(bytes(content))
        if isinstance(found, Scan):
            assert np.isfinite(found.height_nm).all()
            assert all(size > 0 for size in found.pixel_size_nm)

    change()


@pytest.mark.parametrize("name", WHOLE)
def test_cut_anywhere(name: str) -> None:
    whole = WHOLE[name]()
    height_nm = decode_file(whole, "scan").scan.height_nm

    @settings(max_examples=EXAMPLES)
    @given(st.integers(0, len(whole) - 1))
    def cut(length: int) -> None:
        found = outcome(whole[:length])
        if isinstance(found, Scan):  # what is lost was of another channel or said nothing of the heights
            lines = len(found.height_nm)
            assert lines == len(height_nm) or name in SAY_NO_LINES
            np.testing.assert_array_equal(found.height_nm, height_nm[:lines])

    cut()


def number(text: str) -> st.SearchStrategy[str]:
    return st.one_of(
        st.integers(-(10**20), 10**20).map(str),
        st.floats().map(str),
        st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20),
    ).map(lambda value: text.replace("#", value))


@settings(max_examples=4 * EXAMPLES)
@given(
    st.sampled_from(
        [
            ("Samps/line", "#"),
            ("Number_of_lines", "#"),
            ("Data_length", "#"),
            ("Data_offset", "#"),
            ("Bytes/pixel", "#"),
            ("Scan_Size", "# # nm"),
            ("Aspect_Ratio", "#"),
            ("@2:Z_scale", "V [Sens. Zsens] (0.1 V/LSB) # V"),
        ]
    ).flatmap(lambda pair: st.tuples(st.just(pair[0]), number(pair[1])))
)
def test_absurd_numbers_in_a_bruker_header(edit: tuple[str, str]) -> None:
    outcome(files.nanoscope(HEIGHT, **{edit[0]: edit[1]}))


def endless_gwy() -> bytes:
    """Objects within objects, deeper than Python follows."""
    inner = b""
    for _ in range(20_000):
        inner = b"a\x00o" + b"GwyContainer\x00" + len(inner).to_bytes(4, "little") + inner
        if len(inner) > 1 << 20:
            break
    return b"GWYP" + b"GwyContainer\x00" + len(inner).to_bytes(4, "little") + inner


def many_gwy() -> bytes:
    """So many components that copying the rest for each of them takes long."""
    inner = b"a\x00b\x01" * (1 << 20)
    return b"GWYP" + b"GwyContainer\x00" + len(inner).to_bytes(4, "little") + inner


def huge_ibw() -> bytes:
    """A note of 2 GB that is not there."""
    content = bytearray(files.ibw(HEIGHT, 500, 500))
    content[12:16] = (2**31 - 1).to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize("write", [endless_gwy, many_gwy, huge_ibw])
def test_readers_are_held_to_the_size_of_the_file(write: Callable[[], bytes]) -> None:
    assert isinstance(outcome(write()), ScanError)
    assert isinstance(decode_file(WHOLE["gwy"](), "next").scan, Scan)


def test_a_reader_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "READER_WAIT_S", 0.0)
    monkeypatch.setattr(read, "READER_WAIT_S_PER_BYTE", 0.0)
    monkeypatch.setattr(read, "_idle", [])
    with pytest.raises(ScanError, match="crashed or did not come to an end"):
        decode_file(many_gwy(), "scan.gwy")
    assert read._idle == []


def test_one_process_reads_file_after_file() -> None:
    decode_file(WHOLE["gwy"](), "a")
    before = list(read._idle)
    for name in ("gwy", "ibw", "topostats"):
        decode_file(WHOLE[name](), "a")
    with pytest.raises(ScanError, match="no scale"):
        decode_file(files.gwy(HEIGHT, 0.0, 1.0), "a")
    assert read._idle == before


def test_a_reader_that_failed_reads_no_other_file() -> None:
    whole = WHOLE["ibw"]()
    expected = decode_file(whole, "a").scan.height_nm
    used = read._idle[-1]
    damaged = bytearray(whole)
    damaged[64 + 16] = 0x7F  # a type that does not exist
    for _ in range(3):
        with pytest.raises(ScanError, match="expected an image of layers"):
            decode_file(bytes(damaged), "a")
    assert used not in read._idle
    np.testing.assert_array_equal(decode_file(whole, "a").scan.height_nm, expected)
