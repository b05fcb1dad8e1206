"""A PostgreSQL server of the test's own, on 127.0.0.1, as an ordinary user."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OWNER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""


@dataclass
class Server:
    """A running server, whose only user needs no password on the addresses it listens on."""

    binaries: Path
    folder: Path
    port: int
    addresses: str = "127.0.0.1"

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        """Address of a database, for SQLAlchemy."""
        return f"postgresql+psycopg://{OWNER}@{host}:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database; gives its address."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, database)
        return self.url(database)

    def require_password(self, user: str, password: str) -> None:
        """Make a user who owns what others make and must give a password."""
        statement = f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'"
        self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, "-c", statement, "postgres")
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        self._run("pg_ctl", "-D", str(self.folder / "data"), "reload")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses={self.addresses} -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def _run(self, *command: str) -> None:
        name, *arguments = command
        subprocess.run(
            [str(self.binaries / name), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            user=OWNER if os.geteuid() == 0 else None,
        )


def find_binaries() -> Path | None:
    """Folder of PostgreSQL's programs; None where it is not installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def serve(binaries: Path, addresses: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="tmdscope-postgres-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)
    server = Server(binaries, folder, _free_port(), addresses)
    try:
        server._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", OWNER, "--no-sync")
        allow = folder / "data" / "pg_hba.conf"
        allow.write_text(allow.read_text() + "host all all 10.0.0.0/8 trust\n")
        server.start()
        yield server
        server.stop()
    finally:
        _end(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end(folder: Path) -> None:
    """End what a failed test left running."""
    lock = folder / "data" / "postmaster.pid"
    if lock.exists():
        os.kill(int(lock.read_text().split()[0]), signal.SIGQUIT)
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
