"""A test whose needs must be present (TMDSCOPE_MUST_RUN names its marker) fails instead of skipping."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    required = [
        name for name in os.environ.get("TMDSCOPE_MUST_RUN", "").split() if item.get_closest_marker(name)
    ]
    if report.skipped and required and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid}: {required[0]} tests must run here, yet it skipped: {report.longrepr}"
        )
    return report


@pytest.fixture(scope="session")
def published_dir() -> Path:
    """Folder of the published tables."""
    folder = os.environ.get("TMDSCOPE_PUBLISHED_DIR")
    if not folder:
        pytest.skip("TMDSCOPE_PUBLISHED_DIR names no folder with the published tables")
    return Path(folder)
