"""The commands `tmdscope store`: the local store of runs and models."""

import typer

from tmdscope.cli.options import echo

store = typer.Typer(help="The local store of runs and models (folder `mlruns`).", no_args_is_help=True)


@store.command("move")
def move() -> None:
    """Let the runs and models of a project that was copied or renamed lie where the project lies now."""
    from tmdscope.tracking.relocate import move_store
    from tmdscope.tracking.store import tracking_root

    moved = move_store(tracking_root())
    if moved.backup is None:
        echo(f"{tracking_root()} names its own folder: nothing to move")
        return
    for folder in moved.folders:
        echo(f"{folder} -> {tracking_root()}")
    echo(f"{moved.addresses} addresses rewritten; the file as it was: {moved.backup}")
