"""`python -m benchmarks hostile [KIND ...]`: every kind of hostile input, a line of JSON for each."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from benchmarks.hostile.cases import Case
from benchmarks.hostile.driver import Outcome, run_kind, summarise

KINDS = {
    "scan": "scans",
    "picture": "pictures",
    "manifest": "manifests",
    "params": "params",
    "archive": "archives",
    "pickle": "pickles",
    "http": "http",
    "audit": "audits",
    "records": "records",
    "model": "models",
    "names": "names",
    "server": "server",
}
"""Kinds, and the module of each."""


def _print(line: str) -> None:
    print(line, flush=True)


def run(
    kinds: Sequence[str] = (),
    show: Callable[[str], None] = _print,
    chosen: Callable[[Sequence[Case]], Sequence[Case]] = lambda cases: cases,
) -> bool:
    """Try everything.

    Parameters
    ----------
    kinds : sequence of str, optional
        Of `KINDS`; all without any.
    show : callable, optional
        Gets a line at a time: what went wrong, a count for each kind, and a count of all.
    chosen : callable, optional
        Takes some of the cases of a kind.

    Returns
    -------
    bool
        Whether all ended right.
    """
    _warm()
    counts: list[dict[str, Any]] = []
    for kind in kinds or KINDS:
        module = import_module(f"benchmarks.hostile.{KINDS[kind]}")
        cases = list(chosen(list(module.cases())))
        start = time.monotonic()
        found = []
        for outcome in run_kind(kind, cases, getattr(module, "prepare", None)):
            found.append(outcome)
            if outcome.outcome != "right":
                show(json.dumps(vars(outcome)))
        counts.append(summarise(kind, found))
        show(json.dumps({**counts[-1], "wall_s": round(time.monotonic() - start, 1)}))
    total = _total(counts)
    show(json.dumps(total))
    return total["right"] == total["cases"]


def _total(counts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {"hostile": "all"}
    for count in counts:
        for name, value in count.items():
            if name != "hostile":
                total[name] = (
                    max(total.get(name, 0), value) if name.startswith("worst") else total.get(name, 0) + value
                )
    return total


def _warm() -> None:
    """Import what the doors import, so that each process does not do it again."""
    import torch

    torch.set_num_threads(1)
    for name in (
        *(
            "cli",
            "dataset.folder",
            "dataset.archive",
            "studies.published_features.tables",
            "lifecycle.audit",
            "lifecycle.predict",
        ),
        *(
            "lifecycle.inspection",
            "lifecycle.promotion",
            "jobs.check",
            "params.settings",
            "report.figures.scan",
            "scan.read.libraries",
        ),
        *(
            "lifecycle.card",
            "lifecycle.listing",
            "scores.scored",
            "learn.resume",
            "vision.stored",
            "serving.server",
        ),
    ):
        import_module(f"tmdscope.{name}")
    for name in (
        *("mlflow.pyfunc", "mlflow.pytorch", "mlflow.store.tracking.sqlalchemy_store", "torch.export.passes"),
        *("mlflow.store.model_registry.sqlalchemy_store", "mlflow.store.db.utils", "torch._dynamo", "yaml"),
    ):
        import_module(name)


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Give those that did not end right."""
    return [one for one in outcomes if one.outcome != "right"]
