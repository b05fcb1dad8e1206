"""What a registered version takes in and tells apart, read without its weights."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.types import Schema

from tmdscope.errors import UserError
from tmdscope.params.images import PrepareParams
from tmdscope.tracking.model_files import read_description
from tmdscope.tracking.models import expect_ours
from tmdscope.tracking.registry import Version
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.store import shown_uri


@dataclass(frozen=True)
class Contract:
    """What a model takes in and what it tells apart, JSON-like; empty or None where it does not say.

    A model of `formulae` has no classes, and its inputs are not prepared.
    """

    classes: tuple[str, ...]
    inputs: Any
    prepare: Any
    scale: Scale | None = None
    formulae: bool = False


def read_contract(version: Version) -> Contract:
    """Read what a version takes in and tells apart from its ``MLmodel``, without fetching its weights."""
    described = _describe(version.uri)
    facts, inputs = described["metadata"], (described.get("signature") or {}).get("inputs")
    prepare = facts.get("prepare")
    if prepare is not None:
        prepare = PrepareParams.model_validate_json(prepare).model_dump(mode="json")
    return Contract(
        classes=tuple(facts.get("classes", ())),
        inputs=None if inputs is None else Schema.from_json(inputs).to_dict(),
        prepare=prepare,
        scale=Scale.from_json(facts["scale"]) if "scale" in facts else None,
        formulae="sklearn" in described["flavors"],
    )


def reads_formulae(uri: str) -> bool:
    """Say whether a model takes formulae, not images; of one that says nothing sound: no."""
    try:
        return "sklearn" in _describe(uri)["flavors"]
    except UserError:
        return False


def _describe(uri: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder, expect_ours(uri):
        try:
            path = mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/MLmodel", dst_path=folder)
        except MlflowException as error:
            raise UserError(f"cannot read MLmodel of {uri} from {shown_uri()}: {error}") from error
        return read_description(Path(path))
