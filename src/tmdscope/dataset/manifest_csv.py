"""The manifest that a person writes: one set of rules for a folder, an audit and an added material."""

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from tmdscope.alike import find_alike, plain_name, tell_alike
from tmdscope.dataset.label import LABEL, LABELS, find_label
from tmdscope.dataset.records import PAPER_TEST
from tmdscope.dataset.store import SCHEMA
from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import MAX_COLUMNS, MAX_ROWS, MAX_TOLD
from tmdscope.names import LONGEST

REQUIRED = ("path", "sample_id", LABEL)
"""Columns of a study's manifest; the last may have its other name, see `tmdscope.dataset.label`."""

OPTIONAL = ("pixel_size_nm", "kind", "channel")
"""Columns that mean something where they are there; any further column is kept as it is."""

_KNOWN = (*REQUIRED[:-1], *LABELS, *OPTIONAL)

TRUTH_PREFIX = "true_"
"""Beginning of the names of what only the simulator knows."""

_RESERVED = {*SCHEMA.columns, PAPER_TEST, "warnings", "none"} - {*REQUIRED, *OPTIONAL}
"""Columns of prepared images, of scans, of an archive, and what stands for no column."""

_SAME_NAME = 0.85
"""Likeness (difflib) from which a further column is taken for an optional one that is spelt wrongly."""

_NUMBER = re.compile(r"[+-]?(?!0\d)(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""A number as it is written where it counts or measures; `007` is a name."""

_LARGEST = 2**53
"""From here on a double is no longer every whole number."""


@dataclass(frozen=True)
class Sheet:
    """A manifest as it was written: cells as text by column, and the line that each row ends on.

    `label` is what it calls the column of the class.
    """

    source: Path
    label: str
    columns: tuple[str, ...]
    lines: list[int]
    rows: list[dict[str, str]]

    @property
    def required(self) -> tuple[str, ...]:
        """`REQUIRED` as it calls them."""
        return (*REQUIRED[:-1], self.label)

    @property
    def further(self) -> tuple[str, ...]:
        """Columns of the user's own: operator, date, instrument ..."""
        return tuple(name for name in self.columns if name not in _KNOWN)

    def table(self, columns: Sequence[str]) -> pd.DataFrame:
        """Read some columns: numbers where all that is written is a number, else text; empty is missing."""
        return pd.DataFrame(
            {name: _typed([row[name].strip() for row in self.rows]) for name in columns},
            index=pd.RangeIndex(len(self.rows)),
        )


def read_sheet(source: Path, required: Sequence[str] = REQUIRED, stored: bool = True) -> Sheet:
    """Read a manifest, a CSV in UTF-8 separated by commas, and check its header; empty lines are left out.

    `stored`: its columns will lie beside this software's own, whose names they may not have.
    """
    header, rows = read_cells(
        source,
        f"write a CSV with the columns {', '.join(required)} (`tmdscope init` makes one from a folder), or "
        "set data.folder in params.yaml",
    )
    label = find_label(source, header)
    required = [label if name == LABEL else name for name in required]
    if problems := _header_problems(header, required, stored):
        raise UserError(f"{source}: {'; '.join(problems)}; separate columns by commas")
    require_width(source, header, rows)
    cells_of = [dict(zip(header, cells, strict=True)) for _, cells in rows]
    return Sheet(source, label, tuple(header), [line for line, _ in rows], cells_of)


def read_cells(source: Path, absent: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a person's CSV: its header, and of each row that is not empty the line it ends on and its cells.

    `absent` is what to do where the file is not there.
    """
    try:
        text = read_bytes(source).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(reader, [])
        filled = ((reader.line_num, cells) for cells in reader if any(cells))
        rows = list(islice(filled, MAX_ROWS + 1))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{source} does not exist; {absent}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{source} is not a CSV in UTF-8: {error}; save it as one") from error
    if len(rows) > MAX_ROWS or len(header) > MAX_COLUMNS:
        raise UserError(
            f"{source} has more than {MAX_ROWS} lines or {MAX_COLUMNS} columns, the most that are read; "
            "is it the right file?"
        )
    while header and not header[-1].strip() and all(len(c) == len(header) and not c[-1] for _, c in rows):
        header.pop()  # a spreadsheet's empty column
        rows = [(line, cells[:-1]) for line, cells in rows]
    return header, rows


def require_width(source: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Refuse rows that have more or fewer cells than the header."""
    wrong = [f"line {line}: {len(cells)} cells" for line, cells in rows if len(cells) != len(header)]
    if wrong:
        raise UserError(
            f"{source}: the header has {len(header)} columns, but {'; '.join(wrong[:MAX_TOLD])}; "
            "put quotes around cells that hold commas"
        )


def listed(problems: Sequence[str]) -> str:
    """Put problems into a message, the first of very many, each on a line that begins with its line feed."""
    more = [f"and {len(problems) - MAX_TOLD} more"] if len(problems) > MAX_TOLD else []
    return "".join(f"\n  {problem}" for problem in (*problems[:MAX_TOLD], *more))


def text_problems(cells: Mapping[str, str], required: Sequence[str]) -> list[str]:
    """Say what is wrong with a row's cells as text, each with a remedy."""
    problems = [f"{name} is empty" for name in required if not cells[name].strip()]
    problems += [
        f"{name} {cells[name]!r} has a control character; remove it"
        for name in required
        if name != "path"
        if any(unicodedata.category(c).startswith("C") for c in cells[name])
    ]
    if cells["sample_id"].strip() != cells["sample_id"]:
        problems.append(f"sample_id {cells['sample_id']!r} has spaces around it; remove them")
    return problems


def alike_problems(names: Sequence[str], lines: Sequence[int], what: str) -> list[str]:
    """Say which names, each with its first line, look alike but differ."""
    first = dict(zip(reversed(names), reversed(lines), strict=True))
    return [
        f"{tell_alike(what, group)} (lines {', '.join(str(first[name]) for name in group)})"
        for group in find_alike(names)
    ]


def _header_problems(header: Sequence[str], required: Sequence[str], stored: bool) -> list[str]:
    if header and not set(header) & set(_KNOWN):  # another's file, which is not quoted
        return [
            f"column {required[0]!r} is missing, as are all others: is it the right file, a CSV in UTF-8?"
        ]
    problems = [f"column {name!r} is missing" for name in required if name not in header]
    problems += [
        f"column {name!r} occurs {count} times" for name, count in Counter(header).items() if count > 1
    ]
    problems += [tell_alike("columns", group) for group in find_alike(header)]
    for name in header:
        if name in _KNOWN:
            continue
        if not name.strip() or not name.isprintable() or len(name) > LONGEST:
            problems.append(f"a column is called {name[:LONGEST]!r}; give it a short name or remove it")
        elif stored and (
            plain_name(name) in map(plain_name, _RESERVED) or plain_name(name).startswith(TRUTH_PREFIX)
        ):
            problems.append(
                f"column {name!r} has the name of a column of this software's own; call it otherwise, "
                f"for example 'my_{name}'"
            )
        elif near := _meant(name):
            problems.append(
                f"column {name!r} is not known; did you mean {near!r}? If not, call it something else"
            )
    return problems


def _meant(name: str) -> str | None:
    """Find the known column that a further one may be meant to be."""
    same = [one for one in _KNOWN if plain_name(one) == plain_name(name)]
    close = difflib.get_close_matches(plain_name(name), OPTIONAL, n=1, cutoff=_SAME_NAME)
    return next(iter(same or close), None)


def _typed(cells: Sequence[str]) -> "pd.Series[float] | pd.Series[str]":
    written = [cell for cell in cells if cell]
    numbers = written and all(_NUMBER.fullmatch(cell) and abs(float(cell)) < _LARGEST for cell in written)
    values = pd.Series([cell or None for cell in cells], dtype=object)
    return pd.to_numeric(values) if numbers else values
