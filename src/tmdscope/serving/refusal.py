"""What a client is told when it gets no answer."""

from collections.abc import Mapping


class RefusedError(Exception):
    """A request that is not answered, and why; the client gets it as ``{"error": ...}``.

    Parameters
    ----------
    status : int
        Of HTTP, from 400.
    message : str
        What is wrong and what would be right.
    headers : mapping, optional
        Of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def busy(message: str) -> RefusedError:
    """Refuse what could be answered later.

    Parameters
    ----------
    message : str
        Why it cannot be now.

    Returns
    -------
    RefusedError
        Status 503.
    """
    return RefusedError(503, message, {"Retry-After": "1"})
