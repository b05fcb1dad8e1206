"""The commands `tmdscope profile`: named sets of settings."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tmdscope.cli.options import ParamsPath, echo
from tmdscope.errors import UserError

profile = typer.Typer(
    help="Named sets of settings (folder `profiles` beside params.yaml). A profile is merged key by key, "
    "except `experiments` and `searches`, which it replaces as a whole.",
    no_args_is_help=True,
)


@profile.command("list")
def list_(params: ParamsPath = Path("params.yaml")) -> None:
    """List the profiles."""
    from tmdscope.profiles import list_profiles

    found = list_profiles(params.parent / "profiles")
    width = max(map(len, found))
    for name, headline in found.items():
        echo(f"{name:{width}}  {headline}")


@profile.command()
def show(
    name: Annotated[str, typer.Argument(help="Profile name.")], params: ParamsPath = Path("params.yaml")
) -> None:
    """Show a profile."""
    from tmdscope.profiles import read_profile

    _print(read_profile(name, params.parent / "profiles"), "yaml")


@profile.command()
def apply(
    name: Annotated[str, typer.Argument(help="Profile name.")],
    params: ParamsPath = Path("params.yaml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change and write nothing.")] = False,
) -> None:
    """Merge a profile into params.yaml, after checking the result, and show the change.

    Mappings are merged key by key; `experiments` and `searches` are replaced as a whole.
    `tmdscope profile apply default` brings the shipped settings back.
    """
    from tmdscope.files import write_text
    from tmdscope.params.reading import read_settings
    from tmdscope.profiles import diff_params, merge_profile, read_profile

    text = read_profile(name, params.parent / "profiles")
    if not params.is_file():
        raise UserError(
            f"{params} does not exist; run from the folder that holds it, or name it with --params"
        )
    before = read_settings(params)
    after = merge_profile(before, text, f"{params.name} with profile {name!r}")
    if before == after:
        echo(f"{params} already has profile {name!r}")
        return
    _print(diff_params(before, after, params.name), "diff")
    if not dry_run:
        write_text(params, after)
    echo(f"{params} {'would have' if dry_run else 'now has'} profile {name!r}", err=True)


def _print(text: str, language: str) -> None:
    """Write a text, in colour when a person watches."""
    if not _is_watched():
        echo(text, nl=False)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(text, language, theme="ansi_dark", background_color="default"))


def _is_watched() -> bool:
    return sys.stdout.isatty()
