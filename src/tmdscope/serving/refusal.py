"""What a client is told when it gets no answer."""

from collections.abc import Mapping


class RefusedError(Exception):
    """A request that is not answered, and why; the client gets it as ``{"error": ...}``."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def busy(message: str) -> RefusedError:
    """Refuse with status 503 what could be answered later."""
    return RefusedError(503, message, {"Retry-After": "1"})
