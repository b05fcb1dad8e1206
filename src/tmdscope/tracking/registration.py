"""Registering a model with the facts that a listing, a gate and a card read."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import RunTag

from tmdscope.errors import UserError
from tmdscope.files import read_json
from tmdscope.scores.facts import Facts
from tmdscope.scores.intervals import Bounds
from tmdscope.scores.scored import FACTS
from tmdscope.scores.task import CLASSES, Metric
from tmdscope.tracking.artifacts import fetch_artifact
from tmdscope.tracking.registry import (
    FILES_SHA256,
    TASK,
    Version,
    if_there,
    recorded_sha256,
    register,
    task_of,
)


@dataclass(frozen=True)
class ScoreTags:
    """Scores by the metric that decides, as tags hold them; None where these do not say.

    Out of fold (`val`) and of the ensemble on the held-out test, with 95 % intervals; `selection` is what
    `BEST` is chosen by, `optimism` how much better the mean validation score is.
    """

    metric: Metric
    val: float | None
    val_ci95: Bounds
    test: float | None
    test_ci95: Bounds
    selection: float | None
    optimism: float | None

    @classmethod
    def of(cls, facts: Facts) -> "ScoreTags":
        """Take the scores from a model's facts."""
        metric, name = facts.task.primary, facts.task.primary.name
        parts = (facts.out_of_fold, facts.ensemble_test)
        val, test = ((part.values[name], part.bounds[name]) for part in parts)
        return cls(metric, *val, *test, facts.selection, facts.optimism)

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> "ScoreTags":
        """Read what `write` gave; tags can be changed by hand."""
        try:
            metric = task_of(tags).primary
        except UserError:
            metric = CLASSES.primary
        counts = {key: 2 if key.endswith("_ci95") else 1 for key in _keys(metric)}
        return cls(metric, *(_numbers(tags.get(key, ""), count) for key, count in counts.items()))

    def named(self) -> dict[str, Any]:
        """Give the numbers by tag: ``val_NAME``, ``val_NAME_ci95``, ``test_...``, ``selection_NAME``, ..."""
        values = (self.val, self.val_ci95, self.test, self.test_ci95, self.selection, self.optimism)
        return dict(zip(_keys(self.metric), values, strict=True))

    def write(self) -> dict[str, str]:
        """Give the tags; a bound that is not known is ``none``."""
        found = {key: v if isinstance(v, tuple) or v is None else (v,) for key, v in self.named().items()}
        return {key: " ".join(map(self.metric.write, v)) if v else "none" for key, v in found.items()}


def _keys(metric: Metric) -> list[str]:
    scores = [f"{part}_{metric.name}{end}" for part in ("val", "test") for end in ("", "_ci95")]
    return [*scores, f"selection_{metric.name}", "selection_optimism"]


def _numbers(text: str, count: int) -> Any:
    """Read one number, or two with a space between; None where the text is neither."""
    found = re.fullmatch(r"(\S+)" + r" (\S+)" * (count - 1), text)
    try:
        values = tuple(map(float, found.groups())) if found else None
    except ValueError:
        return None
    return values if values is None or count > 1 else values[0]


def register_model(
    client: MlflowClient, name: str, model_uri: str, run_id: str, facts: Facts, tags: Mapping[str, str]
) -> Version:
    """Register a logged model once; a run that has a version keeps it.

    The version's own tags are few: experiment, test score, hashes of data and files. All others, and what its
    facts say, are tags of its run (`with_run`). What can change after the training, such as an audit of its
    data, is looked up when it is needed.
    """
    score = f"test_{facts.task.primary.name}"
    known = {**fact_tags(facts), **tags}
    own = {key: known.pop(key) for key in ("data.sha256", score, f"{score}_ci95")}
    own["experiment"] = known.pop("experiment", f"stage {known.get('stage')}")
    own[FILES_SHA256] = recorded_sha256(client, model_uri) or "none"
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in known.items()])
    return with_run(client, register(client, name, model_uri, run_id, own))


def with_run(client: MlflowClient, version: Version) -> Version:
    """Give a version with the tags of its run below its own: all that was known as it was registered.

    The hash of its files is its own alone. An earlier tmdscope wrote all of it on the version.
    """
    run = if_there(client.get_run, version.run_id)
    found = {} if run is None else {key: v for key, v in run.data.tags.items() if key != FILES_SHA256}
    return replace(version, tags={**found, **version.tags})


def fact_tags(facts: Facts) -> dict[str, str]:
    """Write facts as tags: `ScoreTags`, ``val_NAME_mean`` over folds, the task."""
    metric = facts.task.primary
    return {
        "target": facts.encoding,
        "architecture": facts.architecture,
        TASK: json.dumps(facts.task.record()),
        "data.sha256": facts.data.sha256,
        **ScoreTags.of(facts).write(),
        f"val_{metric.name}_mean": metric.write(facts.over_folds("val", metric).mean),
    }


def read_facts(client: MlflowClient, version: Version) -> Facts:
    """Read what a version's run recorded."""
    with fetch_artifact(client, version.run_id, FACTS) as path:
        try:
            return Facts.parse(read_json(path))
        except ValueError as error:
            raise UserError(
                f"{FACTS} of run {version.run_id} {error}; run its experiment again with `dvc repro --force`"
            ) from error


def run_tags(client: MlflowClient, version: Version) -> dict[str, str]:
    """Read the tags of a version's run."""
    return dict(client.get_run(version.run_id).data.tags)
