"""Stage `search`: families of classifiers and transforms, one search of its own for every outer fold."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tmdscope.dataset.published import read_tables
from tmdscope.dataset.splits import outer_folds
from tmdscope.files import sha256_json
from tmdscope.jobs.experiment_search import open_searches
from tmdscope.learn.summary import Cohort
from tmdscope.materials import MATERIALS
from tmdscope.models.tabular import FeatureTable
from tmdscope.params.common import FoldsParams, ScoringParams
from tmdscope.params.published_study import FamilySearchParams, PublishedTrackingParams, read_family
from tmdscope.params.reading import read_section
from tmdscope.record import write_record
from tmdscope.scores.records import FamilySearch
from tmdscope.scores.task import CLASSES
from tmdscope.search.families import (
    FamilyObjective,
    describe_choice,
    describe_method,
    outer_seed,
    predict_unseen,
)
from tmdscope.stage import run_stage
from tmdscope.tracking.provenance import code_sha256, provenance, whereabouts
from tmdscope.tracking.runs import DataUse, TrackedRun, flatten, start_run
from tmdscope.tracking.search import SearchTask, lead_search, study_name
from tmdscope.tracking.store import open_study

NAME = "search"
PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
FOUND = Path("data/published/search.json")
RUN = Path("data/published/search_run.json")


def main() -> None:
    """Search on all outer folds but one and predict that one, for each; score all predictions pooled."""
    torch.set_num_threads(1)  # networks this small spend their time waiting for a second thread
    search = read_section("search", FamilySearchParams, PARAMS)
    pooled = read_section("pooled", FoldsParams, PARAMS)
    scoring = read_section("scoring", ScoringParams, PARAMS)
    study = open_study(read_section("tracking", PublishedTrackingParams, PARAMS).study)
    storage, tables = open_searches(), read_tables(TABLES)
    table = FeatureTable(tables.features, np.array(tables.sample_ids), tables.labels, MATERIALS)
    draws = scoring.bootstrap, scoring.seed
    cohort = Cohort(CLASSES, tables.labels, table.sample_ids, tables.distinct, *draws)
    settings = {"search": search.model_dump(mode="json", exclude={"trials"}), "pooled": pooled.model_dump()}
    tags = {**provenance(study.name, tables.digest, settings), "experiment": NAME}
    whole = {"settings": tags["params.sha256"], "data": tables.digest, "code": code_sha256()}
    data = DataUse(study.name, tables.digest, TABLES.as_posix(), len(table.labels), NAME)
    predicted = np.full(len(table.labels), -1)
    plain = CLASSES.plain
    chosen: list[dict[str, Any]] = []
    runs: list[str] = []
    with start_run(study, NAME, tags, data=data, attempt=study_name(NAME, whole)) as run:
        for number, (seen, unseen) in enumerate(
            outer_folds(table.labels, table.sample_ids.tolist(), pooled.test_folds)
        ):
            own = search.model_copy(update={"seed": outer_seed(search.seed, number)})
            identity = {**whole, "outer_fold": str(number), "seen": sha256_json(seen.tolist())}
            objective = FamilyObjective(own, table, seen, pooled.folds)
            task = make_task(objective, identity, {**tags, "outer_fold": str(number)}, data)
            found, run_id = lead_search(study, storage, task, run)
            family = read_family(found.settings)
            predicted[unseen] = predict_unseen(family, table, seen, unseen, own.seed)
            choice = describe_choice(found, CLASSES, table.labels[unseen], predicted[unseen])
            scores = {f"outer_{key}": choice[key] for key in (metric.name for metric in CLASSES.metrics)}
            TrackedRun(study, run_id, reopened=True).metrics(scores, found.progress.over)
            chosen.append(choice)
            runs.append(run_id)
            print(f"{task.run}: {family.family}, {plain.title} {plain.tell(choice[plain.name])}", flush=True)
        result = cohort.pooled(np.arange(len(table.labels)), predicted)
        numbers = flatten({"pooled": result})
        run.metrics(
            {key: value for key, value in numbers.items() if isinstance(value, int | float)}, search.trials
        )
    method = describe_method(search, pooled.test_folds, pooled.folds)
    FamilySearch.parse({"method": method, "folds": chosen, "pooled": result}).write(
        FOUND, {"data": tables.digest}
    )
    where = {**whereabouts(study, tags), "storage": storage.shown}
    write_record(RUN, {**where, "runs": {NAME: run.run_id}, "outer_runs": runs}, {"data": tables.digest})
    print("pooled: " + ", ".join(f"{one.title} {one.tell(result[one.name])}" for one in CLASSES.metrics))


def make_task(
    objective: FamilyObjective, identity: Mapping[str, str], tags: Mapping[str, str], data: DataUse
) -> SearchTask:
    """Prepare the search of one outer fold, named after it and what determines its scores.

    More trials go on with the same study; `identity` holds settings, data, rows and code.
    """
    run = f"outer-{tags['outer_fold']}"
    seen = replace(data, images=len(objective.table.labels))
    return SearchTask(study_name(run, identity), objective.search, objective, identity, run, tags, seen)


if __name__ == "__main__":
    run_stage(main)
