"""A test whose needs must be present (TMDSCOPE_MUST_RUN names its marker) fails instead of skipping."""

import os
from collections.abc import Iterator

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
