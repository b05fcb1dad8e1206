"""Commands on settings and data: check, init, audit, inspect."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from tmdscope.cli.options import ParamsPath, echo, read
from tmdscope.errors import UserError


def check(params: ParamsPath = Path("params.yaml")) -> None:
    """Check all settings, each by itself and against the others, as the first stage does."""
    from tmdscope.jobs.check import check_study
    from tmdscope.studies import study_of

    echo(check_study(study_of(params)))


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with instrument files or pictures.")],
    sample: Annotated[
        str | None, typer.Option(help="REGEX of the sample in a path: its groups, or all it finds.")
    ] = None,
    material: Annotated[
        str | None, typer.Option(help="REGEX of the class in a path; else folders or formulae.")
    ] = None,
    manifest: Annotated[str, typer.Option(help="Name of the CSV to write in the folder.")] = "manifest.csv",
    yes: Annotated[bool, typer.Option("--yes", help="Write it without asking.")] = False,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Make a manifest of a folder: classes by folder, samples by name; shown, checked, then written.

    A sample_id names the grown piece a file was taken from: images of one sample never fall on both sides
    of a split. Where none is known every file is its own sample, and scores may be of recognising samples.
    """
    from tmdscope.lifecycle.first_manifest import InitRequest, make_manifest

    def ask(question: str) -> str:
        try:
            return str(typer.prompt(question, default="y"))
        except typer.Abort as error:
            raise UserError("nothing was written: nobody answered; --yes writes without asking") from error

    request = InitRequest(folder, manifest, sample, material, params.parent)
    echo(make_manifest(request, echo, None if yes else ask))


def audit(
    manifest: Annotated[
        Path, typer.Argument(help="CSV or Parquet: sample_id, label, path (relative to it) of pictures.")
    ],
    order: Annotated[
        str,
        typer.Option(help="Column of numbers or dates that rises with time; sample_id: its number; none."),
    ],
    nuisance: Annotated[list[str] | None, typer.Option(help="Column that should not matter; repeat.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="NPY, a row per image; without it, spectra of the pictures.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Of scans whose row names none; that of the heights is found.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and the record.")] = Path("reports/audit"),
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Say what a score on a data set is worth: duplicates, confounds, held-out campaigns, a verdict.

    Sections `audit` and `prepare` of params.yaml say how; order and nuisance columns are named here.
    """
    from tmdscope.lifecycle.audit import PAGE, audit_manifest

    prepare, asked, scoring = read(params, "prepare", "audit", "scoring")
    told = audit_manifest(manifest, features, order, nuisance or [], prepare, asked, scoring, out, channel)
    echo(f"{told}\nin full: {out / PAGE}")


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An instrument's file.")],
    channel: Annotated[str | None, typer.Option(help="Its name; that of the heights is found.")] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG to write; else in reports/inspected.")] = None,
    level: Annotated[
        Literal["params", "all"], typer.Option(help="all: chains of steps side by side, with errors.")
    ] = "params",
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Say what is in an instrument's file and draw it before and after levelling, as section `prepare` asks.

    Bruker Nanoscope (.spm, .000 to .999), Asylum .ibw, JPK .jpk, .jpk-qi-image and .h5-jpk, Park .tiff,
    Gwyddion .gwy and .gsf, .topostats, Nanosurf .nid and .nhf, Nanonis .sxm, WSxM .stp and .top, NT-MDT .mdt,
    Keysight .mi, high-speed .asd, and text of Gwyddion, SPIP, NanoScope and WSxM. Each frame of a movie is a
    channel.
    """
    from tmdscope.layout import MAIN
    from tmdscope.lifecycle.inspection import compare_chains, inspect_file

    if picture is not None and (os.path.lexists(picture) or picture.suffix.lower() != ".png"):
        raise UserError(f"--picture {picture}: name a .png that is not there yet; nothing is overwritten")
    target = picture or params.parent / MAIN.inspected / f"{file.name}.png"
    (prepare,) = read(params, "prepare")
    inspected = compare_chains if level == "all" else inspect_file
    echo(inspected(file, prepare, target, channel), nl=False)
