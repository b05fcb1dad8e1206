"""Looks for a planted password in everything that a command leaves behind."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

MARKER = "Pl4nted/M@mark3r"
"""In every variable; its signs end a password in an address unless they are escaped."""


def planted(server: str) -> dict[str, str]:
    """Give the variables that may hold an address or a password, with `MARKER`; `server` is HOST:PORT."""
    address = f"http://me:{quote(MARKER, safe='')}@{server}"
    names = "TRACKING_PASSWORD TRACKING_TOKEN S3_ENDPOINT_URL REGISTRY_URI TRACKING_URI".split()
    addresses = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_S3_ENDPOINT_URL"}
    others = "AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN PGPASSWORD TMDSCOPE_SERVE_TOKEN".split()
    others += ["TMDSCOPE_WEIGHTS_URL", "TMDSCOPE_ZENODO_URL"]
    variables = [f"MLFLOW_{name}" for name in names] + others
    given = {name: address if name in addresses or name.endswith("_URL") else MARKER for name in variables}
    return {**given, "TMDSCOPE_SEARCH_STORAGE": f"postgresql+psycopg{address[len('http') :]}/trials"}


def traces(text: str) -> list[str]:
    """Find the forms of `MARKER` in a text."""
    forms = (MARKER, quote(MARKER), quote(MARKER, safe=""), "Pl4nted", "mark3r")
    return [form for form in forms if form in text]


def traces_in(folder: Path) -> list[str]:
    """Name the files below a folder that hold `MARKER`, databases and all."""
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and traces(path.read_bytes().decode("latin-1"))
    ]


def run_watched(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a command; gives its exit status, all its output, and every command line of it and its children."""
    environment = {**os.environ, **variables}
    output = folder / "output.txt"
    lines: set[str] = set()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
        while process.poll() is None:
            lines |= _command_lines(process.pid)
            time.sleep(0.05)
    return process.returncode, output.read_text(errors="replace"), "\n".join(lines)


def _command_lines(session: int) -> set[str]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == session:
                found.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1"))
        except OSError:
            continue
    return found
