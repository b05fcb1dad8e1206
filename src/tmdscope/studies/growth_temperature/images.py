"""Stage `images`: a user's own images, or the archive's, with their growth temperatures, described."""

from pathlib import Path

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.table import describe
from tmdscope.dataset.archive import ingest_archive
from tmdscope.dataset.folder import ingest_folder
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.place import check_apart
from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.records import PAPER_TEST, TEMPERATURE
from tmdscope.dataset.sources import NOTE, PICTURES
from tmdscope.dataset.store import IMAGES as PREPARED
from tmdscope.dataset.store import MANIFEST, RAW_SCHEMA, write_manifest
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, write_json
from tmdscope.jobs.study import Study
from tmdscope.params.images import ArchiveParams, DescribeParams
from tmdscope.studies.growth_temperature.described import IMAGES, TABLE
from tmdscope.studies.growth_temperature.params import FramingParams, ImagesParams
from tmdscope.studies.growth_temperature.record import ABSENT, IN_TEST
from tmdscope.studies.growth_temperature.study import source_of

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
        raw, prepared = workspace / "raw", workspace / "prepared"
        raw.mkdir()
        manifest = _ingest(asked, raw)
        temperatures = read_temperatures(manifest, unit)
        write_manifest(raw / MANIFEST, manifest, RAW_SCHEMA)
        dataset = prepare(raw, prepared, asked.prepare)
        heights = Heights.of(raw, dataset.manifest, asked.prepare.levelling.side_nm)
        described = describe(prepared / PREPARED, heights, study.section("describe", DescribeParams))
        columns = dataset.manifest[["image_id", "sample_id", "image_sha256"]]
        table = pd.concat([columns.assign(temperature=temperatures), described], axis=1)
        if PAPER_TEST in manifest:
            table[IN_TEST] = manifest[PAPER_TEST].to_numpy()
        table.to_parquet(workspace / TABLE, index=False)
        np.save(workspace / IMAGES, np.array(dataset.images))
    print(f"{len(table)} images of {table['sample_id'].nunique()} samples, from the {asked.source}")


def _ingest(asked: ImagesParams, raw: Path) -> pd.DataFrame:
    if asked.source == "archive":
        archive = ArchiveParams(record="growth-temperature", files=asked.files)
        return ingest_archive(archive, asked.classes, raw / PICTURES, raw / NOTE)
    folder = Path(asked.folder.path)
    check_apart(folder)
    return ingest_folder(folder, asked.folder.manifest, asked.classes, raw / PICTURES, asked.folder.channel)


def read_temperatures(manifest: pd.DataFrame, unit: str) -> pd.Series:
    """Read the temperatures of a manifest, a number a row, in a unit that its column names."""
    named = [str(name) for name in manifest if str(name).startswith(_COLUMN)]
    if len(named) != 1:
        held = ", ".join(named) or "none"
        raise UserError(f"the manifest must hold one column {_COLUMN}UNIT, such as {TEMPERATURE}: {held}")
    if (found := named[0].removeprefix(_COLUMN)) != unit:
        raise UserError(f"column {named[0]} is in {found}, framing.unit is {unit}: write both in one unit")
    values = pd.to_numeric(manifest[named[0]], errors="coerce").astype(float)
    if values.isna().any():
        first = manifest["image_id"][values.isna()].iloc[0]
        raise UserError(f"image {first!r} has no number as {named[0]}: fill it, or leave the image out")
    if values.nunique() < 2:
        raise UserError(f"all images have the same {named[0]}: there is nothing to tell apart")
    return values.reset_index(drop=True)
