"""Registering a model with the facts that a listing, a gate and a card read."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient

from tmdscope.files import read_json
from tmdscope.scores.scored import FACTS
from tmdscope.tracking.models import recorded_sha256
from tmdscope.tracking.registry import FILES_SHA256, Version, register
from tmdscope.tracking.runs import fetch_artifact

CARD = "model_card.md"
"""Artifact of a version's run: its card."""


def register_model(
    client: MlflowClient,
    name: str,
    model_uri: str,
    run_id: str,
    facts: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Version:
    """Register a logged model once, with its scores, the hash of its files and the commit of its code.

    `facts` are of its dossier. What can change after the training, such as an audit of its data, is looked up
    when it is needed. A run that has a version keeps it.
    """
    commit = client.get_run(run_id).data.tags.get("git.commit", "none")
    sha256 = recorded_sha256(client, model_uri) or "none"
    return register(
        client,
        name,
        model_uri,
        run_id,
        {**fact_tags(facts), **tags, "git.commit": commit, FILES_SHA256: sha256},
    )


def fact_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Write facts (as `tmdscope.tracking.dossier.Dossier.facts`) as the tags that a version carries.

    Macro F1 out of fold (``val_macro_f1``) and of the ensemble on the held-out test (``test_macro_f1``), each
    with ``_ci95``, two numbers or ``none``; ``val_macro_f1_mean``, the mean over folds; and
    ``selection_macro_f1``, by which `BEST` is chosen, with ``selection_optimism``, by how much that mean is
    above it.
    """
    scores = facts["scores"]
    val, test = scores["out_of_fold"], scores["ensemble_test"]
    return {
        "target": facts["encoding"],
        "architecture": facts["architecture"],
        "data.sha256": facts["data"]["sha256"],
        "val_macro_f1": f"{val['macro_f1']:.4f}",
        "val_macro_f1_ci95": _interval(val["macro_f1_ci95"]),
        "val_macro_f1_mean": f"{scores['val']['macro_f1']['mean']:.4f}",
        "selection_macro_f1": f"{scores['selection']['macro_f1']:.4f}",
        "selection_optimism": f"{scores['selection']['optimism']:.4f}",
        "test_macro_f1": f"{test['macro_f1']:.4f}",
        "test_macro_f1_ci95": _interval(test["macro_f1_ci95"]),
    }


def _interval(bounds: Sequence[float] | None) -> str:
    if bounds is None:
        return "none"
    return " ".join(f"{bound:.4f}" for bound in bounds)


def read_facts(client: MlflowClient, version: Version) -> dict[str, Any]:
    """Read what a version's run recorded, as `tmdscope.tracking.dossier.Dossier.facts`."""
    with fetch_artifact(client, version.run_id, FACTS) as path:
        return read_json(path)


def run_tags(client: MlflowClient, version: Version) -> dict[str, str]:
    """Read the tags of a version's run."""
    return dict(client.get_run(version.run_id).data.tags)


def describe_version(client: MlflowClient, version: Version, card: str) -> None:
    """Put a card, Markdown, into the registry's description and beside the version's run."""
    client.update_model_version(version.name, str(version.number), card)
    client.log_text(version.run_id, card, CARD)
