"""Files made here of formats of which no real file is at hand: other readers give the same values."""

from pathlib import Path

import numpy as np
import pytest

from tests.scan.read import files, more_files
from tmdscope.scan.read.read import decode_file

SIDE = 16
HEIGHT = np.random.default_rng(6).uniform(-40, 40, (SIDE, SIDE))
OBLONG = HEIGHT[:12]


def test_nanonis_as_pyspm(tmp_path: Path) -> None:
    """It leaves turning to the caller."""
    from pySPM.SXM import SXM

    content = more_files.sxm(OBLONG, 500, 600)
    theirs = SXM(str(files.write(tmp_path, "a.sxm", content)))
    for way in ("forward", "backward"):
        pixels = theirs.get_channel("Z", direction=way).pixels * 1e9
        ours = decode_file(content, "a.sxm", f"{way.capitalize()} Z").scan.height_nm
        np.testing.assert_allclose(ours, pixels[::-1, :: 1 if way == "forward" else -1], atol=1e-4)


def test_jpk_hdf5_as_afmreader(tmp_path: Path) -> None:
    from AFMReader.h5_jpk import load_h5jpk

    content = more_files.h5_jpk(HEIGHT, 500, 500, 3)
    images, pixel, _ = load_h5jpk(files.write(tmp_path, "a.h5-jpk", content), "height_trace")
    for frame, image in enumerate(images, 1):
        scan = decode_file(content, "a", f"height_trace frame {frame}").scan
        np.testing.assert_allclose(scan.height_nm, image, atol=1e-5)
        assert scan.pixel_size_nm == pytest.approx((pixel, pixel))


@pytest.mark.parametrize("version", [1, 2])
def test_nanosurf_hdf5_as_nsfopen(tmp_path: Path, version: int) -> None:
    """It leaves out half a step of the integers, and lines from the bottom."""
    from NSFopen.read import nhf_read

    content = more_files.nhf(HEIGHT, 500, 500, version)
    theirs = nhf_read(filename=str(files.write(tmp_path, "a.nhf", content))).data
    for way in ("Forward", "Backward"):
        values = np.asarray(theirs["Image"][way]["Topography"], dtype=float) * 1e9
        ours = decode_file(content, "a", f"{way} Topography").scan.height_nm
        np.testing.assert_allclose(ours, values[::-1], atol=1e-5)


def test_wsxm_as_afmreader(tmp_path: Path) -> None:
    """It leaves the image turned by half a turn, and rounds the amplitude of integers down to whole nm."""
    from AFMReader.stp import load_stp
    from AFMReader.top import load_top

    for load, stored in ((load_stp, "double"), (load_top, "short")):
        content = more_files.wsxm(HEIGHT, 500, 500, stored)
        header = content.index(b"[Header end]\r\n") + len(b"[Header end]\r\n")
        content = content.replace(b"size: 9999", f"size: {header:4}".encode())
        image, pixel = load(files.write(tmp_path, "a.stp", content.replace(b"size:  ", b"size: 0")))
        scan = decode_file(content, "a").scan
        theirs = np.asarray(image)[::-1, ::-1]
        if stored == "short":
            theirs = theirs * (np.ptp(HEIGHT) / np.floor(np.ptp(HEIGHT)))
        np.testing.assert_allclose(scan.height_nm - scan.height_nm.min(), theirs - theirs.min(), atol=1e-4)
        assert scan.pixel_size_nm == pytest.approx((pixel, pixel))


@pytest.mark.parametrize("write", [more_files.gwyddion_text, more_files.spip], ids=["gwyddion", "spip"])
def test_text_as_surface_topography(tmp_path: Path, write: object) -> None:
    from SurfaceTopography.IO.Text import AscReader

    assert callable(write)
    content = write(OBLONG, 800, 600)
    topography = AscReader(str(files.write(tmp_path, "a.txt", content))).topography()
    scan = decode_file(content, "a").scan
    per_nm = {"nm": 1.0, "µm": 1e-3, "m": 1e-9}[topography.unit]
    np.testing.assert_allclose(scan.height_nm, topography.heights().T / per_nm, atol=1e-4)
    size = (scan.pixel_size_nm[0] * SIDE, scan.pixel_size_nm[1] * 12)
    assert size == pytest.approx([length / per_nm for length in topography.physical_sizes])
