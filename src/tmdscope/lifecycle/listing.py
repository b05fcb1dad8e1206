"""The registered versions as a table, with what is in production and whether that was decided."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from tmdscope.names import shown
from tmdscope.scores.intervals import tell
from tmdscope.tracking.registration import ScoreTags, with_run
from tmdscope.tracking.registry import PRODUCTION, Client, Registered, Version, list_registered

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
    sequential stage, `encoding` is of the target, `created` UTC.
    """

    model: str
    version: int
    aliases: list[str]
    note: str
    experiment: str | None
    encoding: str | None
    architecture: str | None
    scores: ScoreTags
    data_sha256: str | None
    git_commit: str | None
    created: datetime

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form; scores by tag."""
        own = {name: value for name, value in vars(self).items() if name not in ("scores", "created")}
        return {**own, **self.scores.named(), "created": self.created.isoformat()}


def list_versions(client: Client, name: str) -> list[Row]:
    """List all versions, by name and number, of a registered model and of ``NAME-2`` and the like."""
    found = list_registered(client, name)
    return [_row(model, with_run(client, version)) for model in found for version in model.versions]


def _row(model: Registered, version: Version) -> Row:
    tags, number, production = version.tags, version.number, model.aliases.get(PRODUCTION)
    note = UNREVIEWED if number == production != model.reviewed else ""
    if number == model.reviewed and production is None:
        note = f"{PRODUCTION} removed"
    return Row(
        model=model.name,
        version=number,
        aliases=sorted(alias for alias, of in model.aliases.items() if of == number),
        note=note,
        experiment=f"stage {tags['stage']}" if "stage" in tags else tags.get("experiment"),
        encoding=tags.get("target", tags.get("encoding")),
        architecture=tags.get("architecture"),
        scores=ScoreTags.read(tags),
        data_sha256=tags.get("data.sha256"),
        git_commit=tags.get("git.commit"),
        created=model.created[number],
    )


def render(rows: Sequence[Row], now: datetime, width: int) -> str:
    """Write the versions for a terminal `width` characters wide: a line each where that fits, else three."""
    if not rows:
        return "no registered versions; run `dvc repro` first\n"
    title = " or ".join(dict.fromkeys(row.scores.metric.title for row in rows))
    cells = [_cells(row, now) for row in rows]
    wide = _table([name.format(title) for name in _COLUMNS], cells, spaced=False)
    narrow = _table([name.format(title) for name in _STACKED], map(_stack, rows, cells), spaced=True)
    fits = _console(_UNBOUNDED).measure(wide).maximum <= width
    console = _console(width)
    with console.capture() as written:
        console.print(wide if fits else narrow)
    lines = "\n".join(line.rstrip() for line in written.get().splitlines()).strip("\n")
    notes = "\n".join(_remark(row) for row in rows if row.note)
    return f"{lines}\n\n{notes}\n" if notes else f"{lines}\n"


def as_json(rows: Sequence[Row]) -> str:
    """Write a JSON array, an object per version as `Row.to_dict`; null where a tag is missing."""
    return json.dumps([row.to_dict() for row in rows], indent=2) + "\n"


_COLUMNS = (
    *("model", "version", "alias", "experiment", "encoding", "architecture"),
    *("selection (optimism)", "out-of-fold {0}", "test {0}", "data", "commit", "age"),
)
"""Columns of the wide table, with a place for the score's name."""

_STACKED = (
    "version\nalias",
    "model, experiment\nencoding, backbone",
    "selection (optimism)\nout-of-fold {0}\ntest {0}",
    "data\ncommit\nage",
)
"""Columns of the narrow table."""


def _cells(row: Row, now: datetime) -> list[str]:
    """Write what stands in `_COLUMNS`."""
    scores, metric = row.scores, row.scores.metric
    optimism = metric.tell(scores.optimism, sign=True)
    parts = ((scores.val, scores.val_ci95), (scores.test, scores.test_ci95))
    return [
        row.model,
        str(row.version),
        ", ".join(_aliases(row)),
        *(value or _UNKNOWN for value in (row.experiment, row.encoding, row.architecture)),
        _UNKNOWN if scores.selection is None else f"{metric.tell(scores.selection)} ({optimism})",
        *(metric.tell(v) if v is None or ends is None else tell(metric, v, ends) for v, ends in parts),
        *((value or _UNKNOWN)[:_HASH_DIGITS] for value in (row.data_sha256, row.git_commit)),
        age(now, row.created),
    ]


def _stack(row: Row, cells: Sequence[str]) -> list[str]:
    """Write what stands in `_STACKED`, in lines."""
    model, version, _, experiment, encoding, architecture, *numbers = cells
    aliases = (word for alias in _aliases(row) for word in alias.split(" ", 1))
    named = [model, experiment, f"{encoding}, {architecture}"]
    return ["\n".join(lines) for lines in ([version, *aliases], named, numbers[:3], numbers[3:])]


def _aliases(row: Row) -> list[str]:
    told = [f"{alias} ({row.note})" if alias == PRODUCTION and row.note else alias for alias in row.aliases]
    return told if PRODUCTION in row.aliases or not row.note else [*told, f"({row.note})"]


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], spaced: bool) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in names), box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(shown(text, keep="\n") for text in row), end_section=spaced)
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
