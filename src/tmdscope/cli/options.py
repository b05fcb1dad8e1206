"""What the commands share: options, reading of settings, and how they write."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tmdscope.layout import find_project, shipped_settings
from tmdscope.names import shown

SETTINGS = Path("params.yaml")


def echo(text: object, nl: bool = True, err: bool = False) -> None:
    """Print a text; what a file or a store holds in it cannot steer the terminal."""
    typer.echo(shown(str(text), keep="\n"), nl=nl, err=err)


def _of_project(params: Path) -> Path:
    """Take the project's settings from anywhere below it; what a user names is relative to where they are."""
    found = find_project() / params
    return found if params == SETTINGS and not params.exists() and found.exists() else params


ParamsPath = Annotated[
    Path, typer.Option("--params", callback=_of_project, help="The settings; `profiles` lies beside.")
]
Named = Annotated[str | None, typer.Option("--name", help="Registered model; else that of the settings.")]
Model = Annotated[str, typer.Option(help="Version, alias, or models:/NAME/VERSION or models:/NAME@ALIAS.")]
Sha256 = Annotated[
    str | None, typer.Option(help="That the model's files must have, as `tmdscope promote` printed it.")
]


def read(params: Path, *sections: str) -> Any:
    """Read sections of a study's settings, in this order; outside a project those shipped, on images."""
    from tmdscope.params.reading import read_params, read_section
    from tmdscope.params.settings import IMAGE_SECTIONS
    from tmdscope.studies import study_of

    if params == SETTINGS and not params.exists():
        echo("no params.yaml here or above: with the settings that tmdscope ships", err=True)
        params = shipped_settings()
    own = study_of(params).params
    models = own if own.keys() <= read_params(params).keys() else IMAGE_SECTIONS
    return [read_section(name, models[name], params) for name in sections]


def read_cluster(params: Path) -> Any:
    """Give what works on the Dask cluster that settings name; None for this machine."""
    from tmdscope.cluster import cluster_at
    from tmdscope.params.images import ComputeParams
    from tmdscope.params.reading import read_params, read_section

    if not params.exists() or "compute" not in read_params(params):
        return None
    return cluster_at(read_section("compute", ComputeParams, params).scheduler)


def model_name(params: Path, name: str | None = None) -> str:
    """Name the study's registered model, if not `name` does."""
    if name is not None:
        return name
    (tracking,) = read(params, "tracking")
    return str(tracking.model)
