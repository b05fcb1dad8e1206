"""Stage `search`: families of methods and transforms, one search of its own for every outer fold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tmdscope.dataset.splits import outer_folds
from tmdscope.files import sha256_json
from tmdscope.jobs.study import Study
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.params.families import FamilySearchParams, read_family
from tmdscope.run_record import StageRuns
from tmdscope.scores.records import FamilySearch
from tmdscope.search.families import (
    FamilyObjective,
    describe_choice,
    describe_method,
    outer_seed,
    predict_unseen,
)
from tmdscope.tracking.provenance import code_sha256, provenance, whereabouts
from tmdscope.tracking.runs import DataUse, TrackedRun, numbers, start_run
from tmdscope.tracking.search import SearchTask, lead_search, open_searches, study_name
from tmdscope.tracking.store import open_study

NAME = "search"


def run(study: Study) -> None:
    """Search on all outer folds but one and predict that one, for each; score all predictions pooled."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    search, pooled = study.section("search", FamilySearchParams), study.section("pooled", FoldsParams)
    scoring, tracked = study.section("scoring", ScoringParams), open_study(study.experiment, NAME)
    storage, cohort = open_searches(), study.cohort(study)
    task, of = cohort.task, {"data": cohort.digest}
    settings = {"search": search.model_dump(mode="json", exclude={"trials"}), "pooled": pooled.model_dump()}
    tags = {**provenance(tracked.name, cohort.digest, settings), "experiment": NAME}
    whole = {"settings": tags["params.sha256"], "data": cohort.digest, "code": code_sha256()}
    data = DataUse(tracked.name, cohort.digest, study.source.as_posix(), len(cohort), NAME)
    predicted = np.empty_like(cohort.targets)
    chosen: list[dict[str, Any]] = []
    runs: list[str] = []
    folds = outer_folds(cohort.stratum, cohort.sample_ids.tolist(), pooled.test_folds)
    with start_run(tracked, NAME, tags, data=data, attempt=study_name(NAME, whole)) as run:
        for number, (seen, unseen) in enumerate(folds):
            own = search.model_copy(update={"seed": outer_seed(search.seed, number)})
            identity = {**whole, "outer_fold": str(number), "seen": sha256_json(seen.tolist())}
            objective = FamilyObjective(own, cohort, seen, pooled.folds)
            asked = make_task(objective, identity, {**tags, "outer_fold": str(number)}, data)
            found, run_id = lead_search(tracked, storage, asked, run)
            family = read_family(found.settings)
            predicted[unseen] = predict_unseen(family, cohort, seen, unseen, own.seed)
            choice = describe_choice(found, task, cohort.targets[unseen], predicted[unseen])
            scores = {f"outer_{metric.name}": choice[metric.name] for metric in task.metrics}
            TrackedRun(tracked, run_id, reopened=True).metrics(scores, found.progress.over)
            chosen.append(choice)
            runs.append(run_id)
            said = f"{task.plain.title} {task.plain.tell(choice[task.plain.name])}"
            print(f"{asked.run}: {family.family}, {said}", flush=True)
        result = cohort.pooled(np.arange(len(cohort)), predicted, scoring)
        run.metrics(numbers({"pooled": result}), search.trials)
    method = describe_method(search, task.primary, pooled.test_folds, pooled.folds, cohort.row)
    FamilySearch.parse({"method": method, "folds": chosen, "pooled": result}).write(study.layout.search, of)
    made = StageRuns({NAME: run.run_id}, runs, storage.shown, **whereabouts(tracked, tags))
    made.write(study.layout.search_run, of)
    print("pooled: " + ", ".join(f"{one.title} {one.tell(result[one.name])}" for one in task.metrics))


def make_task(
    objective: FamilyObjective, identity: Mapping[str, str], tags: Mapping[str, str], data: DataUse
) -> SearchTask:
    """Prepare the search of one outer fold, named after it and what determines its scores.

    More trials go on with the same study; `identity` holds settings, data, rows and code.
    """
    run = f"outer-{tags['outer_fold']}"
    seen = replace(data, images=len(objective.table))
    return SearchTask(study_name(run, identity), objective.search, objective, identity, run, tags, seen)
