"""Films by ffmpeg: a stand-in for it, for few machines of tests have one."""

import stat

import pytest
from PIL import Image

from tmdscope.report.figures.film import write_mp4

PICTURES = [Image.new("RGB", (5, 3), colour) for colour in ("red", "blue")]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write a program called ffmpeg that does what a shell script says."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def _write(script: str) -> None:
        file = tmp_path / "bin" / "ffmpeg"
        file.parent.mkdir()
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return _write


def test_frames_go_to_ffmpeg_as_they_are(program, tmp_path):
    program('for last; do :; done; /bin/cat > "$last"; echo "$@" > "$last.txt"; /bin/mv "$last.txt" "$0.txt"')
    assert write_mp4(tmp_path / "marked.mp4", PICTURES, 0.5) == ""
    assert (tmp_path / "marked.mp4").read_bytes() == b"\xff\0\0" * 15 + b"\0\0\xff" * 15
    assert "-s 5x3 -r 2 -i -" in (tmp_path / "bin" / "ffmpeg.txt").read_text()


def test_what_fails_is_told_and_leaves_no_film(program, tmp_path):
    (tmp_path / "marked.mp4").write_text("of another movie")
    program('echo "Unknown encoder" >&2; exit 1')
    assert write_mp4(tmp_path / "marked.mp4", PICTURES) == "no marked.mp4: ffmpeg failed (Unknown encoder)"
    assert not (tmp_path / "marked.mp4").exists()


def test_without_ffmpeg_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert write_mp4(tmp_path / "marked.mp4", PICTURES) == "no marked.mp4: ffmpeg is not installed"
