"""Pictures as a film, by ffmpeg where it is installed."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from tmdscope.files import atomic_path

_LONGEST_S = 300


def write_mp4(path: Path, pictures: Iterable[Image.Image], seconds: float = 0.2) -> str:
    """Write pictures of one size, so many seconds each; gives why there is no film, or an empty text.

    A film that was there before is gone in any case.
    """
    path.unlink(missing_ok=True)
    program = shutil.which("ffmpeg")
    if program is None:
        return f"no {path.name}: ffmpeg is not installed"
    frames = [picture.convert("RGB") for picture in pictures]
    columns, rows = frames[0].size
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{columns}x{rows}", "-r", f"{1 / seconds:g}"]
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]  # what players can show
    try:
        with atomic_path(path) as temporary:
            subprocess.run(  # noqa: S603
                [program, "-v", "error", *raw, "-i", "-", *even, "-f", "mp4", str(temporary)],
                input=b"".join(frame.tobytes() for frame in frames),
                capture_output=True,
                timeout=_LONGEST_S,
                check=True,
            )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return f"no {path.name}: ffmpeg failed ({said[0][:200]})"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no {path.name}: ffmpeg did not end well ({str(error)[:200]})"
    return ""
