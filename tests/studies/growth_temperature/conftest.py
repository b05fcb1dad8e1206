"""Parts of a stage are done in this process: one of its own takes seconds to start, for images this few."""

import os

import pytest


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the machine one of a single core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
