"""The largest memory that a process has taken, as Linux counts it."""

from pathlib import Path

_FORGET = "5"
"""What `clear_refs` takes to count from now on (proc_pid_clear_refs(5))."""


def peak_kb(process: str = "self") -> int:
    """Give the largest memory of a process in kB; `getrusage` would count what started it, too.

    Parameters
    ----------
    process : str, optional
        Its number.

    Returns
    -------
    int
        As the kernel counts it.
    """
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def forget_peak() -> None:
    """Count this process's largest memory from now on."""
    Path("/proc/self/clear_refs").write_text(_FORGET, encoding="ascii")
