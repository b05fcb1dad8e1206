"""A search over the settings of an experiment of the main study: what it rests on, and what it leaves."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file, sha256_json, write_json, write_table, write_text
from tmdscope.layout import FEATURES, PREPARED, PRETRAINED, SPLIT
from tmdscope.learn.experiment import fold_parts, make_experiment
from tmdscope.learn.search.experiments import ExperimentObjective, with_settings
from tmdscope.learn.search.outcome import SearchOutcome
from tmdscope.learn.search.storage import HEARTBEAT_S, PatientStorage, open_storage
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import BEST_PARAMS, SearchParams, check_search
from tmdscope.tracking.provenance import code_sha256, provenance
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.search import SearchTask, lead_search
from tmdscope.tracking.store import open_study, search_storage_url
from tmdscope.vision.features import best_device


def make_task(
    name: str,
    search: SearchParams,
    base: ExperimentParams,
    classes: Sequence[str],
    study: str,
    root: Path = Path(),
) -> SearchTask:
    """Prepare the search of an experiment from what the stages before it wrote.

    Parameters
    ----------
    name : str
        The experiment.
    search : SearchParams
        The search.
    base : ExperimentParams
        The experiment as it stands.
    classes : sequence of str
        Class names in label order.
    study : str
        MLflow experiment.
    root : Path, optional
        The project's folder.

    Returns
    -------
    SearchTask
        Named after the experiment and what determines its scores, so that a change of data, settings or code
        begins a new study; more trials go on with the same.

    Raises
    ------
    UserError
        Data, split, features or weights are missing or do not fit.
    """
    dataset = Dataset.load(root / PREPARED)
    parts = fold_parts(Split.read(root / SPLIT), dataset)
    device = best_device()

    def make(params: ExperimentParams) -> Any:
        return make_experiment(params, dataset, classes, root / FEATURES, root / PRETRAINED, device)

    objective = ExperimentObjective(search, base, make, parts)
    settings = {
        "experiment": base.model_dump(mode="json"),
        "search": search.model_dump(mode="json", exclude={"trials"}),
    }
    tags = provenance(study, dataset.digest, settings)
    identity = {
        "settings": tags["params.sha256"],
        "classes": ", ".join(classes),
        "data": dataset.digest,
        "split": sha256_file(root / SPLIT),
        "features": sha256_file(root / FEATURES / "features.npy"),
        "weights": sha256_file(root / PRETRAINED),
        "code": code_sha256(),
    }
    return SearchTask(
        name=f"{name}-{sha256_json({'study': study, **identity})[:8]}",
        params=search,
        objective=objective,
        identity=identity,
        run=f"search-{name}",
        tags={**tags, "experiment": name},
        data=DataUse(study, dataset.digest, PREPARED.as_posix(), len(objective.rows), "search"),
    )


def search_experiment(
    name: str,
    search: SearchParams,
    base: ExperimentParams,
    classes: Sequence[str],
    study: str,
    folder: Path,
) -> SearchOutcome:
    """Search the settings of an experiment, or go on with its search, and write what was found.

    Parameters
    ----------
    name : str
        The experiment.
    search : SearchParams
        The search.
    base : ExperimentParams
        The experiment as it stands.
    classes : sequence of str
        Class names in label order.
    study : str
        MLflow experiment.
    folder : Path
        Gets ``best_params.yaml`` (the experiment with the settings found), ``trials.csv``, ``search.json``
        and ``run.json``.

    Returns
    -------
    SearchOutcome
        What was found.

    Raises
    ------
    UserError
        Something that the search rests on is missing, no trial is complete, or a store cannot be written.
    """
    check_search(name, search, {name: base.model_dump(mode="json")}, "params.yaml")
    task = make_task(name, search, base, classes, study)
    storage, tracked = open_searches(), open_study(study)
    found, run_id = lead_search(tracked, storage, task)
    _write_outcome(folder, task, base, found)
    where = {"study": task.name, "storage": storage.shown, "tracking_uri": tracked.uri, "run_id": run_id}
    write_json(folder / "run.json", where)
    return found


def open_searches() -> PatientStorage:
    """Open the storage of searches in force.

    Returns
    -------
    PatientStorage
        At `tmdscope.tracking.store.search_storage_url`; variable ``TMDSCOPE_HEARTBEAT_S`` sets the seconds
        between two signs of life of a worker.

    Raises
    ------
    StorageError
        It cannot be opened.
    """
    return open_storage(search_storage_url(), int(os.environ.get("TMDSCOPE_HEARTBEAT_S", HEARTBEAT_S)))


def _write_outcome(folder: Path, task: SearchTask, base: ExperimentParams, found: SearchOutcome) -> None:
    best = with_settings(base, found.settings).model_dump(mode="json", exclude_none=True)
    header = (
        f"# Found by study {task.name}: trial {found.trial} of {found.progress.over}, mean validation macro "
        f"F1 {found.value:.4f} over {len(found.folds)} folds.\n"
    )
    write_text(folder / BEST_PARAMS, header + _yaml(best))
    write_table(folder / "trials.csv", found.trials)
    write_json(
        folder / "search.json",
        {
            "study": task.name,
            "sampler": task.params.sampler,
            "seed": task.params.seed,
            "images": task.data.images,
            "value": found.value,
            "folds": found.folds,
            "trial": found.trial,
            "settings": found.settings,
            "progress": asdict(found.progress),
            "epochs": found.epochs,
            "importance": found.importance,
            "space": {key: entry.model_dump(mode="json") for key, entry in task.params.space.items()},
        },
    )


def _yaml(content: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(content), stream)
    return stream.getvalue()
