"""Commands in the documentation: finding them, and checking their form without running them."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from mlflow.cli import cli as mlflow_cli

from tmdscope.cli import app

SHELL = ("sh", "bash", "console")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"(?:[A-Z_]+=\S* )*(?:tmdscope|make|dvc|mlflow|python) ")
ASSIGNMENTS = re.compile(r"^(?:[A-Z_]+=\S*\s+)+")


@dataclass(frozen=True)
class Command:
    """A command line of a page.

    Attributes
    ----------
    page : str
        Relative to the repository.
    text : str
        Without prompt, comment and continuations.
    """

    page: str
    text: str


def pages(root: Path) -> list[str]:
    """Name every page that has commands for readers, relative to the repository."""
    found = [root / "README.md", root / "data" / "user" / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [path.relative_to(root).as_posix() for path in found]


def commands(root: Path, page: str) -> Iterator[Command]:
    """Give the commands of a page's shell blocks, in order."""
    for _, language, block in FENCE.findall((root / page).read_text(encoding="utf-8")):
        if language not in SHELL:
            continue
        joined = re.sub(r"\\\n\s*", "", block)
        lines = [re.sub(r"(^|\s+)#( .*|$)", "", line).strip() for line in joined.splitlines()]
        if language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield from (Command(page, line) for line in lines if line)


def unmarked(root: Path, page: str) -> list[str]:
    """Give lines that look like commands in blocks that are not marked as shell."""
    return [
        line
        for _, language, block in FENCE.findall((root / page).read_text(encoding="utf-8"))
        if language not in SHELL
        for line in block.splitlines()
        if re.match(rf"\s*(?:\$ )?{OURS.pattern}", line)
    ]


def inline(root: Path, page: str) -> list[str]:
    """Give the commands that stand in running text, between single backticks."""
    text = FENCE.sub("", (root / page).read_text(encoding="utf-8"))
    found = (re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", text))
    return [code for code in found if re.match(r"(?:tmdscope|make) [a-z]", code)]


def check_form(root: Path, text: str) -> None:
    """Parse every command of a line as its program would, and run none.

    Raises
    ------
    Exception
        The program, its subcommand, an option or an argument does not exist.
    """
    for part in re.split(r" && | \| ", text):
        words = shlex.split(ASSIGNMENTS.sub("", part))
        words = words[: words.index(">")] if ">" in words else words
        match words:
            case ["tmdscope", *arguments]:
                _parse(typer.main.get_command(app), "tmdscope", arguments)
            case ["mlflow", *arguments]:
                _parse(mlflow_cli, "mlflow", arguments)
            case ["dvc", *arguments]:
                _parse_dvc(arguments)
            case ["make", *arguments]:
                _dry_make(root, arguments)
            case [program, *_]:
                assert program in FOREIGN, f"{program}: unknown program; add it to FOREIGN in {__file__}"


FOREIGN = {"cd", "cp", "chmod", "curl", "docker", "export", "git", "python", "source"}
"""Programs whose options are not ours to check."""


def check_names(root: Path, code: str) -> None:
    """Check that the subcommand and options of a command in running text exist; arguments are free."""
    program, *words = shlex.split(code.split(" && ")[0])
    if program == "make":
        _dry_make(root, [word for word in words if "=" not in word])
        return
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}


def _parse(command: Any, name: str, arguments: Sequence[str]) -> None:
    """Parse with Click, or with Typer's own copy of it."""
    context = command.make_context(name, list(arguments))
    if hasattr(command, "commands"):
        found, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        _parse(inner, found, rest)


def _parse_dvc(arguments: Sequence[str]) -> None:
    try:
        get_main_parser().parse_args(list(arguments))
    except DvcParserError as error:
        raise AssertionError(f"dvc {shlex.join(arguments)}: {error}") from error


def _dry_make(root: Path, arguments: Sequence[str]) -> None:
    done = subprocess.run(["make", "--dry-run", *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
