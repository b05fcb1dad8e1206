"""Settings of the benchmark's trees, searched on what an outer fold learns from, down to a run per fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from tmdscope.composition.regressors import MedianTrees
from tmdscope.files import sha256_array
from tmdscope.jobs.tracked import Tracked
from tmdscope.scores.task import Metric, Task
from tmdscope.search.sampling import suggest
from tmdscope.search.storage import PatientStorage
from tmdscope.search.trials import FoldOutcome, Job, OnEpoch, Settings
from tmdscope.studies.property_transfer.params import BenchmarkParams
from tmdscope.tracking.provenance import code_sha256
from tmdscope.tracking.runs import TrackedRun
from tmdscope.tracking.search import SearchTask, lead_search, study_name

Values = NDArray[np.float64]


def make_trees(params: BenchmarkParams, settings: Settings, trees: int) -> MedianTrees:
    """Make a forest of so many trees with some settings of `BenchmarkParams.search`."""
    return MedianTrees(trees, n_jobs=-1, random_state=params.seed, **settings)


@dataclass
class TreesObjective:
    """Mean score of the trees over inner folds that part no group, see `tmdscope.search.trials.Objective`."""

    params: BenchmarkParams
    task: Task
    inputs: Values
    dear: Values
    group: NDArray[Any]

    metric: Metric = field(init=False)
    folds: int = field(init=False)
    together: int = 1
    epochs: int = 1  # a forest is grown in one piece: trials end between folds only

    def __post_init__(self) -> None:
        """Take the metric and the number of inner folds."""
        self.metric, self.folds = self.task.primary, self.params.inner_folds

    @cached_property
    def parts(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows of every inner fold: those that train, and those that validate."""
        cut = GroupKFold(self.folds, shuffle=True, random_state=self.params.seed)
        return list(cut.split(self.inputs, groups=self.group))

    def settings(self, trial: Any) -> Settings:
        """Draw the settings of a trial."""
        return suggest(trial, self.params.search.space, {})

    def run_fold(self, fold: int, jobs: Sequence[Job], on_epoch: Sequence[OnEpoch]) -> list[FoldOutcome]:  # noqa: ARG002
        """Run one inner fold of some trials."""
        return [self._score(fold, job) for job in jobs]

    def _score(self, fold: int, job: Job) -> FoldOutcome:
        train, val = self.parts[fold]
        with job.recorder.fold(fold) as listener:
            model = make_trees(self.params, job.settings, self.params.inner_trees)
            said = model.fit(self.inputs[train], self.dear[train]).predict(self.inputs[val])
            found = self.task.scores(self.dear[val], said)
            listener.finish({**{f"val_{name}": value for name, value in found.items()}, "epochs": 1}, None)
        return FoldOutcome("scored", found[self.metric.name], 1)


@dataclass(frozen=True)
class Searching:
    """Where searches are kept, and below which run they are shown."""

    tracked: Tracked
    storage: PatientStorage
    parent: TrackedRun

    def choose(self, name: str, objective: TreesObjective, tags: Mapping[str, str]) -> dict[str, Any]:
        """Search settings on all that the objective sees, or go on with that; give the best."""
        tracked, rows = self.tracked, np.column_stack([objective.inputs, objective.dear])
        identity = {
            "settings": tracked.tags["params.sha256"],
            "code": code_sha256(),
            "seen": sha256_array(rows),
        }
        found, _ = lead_search(
            tracked.store,
            self.storage,
            SearchTask(
                name=study_name(name, identity),
                params=objective.params.search,
                objective=objective,
                identity=identity,
                run=name,
                tags={**tracked.tags, **tags},
                data=replace(tracked.data, images=len(rows)),
            ),
            self.parent,
        )
        return dict(found.settings)
