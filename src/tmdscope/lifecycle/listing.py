"""The registered versions as a table, with what is in production and whether that was decided."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tmdscope.names import shown
from tmdscope.report.text import with_interval
from tmdscope.tracking.registry import PRODUCTION, Client, Version
from tmdscope.tracking.standing import Registered, list_registered

UNREVIEWED = "unreviewed"
"""Said of an alias that a decision has not moved."""

_UNKNOWN = "-"
_HASH_DIGITS = 8
_UNBOUNDED = 100_000
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Row:
    """One registered version; what its tags do not say is None.

    `note` is ``unreviewed`` where production points here though no decision says so, ``production removed``
    where the last decision made it production and the alias is gone, else empty. `experiment` may be a
    sequential stage, `encoding` is of the target, `created` UTC. Macro F1, 0..1, is out of fold (``val``) and
    of the ensemble on the held-out test, with 95 % intervals; `selection_macro_f1` is the score by which
    `best` is chosen, and `selection_optimism` by how much mean validation macro F1 is above it.
    """

    model: str
    version: int
    aliases: list[str]
    note: str
    experiment: str | None
    encoding: str | None
    architecture: str | None
    val_macro_f1: float | None
    val_macro_f1_ci95: tuple[float, float] | None
    test_macro_f1: float | None
    test_macro_f1_ci95: tuple[float, float] | None
    selection_macro_f1: float | None
    selection_optimism: float | None
    data_sha256: str | None
    git_commit: str | None
    created: datetime


def list_versions(client: Client, name: str) -> list[Row]:
    """List all versions, by name and number, of a registered model and of ``NAME-2`` and the like."""
    return [_row(model, version) for model in list_registered(client, name) for version in model.versions]


def render(rows: Sequence[Row], now: datetime, width: int) -> str:
    """Write the versions for a terminal `width` characters wide: a line each where that fits, else three."""
    if not rows:
        return "no registered versions; run `dvc repro` first\n"
    wide = _table([_cells(row, now) for row in rows], spaced=False)
    fits = _console(_UNBOUNDED).measure(wide).maximum <= width
    console = _console(width)
    with console.capture() as written:
        console.print(wide if fits else _table([_stack(row, now) for row in rows], spaced=True))
    lines = "\n".join(line.rstrip() for line in written.get().splitlines()).strip("\n")
    notes = "\n".join(_remark(row) for row in rows if row.note)
    return f"{lines}\n\n{notes}\n" if notes else f"{lines}\n"


def as_json(rows: Sequence[Row]) -> str:
    """Write a JSON array, an object per version with the keys of `Row`; null where a tag is missing."""
    objects: list[dict[str, Any]] = [{**asdict(row), "created": row.created.isoformat()} for row in rows]
    return json.dumps(objects, indent=2) + "\n"


_STACKED = (
    "version\nalias",
    "model, experiment\nencoding, backbone",
    "selection (optimism)\nout-of-fold macro F1\ntest macro F1",
    "data\ncommit\nage",
)
"""Columns of the narrow table."""


def _row(model: Registered, version: Version) -> Row:
    tags = version.tags
    stage = tags.get("stage")
    return Row(
        model=model.name,
        version=version.number,
        aliases=sorted(alias for alias, number in model.aliases.items() if number == version.number),
        note=_note(model, version.number),
        experiment=tags.get("experiment", None if stage is None else f"stage {stage}"),
        encoding=tags.get("target", tags.get("encoding")),
        architecture=tags.get("architecture"),
        val_macro_f1=_number(tags.get("val_macro_f1")),
        val_macro_f1_ci95=_bounds(tags.get("val_macro_f1_ci95")),
        test_macro_f1=_number(tags.get("test_macro_f1")),
        test_macro_f1_ci95=_bounds(tags.get("test_macro_f1_ci95")),
        selection_macro_f1=_number(tags.get("selection_macro_f1")),
        selection_optimism=_number(tags.get("selection_optimism")),
        data_sha256=tags.get("data.sha256"),
        git_commit=tags.get("git.commit"),
        created=model.created[version.number],
    )


def _note(model: Registered, number: int) -> str:
    production = model.aliases.get(PRODUCTION)
    if number == production and number != model.reviewed:
        return UNREVIEWED
    return f"{PRODUCTION} removed" if number == model.reviewed and production is None else ""


def _cells(row: Row, now: datetime) -> dict[str, str]:
    """Column to what stands there, on one line."""
    return {
        "model": row.model,
        "version": str(row.version),
        "alias": ", ".join(_aliases(row)),
        "experiment": row.experiment or _UNKNOWN,
        "encoding": row.encoding or _UNKNOWN,
        "architecture": row.architecture or _UNKNOWN,
        "selection (optimism)": _selection(row),
        "out-of-fold macro F1": _score(row.val_macro_f1, row.val_macro_f1_ci95),
        "test macro F1": _score(row.test_macro_f1, row.test_macro_f1_ci95),
        "data": (row.data_sha256 or _UNKNOWN)[:_HASH_DIGITS],
        "commit": (row.git_commit or _UNKNOWN)[:_HASH_DIGITS],
        "age": age(now, row.created),
    }


def _stack(row: Row, now: datetime) -> dict[str, str]:
    """Column to what stands there, in lines."""
    cells = _cells(row, now)
    lines = (
        [cells["version"], *(word for alias in _aliases(row) for word in alias.split(" ", 1))],
        [cells["model"], cells["experiment"], f"{cells['encoding']}, {cells['architecture']}"],
        [cells["selection (optimism)"], cells["out-of-fold macro F1"], cells["test macro F1"]],
        [cells["data"], cells["commit"], cells["age"]],
    )
    return {name: "\n".join(each) for name, each in zip(_STACKED, lines, strict=True)}


def _aliases(row: Row) -> list[str]:
    told = [f"{alias} ({row.note})" if alias == PRODUCTION and row.note else alias for alias in row.aliases]
    return told if PRODUCTION in row.aliases or not row.note else [*told, f"({row.note})"]


def _table(rows: Sequence[Mapping[str, str]], spaced: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(shown(text, keep="\n") for text in row.values()), end_section=spaced)
    return table


def _console(width: int) -> Console:
    """Make a console that takes what tags hold as it is."""
    return Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)


def _remark(row: Row) -> str:
    if row.note == UNREVIEWED:
        return (
            f"{row.model}: production was moved to version {row.version} outside tmdscope; `tmdscope promote "
            f"{row.version}` reviews it, `tmdscope rollback` undoes it (a decision that was cut off is "
            "settled first)"
        )
    return f"{row.model}: the alias production was removed from version {row.version} outside tmdscope"


def age(now: datetime, then: datetime) -> str:
    """Write how long ago something was, in its largest unit (``12 min``); what lies ahead is ``0 s``."""
    seconds = max(0, int((now - then).total_seconds()))
    unit, name = next((unit, name) for unit, name in _UNITS if seconds >= unit or unit == 1)
    return f"{seconds // unit} {name}"


def _selection(row: Row) -> str:
    if row.selection_macro_f1 is None:
        return _UNKNOWN
    told = _UNKNOWN if row.selection_optimism is None else f"{row.selection_optimism:+.3f}"
    return f"{row.selection_macro_f1:.3f} ({told})"


def _score(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.3f}" if bounds is None else with_interval(value, bounds)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # a tag can be changed by hand
        return None


def _bounds(text: str | None) -> tuple[float, float] | None:
    found = re.fullmatch(r"(\S+) (\S+)", text or "")
    low, high = (None, None) if found is None else map(_number, found.groups())
    return None if low is None or high is None else (low, high)
