"""What a registered version takes in and tells apart, read without its weights."""

from dataclasses import dataclass
from typing import Any

from mlflow.types import Schema

from tmdscope.params.materials_study import PrepareParams
from tmdscope.tracking.models import read_described
from tmdscope.tracking.registry import Version
from tmdscope.tracking.scale import Scale


@dataclass(frozen=True)
class Contract:
    """What a model takes in and what it tells apart.

    `classes` are in the order of its probabilities, empty where the model does not say. `inputs` (its schema)
    and `prepare` (complete where an earlier version wrote less) are JSON-like; None where the model does not
    say.
    """

    classes: tuple[str, ...]
    inputs: Any
    prepare: Any
    scale: Scale | None = None


def read_contract(version: Version) -> Contract:
    """Read what a version takes in and tells apart from its ``MLmodel``, without fetching its weights.

    `UserError` where the store, which must be connected, lacks that file, or tmdscope did not write it.
    """
    described = read_described(version.uri)
    facts, inputs = described["metadata"], (described.get("signature") or {}).get("inputs")
    prepare = facts.get("prepare")
    if prepare is not None:
        prepare = PrepareParams.model_validate_json(prepare).model_dump(mode="json")
    return Contract(
        classes=tuple(facts.get("classes", ())),
        inputs=None if inputs is None else Schema.from_json(inputs).to_dict(),
        prepare=prepare,
        scale=Scale.from_json(facts["scale"]) if "scale" in facts else None,
    )
