"""The column of the class: `label`; in a person's own file, or one of an earlier version, also `material`."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tmdscope.errors import UserError

LABEL = "label"
LABELS = (LABEL, "material")
"""What the column may be called in a file that is read, never both."""


def find_label(source: Path, columns: Iterable[str]) -> str:
    """Say what a file calls the column of the class; `LABEL` where it has none."""
    found = [name for name in LABELS if name in set(columns)]
    if len(found) > 1:
        told = " and ".join(map(repr, found))
        raise UserError(
            f"{source} has columns {told}, each of which may be the class: call the other one otherwise, "
            f"for example 'my_{found[1]}'"
        )
    return found[0] if found else LABEL


def take_label(source: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Call a table's column of the class `LABEL`."""
    return table.rename(columns={find_label(source, table.columns): LABEL})
