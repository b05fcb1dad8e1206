"""How much memory threads may take together, and whether what was freed is kept or given back."""

import ctypes
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from tmdscope.limits import CONTENT_SHARE, WORK_SHARE

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of the GNU C library
_PAD_BYTES = 64 << 20
_UNKNOWN_BYTES = 4 << 30
_TRIM_BYTES = 256 << 20
_PROC = Path("/proc")
_GROUP = Path("/sys/fs/cgroup")
_GROUPS = (
    (_GROUP / "memory.max", _GROUP / "memory.current"),
    (_GROUP / "memory/memory.limit_in_bytes", _GROUP / "memory/memory.usage_in_bytes"),
)


def keep_freed_memory() -> bool:
    """Tell the C library to reuse large freed blocks, and say whether it obeyed: only GNU's does.

    Else training gets gigabytes in every step as pages that the kernel must clear first (ResNet18, 224 px,
    batch of 32, two cores: 10.9 images/s become 12.6). The peak does not rise.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _PAD_BYTES))
    obeyed = [mallopt is not None and mallopt(name, value) == 1 for name, value in settings]
    return all(obeyed)


def give_back_freed_memory() -> bool:
    """Give free memory that the C library keeps to the kernel, and say whether it had some and is GNU's."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and trim(0) == 1


class Budget:
    """Memory, in bytes, that threads share: each waits until there is room for what it is about to take.

    First come, first served; who asks for more than there is gets all of it and runs alone. A thread must not
    take again before it gave back. A callable `most` is asked at first use.
    """

    def __init__(self, most: int | Callable[[], int]) -> None:
        self._most, self._taken = most, 0
        self._turn, self._given_back = threading.Lock(), threading.Condition()

    @contextmanager
    def take(self, needed: int) -> Iterator[None]:
        """Hold some bytes while the block runs."""
        with self._turn, self._given_back:
            if callable(self._most):
                self._most = self._most()
            most = self._most
            needed = min(needed, most)
            self._given_back.wait_for(lambda: self._taken + needed <= most)
            self._taken += needed
        try:
            yield
        finally:
            if needed >= _TRIM_BYTES:
                give_back_freed_memory()
            with self._given_back:
                self._taken -= needed
                self._given_back.notify_all()


CONTENTS = Budget(lambda: int(available_bytes() * CONTENT_SHARE))
"""For the content of files. Taken before `WORK`, never after it, so that nobody waits in a circle."""

WORK = Budget(lambda: int(available_bytes() * WORK_SHARE))
"""For what is made of them."""


def room_to_read(path: Path) -> AbstractContextManager[None]:
    """Hold room for a file's content, once there is some, while the block runs; a missing file needs none."""
    size = 0
    with suppress(OSError, ValueError):
        size = path.stat().st_size
    return CONTENTS.take(size)


def available_bytes() -> int:
    """Say what this process may take, by machine, control group and own limit; 4 GiB where nobody says."""
    found = [_number(_PROC / "meminfo", "MemAvailable:", 1024)]
    for limit, used in _GROUPS:
        most, now = _number(limit), _number(used)
        found.append(None if most is None or now is None else most - now)
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _number(_PROC / "self/statm")
    if allowed != resource.RLIM_INFINITY and pages is not None:
        found.append(allowed - pages * resource.getpagesize())
    return max(1, min((value for value in found if value is not None), default=_UNKNOWN_BYTES))


def _number(path: Path, key: str = "", unit: int = 1) -> int | None:
    """Read the number behind a word of a file of the kernel's; None where there is none."""
    try:
        text = path.read_text(encoding="ascii")
        return int((text.partition(key)[2] if key else text).split()[0]) * unit
    except (OSError, ValueError, IndexError):
        return None
