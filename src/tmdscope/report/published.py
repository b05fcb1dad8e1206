"""What the report of the published study is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tmdscope.audit.record import Audit
from tmdscope.dataset.published import PublishedTables
from tmdscope.dataset.splits import Split
from tmdscope.materials import MATERIALS
from tmdscope.report.provenance import Run


@dataclass(frozen=True)
class PublishedResults:
    """Everything the report is written from.

    `latent`, `carryover`, `search` and `sequential` are the contents of JSON files; the first has
    text in place of figures that need missing descriptors. `panels` are empty where sequences are not
    enabled.
    """

    tables: PublishedTables
    split: Split
    scores: Mapping[str, Mapping[str, Any]]
    latent: Mapping[str, Any]
    scatter: pd.DataFrame
    correlations: pd.DataFrame
    runs: Sequence[Run]
    carryover: Mapping[str, Any]
    search: Mapping[str, Any]
    audit: Audit
    sequential: Mapping[str, Any]
    panels: pd.DataFrame

    @property
    def test_counts(self) -> dict[str, int]:
        """Held-out images per material."""
        material = dict(zip(self.tables.image_ids, self.tables.materials, strict=True))
        held_out = [material[image] for image in self.split.test]
        return {name: held_out.count(name) for name in MATERIALS}
