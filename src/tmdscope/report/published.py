"""What the report of the published study is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tmdscope.analysis.record import Latent
from tmdscope.audit.record import Audit
from tmdscope.dataset.splits import Split
from tmdscope.materials import MATERIALS
from tmdscope.report.sections.provenance import Run
from tmdscope.scores.records import ClassifierScores, FamilySearch
from tmdscope.scores.task import Task
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.published_features.layers import Carryover
from tmdscope.studies.published_features.tables import PublishedTables


@dataclass(frozen=True)
class PublishedResults:
    """Everything the report is written from; `sequential` is None where sequences are not enabled."""

    task: Task
    tables: PublishedTables
    split: Split
    scores: Mapping[str, ClassifierScores]
    latent: Latent
    scatter: pd.DataFrame
    correlations: pd.DataFrame
    runs: Sequence[Run]
    carryover: Carryover
    search: FamilySearch
    audit: Audit
    sequential: SequenceRecord | None

    @property
    def test_counts(self) -> dict[str, int]:
        """Held-out images per material."""
        material = dict(zip(self.tables.image_ids, self.tables.materials, strict=True))
        held_out = [material[image] for image in self.split.test]
        return {name: held_out.count(name) for name in MATERIALS}
