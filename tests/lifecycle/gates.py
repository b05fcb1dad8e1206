"""Gates that pass or refuse without a trained model, and registered models to move."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from tmdscope.lifecycle.gate import Gate
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.tracking.audits import StudyAudit
from tmdscope.tracking.check_model import ModelCheck
from tmdscope.tracking.contract import Contract
from tmdscope.tracking.registry import Client, Version

NAME = "tmd-test"
HASH = "ab" * 32
TAGS = {"data.sha256": HASH}
CONTRACT = Contract(("MoS2", "WS2"), [{"type": "tensor"}], {"size_px": 64})
EQUAL = Estimate(
    {"accuracy": 0.0, "macro_f1": 0.01}, {"accuracy": (-0.02, 0.02), "macro_f1": (-0.015, 0.035)}, 400, 240
)
TEST = Estimate(
    {"accuracy": 0.0, "macro_f1": 0.0}, {"accuracy": (-0.1, 0.1), "macro_f1": (-0.12, 0.11)}, 30, 17
)
SOUND = ModelCheck(None, None, 2e-7)
AUDITED = StudyAudit("ef" * 16, datetime(2026, 1, 2, tzinfo=UTC), ())

OPEN = Gate(
    margin=0.02,
    contract=lambda _: CONTRACT,
    run_tags=lambda _: {"data.sha256": HASH},
    split_problems=lambda _: [],
    audit=lambda _: AUDITED,
    compare=lambda *_: {"held-out test": TEST, "out-of-fold": EQUAL},
    load=lambda _: SOUND,
)
"""Lets everything pass whose tags are sound."""

SHUT = replace(OPEN, load=lambda _: ModelCheck("files changed", "not tried", None))
"""Lets nothing pass."""


def differing(of: Estimate, value: float, bounds: Bounds, name: str = "macro_f1") -> Estimate:
    """The difference with another value of a metric."""
    return replace(of, values={**of.values, name: value}, bounds={**of.bounds, name: bounds})


def fill(client: Client, name: str, versions: int) -> None:
    """Register sound versions."""
    client.create_registered_model(name)
    for _ in range(versions):
        client.create_model_version(name, source="s3://nowhere/model", tags=dict(TAGS))


def when_loading(action: Callable[[], None]) -> Gate:
    """A gate that lets something happen while it judges."""

    def load(version: Version) -> ModelCheck:
        action()
        return SOUND

    return replace(OPEN, load=load)
