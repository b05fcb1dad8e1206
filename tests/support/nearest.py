"""``python -m tests.support.nearest`` names the tests nearest to what changed since the last commit."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

SOURCES = Path("src/tmdscope")


def changed() -> list[Path]:
    """List the files that differ from the last commit, or are new; what is gone has no test to run."""
    told = ("diff --name-only --diff-filter=d HEAD", "ls-files --others --exclude-standard")
    listed = [subprocess.check_output(["git", *each.split()], text=True) for each in told]
    return [Path(line) for text in listed for line in text.splitlines()]


def nearest(files: Iterable[Path]) -> list[Path]:
    """Find test files: a changed one, the one of a module's name, else those of its room that import it."""
    found: set[Path] = set()
    for path in files:
        if path.is_relative_to("tests") and path.match("test_*.py"):
            found.add(path)
        elif path.is_relative_to(SOURCES) and path.suffix == ".py":
            below = path.relative_to(SOURCES)
            twin = Path("tests", below.parent, f"test_{below.name}")
            module = ".".join(("tmdscope", *below.with_suffix("").parts))
            room = Path("tests", below.parent).glob("test_*.py")
            found |= {twin} if twin.exists() else {test for test in room if module in test.read_text()}
    return sorted(found)


if __name__ == "__main__":
    print(*nearest(changed()))
