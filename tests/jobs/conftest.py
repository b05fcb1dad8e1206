"""The store of the tracking tests."""

from tests.tracking.conftest import store

__all__ = ["store"]
