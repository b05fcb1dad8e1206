"""The audit of anyone's own data: a manifest in, a page and a record out."""

from collections.abc import Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.audit.record import Verdict
from tmdscope.audit.statistics import image_statistics, spectra
from tmdscope.audit.study import audit
from tmdscope.dataset.columns import draw_images, read_nuisance, read_order
from tmdscope.dataset.label import find_label, take_label
from tmdscope.dataset.manifest_csv import REQUIRED, alike_problems, read_sheet, text_problems
from tmdscope.dataset.place import find_file
from tmdscope.dataset.prepare import prepare_content
from tmdscope.dataset.store import classes_of
from tmdscope.doubt import joined
from tmdscope.errors import UserError
from tmdscope.files import open_array, read_bytes, read_json, read_table, sha256_array
from tmdscope.limits import MAX_PICTURE_BYTES
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import PrepareParams
from tmdscope.report.page import Page, write_page
from tmdscope.report.sections.audit import AuditPart
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES
from tmdscope.scores.text import capital

RECORD, PAGE = "audit.json", "index.html"
"""What is written."""

_BANDS = 32
"""Of a spectrum, where a picture has the pixels."""


def audit_manifest(
    source: Path,
    features: Path | None,
    order: str,
    nuisance: list[str],
    prepare: PrepareParams,
    params: AuditParams,
    scoring: ScoringParams,
    folder: Path,
    channel: str | None = None,
) -> str:
    """Audit the data set of a manifest: `RECORD` and `PAGE` into the folder, the verdict in lines.

    `source` is CSV or Parquet: ``sample_id``, ``label``, ``path`` of pictures where there are no features,
    and any further columns. `features` is NPY, a row of numbers per row of the manifest; None: spectra of the
    pictures. `order` is as for `tmdscope.dataset.columns.read_order`; columns `nuisance` should not matter.
    `channel`: of instrument files whose row names none; None: that of the heights.
    """
    check_free(folder)
    manifest = _read(source, features is None)
    samples, labels = manifest["sample_id"], manifest["label"]
    chosen = draw_images(samples, labels, params.most_images, params.few_samples, params.seed)
    images = manifest.iloc[chosen].reset_index(drop=True)
    if features is None:
        pictures, hashes, doubtful = _pictures(images, source, prepare, channel)
        images = images.assign(warnings=doubtful)
        seen, statistics = spectra(pictures, min(_BANDS, pictures.shape[1] // 2)), image_statistics(pictures)
    else:
        seen, statistics = _load(features, len(manifest))[chosen], None
        hashes = [sha256_array(row) for row in seen]
    classes = classes_of(images["label"])
    table = Cohort(
        task=CLASSES,
        features=seen,
        image_ids=chosen.astype(str),
        sample_ids=images["sample_id"].to_numpy(dtype=str),
        targets=np.array([classes.index(name) for name in images["label"]], dtype=np.int64),
        classes=classes,
        image_sha256=np.array(hashes),
        order=read_order(images, order),
        nuisance=read_nuisance(images, nuisance),
        statistics=statistics,
        row="image",
    )
    if len(classes) < 2:
        raise UserError(f"{source} has one class, {classes[0]!r}: nothing to tell apart")
    found = audit(table, {}, params, scoring, {})
    whole = replace(found, images_of=len(manifest))
    whole.write(folder / RECORD)
    told = "spectra of the pictures" if features is None else str(features)
    lead = capital(f"{whole.drawn} images of {source}, seen as {told}.")
    write_page(folder / PAGE, Page("What a score is worth", lead, [AuditPart(whole).section()]))
    return f"{lead}\n\n{tell(found.verdict)}" if whole.is_sampled else tell(found.verdict)


def check_free(folder: Path) -> None:
    """See that nothing is replaced but an earlier audit."""
    earlier = folder / RECORD
    try:
        known = not earlier.exists() or "verdict" in read_json(earlier)
    except (OSError, ValueError):
        known = False
    if not known or ((folder / PAGE).exists() and not earlier.exists()):
        theirs = PAGE if known else RECORD
        raise UserError(f"{folder / theirs} is there and no audit's: name another folder with --out")


def tell(verdict: Verdict) -> str:
    """Write a verdict in lines: headline, claims and checks."""
    lines = [verdict.headline]
    for title, claims in verdict.titled.items():
        lines += ["", f"{title}:", *(f"- {claim}" for claim in claims)]
    words = {True: "passed", False: "FAILED", None: "cannot be told"}
    lines += ["", *(f"{words[c.passed]:14}  {c.name}: {c.finding}" for c in verdict.checks)]
    return "\n".join(lines)


def _read(path: Path, pictured: bool) -> pd.DataFrame:
    """Read a table, a CSV by the rules of a study's folder; names that look alike are refused."""
    try:
        if path.suffix == ".parquet":
            table = read_table(path)
            lines = list(range(1, len(table) + 1))
        else:
            path.stat()
            sheet = read_sheet(path, REQUIRED[1:], stored=False)
            text = [name for name in sheet.required if name in sheet.columns]
            further = sheet.table([name for name in sheet.columns if name not in text])
            table = pd.concat([pd.DataFrame(sheet.rows, columns=text, dtype=object), further], axis=1)
            lines = sheet.lines
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table: {error}") from error
    if not len(table):
        raise UserError(f"{path} lists no image")
    if pictured and "path" not in table:
        raise UserError(f"{path} has no column 'path'; add one, or name --features")
    label = find_label(path, table)
    named = [*REQUIRED[:-1], label] if pictured else [*REQUIRED[1:-1], label]
    for name in named:
        if name not in table:
            raise UserError(f"{path}: column {name!r} is missing; every image needs one")
        odd = [one for one in table[name] if isinstance(one, Sized) and not isinstance(one, str)]
        if odd:
            raise UserError(f"{path}: column {name!r} holds a {type(odd[0]).__name__}; expected text")
        table[name] = table[name].fillna("").astype(str)
    rows = zip(lines, table[named].to_dict("records"), strict=True)
    problems = [f"line {line}: {told}" for line, cells in rows for told in text_problems(cells, named)]
    for name, what in (("sample_id", "samples"), (label, "classes")):
        problems += alike_problems(table[name].tolist(), lines, what)
    if problems:
        raise UserError(f"{path}: {len(problems)} problem(s)" + "".join(f"\n  {told}" for told in problems))
    return take_label(path, table)


def _load(path: Path, rows: int) -> NDArray[Any]:
    features = open_array(path)
    if features.dtype.kind not in "biuf":
        raise UserError(f"{path} holds {features.dtype}; expected real numbers")
    if features.ndim != 2 or len(features) != rows or not features.shape[1]:
        raise UserError(f"{path} has shape {features.shape}; expected a row for each of {rows} images")
    return features


def _pictures(
    manifest: pd.DataFrame, source: Path, prepare: PrepareParams, channel: str | None
) -> tuple[NDArray[np.uint8], list[str], list[str | None]]:
    """Prepare pictures; their hashes, and what is doubtful about them."""
    images, warnings = [], []
    absent = [None] * len(manifest)
    channels, kinds = (manifest.get(name, absent) for name in ("channel", "kind"))
    for name, cell, kind in zip(manifest["path"], channels, kinds, strict=True):
        path = find_file(source.parent, name) or source.parent / name
        heights = kind == "heights" if isinstance(kind, str) and kind else None
        named = cell if isinstance(cell, str) and cell.strip() else channel
        try:
            content = read_bytes(path, MAX_PICTURE_BYTES)
            made = prepare_content(content, path.name, prepare, heights, channel=named)
        except (OSError, UserError) as error:
            told = f"{path} cannot be used: {error}; mend it or take its line out of {source}"
            raise UserError(told) from error
        images.append(made.image)
        warnings.append(joined(made.warnings))
    return np.stack(images), [sha256_array(image) for image in images], warnings
