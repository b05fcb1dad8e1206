"""The store of the tracking tests."""

from tests.tracking.conftest import pytest_runtest_setup, store

__all__ = ["pytest_runtest_setup", "store"]
