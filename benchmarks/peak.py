"""The memory of a process, as Linux counts it."""

from pathlib import Path

_FORGET = "5"
"""What `clear_refs` takes to count from now on (proc_pid_clear_refs(5))."""


def memory_kb(process: int | str = "self", field: str = "VmHWM") -> int:
    """Give a figure of a process's memory in kB; `getrusage` would count what started it, too.

    Parameters
    ----------
    process : int or str, optional
        Its number.
    field : str, optional
        A name of proc_pid_status(5); the largest memory so far by default.

    Returns
    -------
    int
        As the kernel counts it; 0 of one that has ended.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines[field].split()[0]) if field in lines else 0  # a zombie has no such line


def forget_peak() -> None:
    """Count this process's largest memory from now on."""
    Path("/proc/self/clear_refs").write_text(_FORGET, encoding="ascii")
