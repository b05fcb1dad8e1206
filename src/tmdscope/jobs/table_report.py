"""(To come)."""

from typing import Any


def table_report(study: Any) -> Any:
    """Write."""
