"""Commands on movies: defects."""

from pathlib import Path
from typing import Annotated

import typer

from tmdscope.cli.options import Sha256, echo


def defects(
    movie: Annotated[Path, typer.Argument(help="STEM frames: .npy, .h5, TIFF, GIF, .dm3 ..., or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for tables, page and marked movie.")] = Path("defects"),
    pixel_nm: Annotated[
        float | None, typer.Option(min=1e-4, max=10, help="Else the file's, or by the Bragg ring.")
    ] = None,
    lattice_nm: Annotated[
        float | None, typer.Option(min=0.05, max=5, help="Constant of the hexagonal lattice.")
    ] = None,
    crystal: Annotated[
        str | None, typer.Option(help="WS2, MoS2, WSe2, MoSe2 or graphene: names the defects.")
    ] = None,
    memory: Annotated[int, typer.Option(min=0, max=50, help="Frames in which a defect may be missed.")] = 3,
    model: Annotated[
        str | None,
        typer.Option(help="Names defects: models:/NAME@ALIAS, or intensity."),
    ] = None,
    sha256: Sha256 = None,
    detector: Annotated[
        str | None, typer.Option(help="Finds defects: models:/NAME@ALIAS; else the sites' intensities do.")
    ] = None,
) -> None:
    """Find the defects of a STEM movie of a single layer, name them, and follow them.

    Kinds are told by a registered network where one is in production, else by intensity; it is said which.
    Columns: frame, x_px (column), y_px (row), score (1: just told from noise), and what is known besides.
    """
    from tmdscope.lifecycle.defects import DefectsRequest, find_defects

    echo(
        find_defects(
            DefectsRequest(movie, out, pixel_nm, lattice_nm, crystal, memory, model, sha256, detector)
        )
    )
