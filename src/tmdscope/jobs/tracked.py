"""A verb under way in MLflow; killed, even right before DVC notes its end, it goes on in the same runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from tmdscope.jobs.study import Study
from tmdscope.learn.resume import Resume
from tmdscope.scores.cohort import Cohort
from tmdscope.tracking.audits import AUDITED
from tmdscope.tracking.crossval import TrackedCrossval
from tmdscope.tracking.provenance import identity, machine, provenance, whereabouts
from tmdscope.tracking.runs import DataUse, TrackedRun, start_run
from tmdscope.tracking.store import Store as Store
from tmdscope.tracking.store import open_study

TRAINING = "crossval"
"""The verb whose runs are the study's own; those of any other are of a kind called as the verb."""


@dataclass(frozen=True)
class Tracked:
    """The store, what every run is tagged with and reads, what results are of, and the attempt."""

    store: Store
    tags: Mapping[str, str]
    data: DataUse
    of: Mapping[str, str]
    resume: Resume

    def run(self, name: str, tags: Mapping[str, str], parent: TrackedRun | None = None) -> TrackedRun:
        """Open a run with some tags beside those of all, or go on with it."""
        fresh, attempt = not self.resume.begun, self.resume.attempt
        return start_run(self.store, name, {**self.tags, **tags}, parent, self.data, attempt, fresh)

    def folds(self, run: TrackedRun, tags: Mapping[str, str]) -> TrackedCrossval:
        """Make a recorder of a run per fold, below a run."""
        fresh, attempt = not self.resume.begun, self.resume.attempt
        return TrackedCrossval(run, {**self.tags, **tags}, self.data, attempt=attempt, fresh=fresh)

    def on_table(self, sha256: str, rows: int) -> Self:
        """Give the same for what is trained on another table of the study than its audit is of."""
        tags = {**self.tags, "data.sha256": sha256, AUDITED: self.tags["data.sha256"]}
        return replace(self, tags=tags, data=replace(self.data, sha256=sha256, images=rows))

    @property
    def where(self) -> dict[str, Any]:
        """Where the runs are, and what made them."""
        return whereabouts(self.store, self.tags)


@contextmanager
def tracked_stage(
    study: Study, verb: str, cohort: Cohort, settings: Mapping[str, Any], rows: int | None = None
) -> Iterator[Tracked]:
    """Go on with what a killed verb began on the same data, split, settings and code, or begin it.

    `rows` are those of the cohort that it reads, if not all; what it leaves is written inside the block.
    """
    store = open_study(study.experiment, "" if verb == TRAINING else verb)
    of = study.of(cohort.digest)
    tags = {**provenance(store.name, cohort.digest, settings), "split.sha256": of["split"]}
    data = DataUse(store.name, cohort.digest, study.source.as_posix(), rows or len(cohort), verb)
    deciding = identity(tags, cohort.classes, split=study.layout.split)
    resume = Resume.open(study.layout.attempts / verb, deciding, machine(tags))
    yield Tracked(store, tags, data, of, resume)
    resume.finish()
