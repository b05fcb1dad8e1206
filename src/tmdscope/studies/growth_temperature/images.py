"""Stage `images`: a user's own images, or the archive's, with their growth temperatures, described."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from tmdscope.dataset.archive import ingest_archive
from tmdscope.dataset.folder import ingest_sheet
from tmdscope.dataset.label import LABEL
from tmdscope.dataset.manifest_csv import Sheet, read_sheet
from tmdscope.dataset.place import check_apart, manifest_file
from tmdscope.dataset.records import PAPER_TEST, TEMPERATURE
from tmdscope.dataset.sources import NOTE
from tmdscope.dataset.store import PICTURES
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, write_json
from tmdscope.jobs.study import Study
from tmdscope.params.images import ArchiveParams, DescribeParams
from tmdscope.scores.levels import name_level
from tmdscope.studies.growth_temperature.described import RAW, fill
from tmdscope.studies.growth_temperature.params import ARCHIVE, FramingParams, ImagesParams, Unit, in_unit
from tmdscope.studies.growth_temperature.record import ABSENT, IN_TEST
from tmdscope.studies.growth_temperature.sources import source_of

_ARCHIVED = ("900C", "950C", "1000C")
"""Classes of the archive."""

_COLUMN = TEMPERATURE.rpartition("_")[0] + "_"
"""Beginning of the name of the column with temperatures; their unit is its end."""


def run(study: Study) -> None:
    """Bring, prepare and describe the images that section `images` names, if any."""
    asked, unit = study.section("images", ImagesParams), study.section("framing", FramingParams).unit
    with atomic_path(source_of(study, "images").layout.tables) as workspace:
        workspace.mkdir()
        if asked.source == "none":
            write_json(workspace / ABSENT, {"why": "section `images` names no folder and no archive"})
            print("source `images` is not run: section `images` names none")
            return
        (workspace / RAW).mkdir()
        manifest = _ingest(asked, workspace / RAW, unit)
        temperatures = read_temperatures(manifest, unit)
        if PAPER_TEST in manifest:
            manifest = manifest.rename(columns={PAPER_TEST: IN_TEST})
        describing = study.section("describe", DescribeParams)
        table = fill(workspace, manifest, temperatures, unit, asked.prepare, describing).manifest
    print(f"{len(table)} images of {table['sample_id'].nunique()} samples, from the {asked.source}")


def _ingest(asked: ImagesParams, raw: Path, unit: Unit) -> pd.DataFrame:
    if asked.source == "archive":
        archive = ArchiveParams(record=ARCHIVE, files=asked.files)
        return ingest_archive(archive, _ARCHIVED, raw / PICTURES, raw / NOTE)
    folder = Path(asked.folder.path)
    check_apart(folder)
    sheet = labelled(manifest_file(folder, asked.folder.manifest), unit)
    names = dict.fromkeys(row[LABEL] for row in sheet.rows)
    return ingest_sheet(folder, sheet, list(names), raw / PICTURES, asked.folder.channel)


def labelled(manifest: Path, unit: Unit) -> Sheet:
    """Read a person's manifest; its temperatures stand in place of the class, whatever that may be."""
    sheet = read_sheet(manifest, ("path", "sample_id"))
    ids = [{"image_id": row["path"], "sample_id": row["sample_id"]} for row in sheet.rows]
    known = pd.concat([pd.DataFrame(ids), sheet.table(sheet.further)], axis=1)
    try:
        values = read_temperatures(known, unit)
    except UserError as error:
        raise UserError(f"{manifest}: {error}") from error
    rows = [{**row, LABEL: name_level(value, unit)} for row, value in zip(sheet.rows, values, strict=True)]
    return replace(sheet, label=LABEL, rows=rows)


def read_temperatures(manifest: pd.DataFrame, unit: Unit) -> pd.Series:
    """Read the temperatures of a manifest, a number a row, in a unit that its column names."""
    named = [str(name) for name in manifest if str(name).startswith(_COLUMN)]
    if len(named) != 1:
        held = ", ".join(named) or "none"
        raise UserError(f"the manifest must hold one column {_COLUMN}UNIT, such as {TEMPERATURE}: {held}")
    if (found := named[0].removeprefix(_COLUMN)) != unit:
        raise UserError(f"column {named[0]} is in {found}, framing.unit is {unit}: write both in one unit")
    values = pd.to_numeric(manifest[named[0]], errors="coerce").astype(float)
    if (bad := ~(values.abs() < float("inf"))).any():
        first, cell = manifest["image_id"][bad].iloc[0], manifest[named[0]][bad].iloc[0]
        said = "the cell is empty" if pd.isna(cell) else f"it says {str(cell)!r}"
        told = f"image {first!r} has no number as {named[0]} ({said})"
        raise UserError(f"{told}: write one, with a point, or leave the image out")
    if (cold := values < in_unit(-273.15, unit)).any():
        told = f"image {manifest['image_id'][cold].iloc[0]!r} has {named[0]} {values[cold].iloc[0]:g}"
        raise UserError(f"{told}, which is below absolute zero: is it in another unit?")
    if values.nunique() < 2:
        raise UserError(f"all images have the same {named[0]}: there is nothing to tell apart")
    several = values.groupby(manifest["sample_id"]).unique()
    for sample, own in several[several.map(len) > 1].items():
        told = " and ".join(f"{value:g}" for value in sorted(own))
        raise UserError(f"sample {sample!r} has {named[0]} {told}: a sample is grown at one temperature")
    return values.reset_index(drop=True)
