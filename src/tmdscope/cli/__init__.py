"""The `tmdscope` command: thin, and quick to start (what a command needs is imported when it runs)."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tmdscope import __version__
from tmdscope.cli.data import audit, check, init, inspect
from tmdscope.cli.movies import defects
from tmdscope.cli.options import echo
from tmdscope.cli.profiles import profile
from tmdscope.cli.registered import card, compare, models, predict, promote, rollback, serve
from tmdscope.cli.stores import store
from tmdscope.cli.training import add_material, search, search_worker
from tmdscope.stage import orderly
from tmdscope.temporary import all_in_one


class _Commands(TyperGroup):
    """Whatever ends a command becomes a message on standard error and an exit status."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        with orderly():
            return super().main(*arguments, **named)

    def invoke(self, ctx: Any) -> Any:
        with orderly((OSError, EOFError)), all_in_one():  # typer would make something of its own
            return super().invoke(ctx)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"tmdscope {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    help="Tracked, reproducible transfer learning for microscopy of two-dimensional materials.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Tracked, reproducible transfer learning for microscopy of two-dimensional materials."""


for _command in (
    *(check, init, models, compare, promote, rollback, card, audit),
    *(search, search_worker, add_material, predict, serve, inspect, defects),
):
    app.command()(_command)
app.add_typer(profile, name="profile")
app.add_typer(store, name="store")
