"""The tables of the study: what was published, a user's own, or made ones, in one form.

`PAIRS` has compounds of which both properties are known, `WIDE` those of which the cheap one is, `BENCHMARK`
those of which the dear one is, each with its official fold; `COLOURS` those of which a gap or a colour is.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from tmdscope.composition.formulae import chemical_system, read_formula, reduced, same_compounds
from tmdscope.dataset.manifest_csv import read_cells, require_width
from tmdscope.download import download_published
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, broken, read_bytes, read_json, read_table, sha256_file, write_json
from tmdscope.stage import say
from tmdscope.studies.property_transfer.params import CsvParams, TablesParams
from tmdscope.studies.property_transfer.simulated import make_tables

FOLDER_VARIABLE = "TMDSCOPE_TRANSFER_DIR"
"""Environment variable that names a folder with the published tables."""

PAIRS, WIDE, BENCHMARK, COLOURS = "pairs", "wide", "benchmark", "colours"
SOURCE = "source.json"

OFFICIAL_FOLDS, _OFFICIAL_SEED = 5, 18012019
"""How matbench cuts its regression tasks: Dunn et al. 2020, doi:10.1038/s41524-020-00406-3."""

_MISSPELT = {"In1p1": "In1P1"}
"""Formulae that were published with a slip of the pen, and what is meant."""


@dataclass(frozen=True)
class Published:
    """A file that others published, by its path in the folder, its SHA-256, and which columns are of use.

    `source` is where it is below `tables.base_url`, at a commit; "" where no repository has these bytes.
    """

    path: str
    sha256: str
    columns: Mapping[str, str]
    source: str = ""


_CRABNET = "anthony-wang/CrabNet/709893a9bfcf8a7e999703ab400f7b87fd4e2bc3/crabnet/data"

GAPS = Published(
    "band_gap_experiment_vs_dft.csv",
    "0daa4b610d4ece671371b9a3d1e5aab401a6d6ab34d5f3eb0e921d8e97088d01",
    {"Composition": "formula", "Eg_exp": "dear", "Eg_DFT": "cheap"},
    "Purna-hub/Descriptor-Guided-DFT-Bandgap-Correction/14d927cd50acfb424042f89ca190c400f4fbac2e/"
    "Bandgap_Error_ML/data/raw/bandgap_dataset.csv",
)
"""Measured gaps of Zhuo et al. beside those of Materials Project, by structure, in eV."""
STREHLOW = Published(
    "band_gap_and_color_strehlow_cook.csv",
    "a2defff7fdc06afc7141033592b462baac02aebd043b0af5709796b5b99ac4ec",
    {"formula": "formula", "band_gap_eV": "gap", "color": "colour"},
)
"""Gaps and colours of Strehlow & Cook 1973, doi:10.1063/1.3253115."""
MEASURED = Published(
    "matbench/expt_gap.csv",
    "3de82c37f1db3ab9bbd92366c96633f131913ded5db0969eb36216bdd11cef2f",
    {"formula": "formula", "target": "dear"},
    f"{_CRABNET}/matbench/expt_gap.csv",
)
"""Task ``matbench_expt_gap``, eV."""
COMPUTED = Published(
    "matbench/mp_gap.csv",
    "4084e584467e6f81ec8bf12c438eeb2c049ae39e11401bae694ef6a9983b9d9f",
    {"formula": "formula", "target": "cheap"},
    f"{_CRABNET}/matbench/mp_gap.csv",
)
"""PBE gaps of Materials Project, table ``matbench_mp_gap``, eV."""
OFFICIAL = tuple(
    Published(
        f"matbench/fold_{number}.csv",
        sha256,
        {"formula": "formula", "target": "dear"},
        f"{_CRABNET}/matbench_cv/expt_gap/test{number}.csv",
    )
    for number, sha256 in enumerate(
        (
            "ed1c22560eaae188dd0a000e89833f293a7917a0fe792aefd230e921c21a3186",
            "874729ddea1c796105d26993a4b5e094a9879dc1b3ca35421879058b6f681025",
            "51d222f5931b23d9fbbbe25f4971c2acb6158bee7112ba48f3d891b99771f38a",
            "aec5255847eb036bba3e9ff5eebf81b10db8652e2e2f4dfcf72eb2a690425d17",
            "9d20240f2155245fdece666dd47a0db3e2965823716f39791d79b193f842b242",
        )
    )
)
"""Formulae of the test of every official fold, but for some that mean the same compound as another."""


@dataclass(frozen=True)
class Tables:
    """The tables of a study, by name; of a user's own source there are pairs alone."""

    tables: Mapping[str, pd.DataFrame]
    about: Mapping[str, Any]

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """A row per compound: ``compound, formula, system, group, dear, cheap, lowest, highest, entries``."""
        return self.tables[PAIRS]

    def get(self, name: str) -> pd.DataFrame:
        """Give a table; `UserError` where the source has none of that name."""
        if name not in self.tables:
            raise UserError(
                f"source {self.about['source']!r} has no table {name!r}: take tables.source "
                "'simulated' or 'published', or set benchmark.enabled to false"
            )
        return self.tables[name]


def fetch_tables(params: TablesParams, folder: Path | None, cache: Path, target: Path) -> dict[str, Any]:
    """Bring the tables to `target`, replaced as a whole, with ``source.json``, whose content is returned.

    `folder` holds what was published; None to download it, where it is asked for, to `cache`, where it stays.
    """
    makers: Mapping[str, Callable[[], dict[str, pd.DataFrame]]] = {
        "simulated": lambda: {
            name: _bring_together(name, rows) for name, rows in make_tables(params.simulated).items()
        },
        "published": lambda: _published(_download(params, cache) if folder is None else folder),
        "csv": lambda: {PAIRS: _by_compound(_own(params.csv, params.unit))},
    }
    source: str = params.source
    if source == "available":
        source = "simulated" if folder is None else "published"
    made = makers[source]()
    zero = made[PAIRS]["dear"] == 0
    if not params.zeros and zero.any():
        made[PAIRS] = made[PAIRS][~zero].reset_index(drop=True)
        say(f"{zero.sum()} compounds whose dear property is 0 are left out; tables.zeros: true keeps them")
    about = {
        "source": source,
        "unit": params.unit,
        "compounds": {name: len(table) for name, table in made.items()},
    }
    with atomic_path(target) as workspace:
        workspace.mkdir()
        for name, table in made.items():
            table.to_parquet(workspace / f"{name}.parquet", index=False)
        about["files"] = {path.name: sha256_file(path) for path in sorted(workspace.iterdir())}
        write_json(workspace / SOURCE, about)
    return about


def read_tables(folder: Path) -> Tables:
    """Read what `fetch_tables` left; a file that is not the one it wrote is refused."""
    about = read_json(folder / SOURCE)
    tables = {}
    for name, sha256 in about.get("files", {}).items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != sha256:
            raise broken(path, f"is not the file that {SOURCE} beside it was written with")
        tables[path.stem] = read_table(path)
    if PAIRS not in tables:
        raise broken(folder / SOURCE, f"names no table {PAIRS!r}")
    return Tables(tables, about)


def read_published(folder: Path, one: Published) -> pd.DataFrame:
    """Read a published file, checked by its SHA-256; its formulae are text, the string ``NaN`` as well."""
    path = folder / one.path
    content = read_bytes(path) if path.is_file() else None
    found = None if content is None else hashlib.sha256(content).hexdigest()
    if content is None or found != one.sha256:
        told = "does not exist" if found is None else f"has SHA-256 {found}, the published file {one.sha256}"
        raise UserError(f"{path} {told}; {FOLDER_VARIABLE} must name a folder that holds it as published")
    table = pd.read_csv(BytesIO(content), keep_default_na=False).rename(columns=dict(one.columns))
    return table[list(one.columns.values())].assign(formula=lambda rows: rows["formula"].replace(_MISSPELT))


def official_folds(formulae: pd.Series, tests: list[pd.Series]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give the official fold of every formula, in the order of the task, int64, shape (N,).

    Folds as matbench cuts them; `UserError` where a published test is not part of its fold.
    """
    folds = KFold(OFFICIAL_FOLDS, shuffle=True, random_state=_OFFICIAL_SEED)
    number = np.zeros(len(formulae), dtype=np.int64)
    for fold, (_, test) in enumerate(folds.split(np.zeros(len(formulae)))):
        number[test] = fold
        strays = set(tests[fold]) - set(formulae.iloc[test])
        if strays:
            raise UserError(
                f"{min(strays)!r} is in the published test of fold {fold}, and is not in that fold"
            )
    return number


def _download(params: TablesParams, cache: Path) -> Path:
    """Download what repositories hold as it was published."""
    files = [GAPS, MEASURED, COMPUTED, *OFFICIAL]
    urls = {one.path: f"{params.base_url.rstrip('/')}/{one.source}" for one in files}
    for one in files:
        try:
            download_published(urls[one.path], cache / one.path, one.sha256)
        except OSError as error:
            told = "\n".join(f"  {url} as {path}" for path, url in urls.items())
            raise UserError(
                f"cannot download {one.path}: {error}\nWithout a network: put these files into one folder\n"
                f"{told}\nand set {FOLDER_VARIABLE} to that folder; or take tables.source 'simulated'"
            ) from error
    return cache


def _published(folder: Path) -> dict[str, pd.DataFrame]:
    measured = read_published(folder, MEASURED)
    tests = [read_published(folder, one)["formula"] for one in OFFICIAL]
    tables = {
        PAIRS: _by_compound(read_published(folder, GAPS)),
        WIDE: _cheap_by_compound(read_published(folder, COMPUTED)),
        BENCHMARK: _named(measured.assign(fold=official_folds(measured["formula"], tests))),
    }
    if (folder / STREHLOW.path).exists():
        tables[COLOURS] = _named(read_published(folder, STREHLOW))
    else:
        say(
            f"no colours: {folder / STREHLOW.path} does not exist, and no repository holds it as it is read; "
            f"put it there and set {FOLDER_VARIABLE} to {folder}"
        )
    return tables


def _own(asked: CsvParams | None, unit: str) -> pd.DataFrame:
    """Read a user's table, by line: formulae as text, numbers; rows that lack one of both are told."""
    assert asked is not None  # the section was checked
    path = Path(asked.path)
    names = {asked.formula: "formula", asked.dear: "dear", asked.cheap: "cheap"}
    header, rows = read_cells(path, "name the file in tables.csv.path")
    for column in names:
        if (count := header.count(column)) != 1:
            told = f"{count} columns" if count else "no column"
            raise UserError(
                f"{path} has {told} {column!r}; it has {', '.join(header)}: separate them by commas, and "
                "name three of them in tables.csv"
            )
    require_width(path, header, rows)
    written = pd.DataFrame([cells for _, cells in rows], index=[line for line, _ in rows], columns=header)
    table = written[list(names)].rename(columns=names)
    for column, name in (("dear", asked.dear), ("cheap", asked.cheap)):
        text = table[column].str.strip()
        numbers = pd.to_numeric(text, errors="coerce")
        for line, cell in text[(text != "") & ~np.isfinite(numbers)].items():
            raise UserError(
                f"{path}, line {line}: {cell!r} in column {name!r} is no number: write it in {unit}, with a "
                "decimal point and without the unit, or leave the cell empty where it is not known"
            )
        table[column] = numbers
    for line, formula in table["formula"].items():
        try:
            read_formula(formula)
        except UserError as error:
            raise UserError(f"{path}, line {line}: {error}") from error
    whole = table.dropna()
    if lacking := len(table) - len(whole):
        first = table.index.difference(whole.index)[0]
        say(f"{path}: {lacking} of {len(table)} rows lack a property and are left out, first line {first}")
    _tell_apart(path, whole, asked.dear, unit)
    return whole


def _tell_apart(path: Path, table: pd.DataFrame, name: str, unit: str) -> None:
    """Tell of compounds that are there with more than one dear value."""
    grouped = table.groupby(table["formula"].map(reduced))["dear"]
    apart = grouped.max() - grouped.min()
    if count := int((apart > 0).sum()):
        most = grouped.get_group(apart.idxmax())
        ends = ", ".join(f"{most[line]:g} {unit} in line {line}" for line in (most.idxmin(), most.idxmax()))
        say(
            f"{path}: {count} compounds have different values of {name!r}, whose median is taken; furthest "
            f"apart is {apart.idxmax()} ({ends})"
        )


def _bring_together(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    makers = {PAIRS: _by_compound, WIDE: _cheap_by_compound}
    return makers.get(name, _named)(rows)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Name compound, system and group of every formula."""
    formulae = table["formula"].astype(str).tolist()
    return table.assign(
        compound=[reduced(formula) for formula in formulae],
        system=[chemical_system(formula) for formula in formulae],
        group=same_compounds(formulae),
    ).reset_index(drop=True)


def _by_compound(table: pd.DataFrame) -> pd.DataFrame:
    """Bring the rows of a compound together: medians, and the range and number of cheap values."""
    compound = [reduced(str(formula)) for formula in table["formula"]]
    found = (
        table.assign(compound=compound)
        .groupby("compound")
        .agg(
            formula=("formula", "first"),
            dear=("dear", "median"),
            cheap=("cheap", "median"),
            lowest=("cheap", "min"),
            highest=("cheap", "max"),
            entries=("cheap", "size"),
        )
    )
    return _named(found.reset_index(drop=True))


def _cheap_by_compound(table: pd.DataFrame) -> pd.DataFrame:
    compound = [reduced(str(formula)) for formula in table["formula"]]
    grouped = table.assign(compound=compound).groupby("compound")["cheap"]
    found = grouped.agg(lowest="min", cheap="median", highest="max", entries="size")
    return found.reset_index()
