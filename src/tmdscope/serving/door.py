"""What every request passes before the application sees it, and what becomes of errors."""

import hmac
import re
import secrets
import time
import traceback
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tmdscope.names import shown
from tmdscope.stage import say

LOCAL = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine, which are always answered."""

OPEN = ("/ping", "/health", "/version")
"""What needs no token: whether the server is there."""

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?")
_LOGGED = 200


class RefusedError(Exception):
    """A request that is not answered, and why; the client gets it as ``{"error": ...}``."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def busy(message: str) -> RefusedError:
    """Refuse with status 503 what could be answered later."""
    return RefusedError(503, message, {"Retry-After": "1"})


class Door:
    """Answers only to its `hosts` (lower case, no ports) and to who has the token; errors become JSON."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str = "") -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the protocol of ASGI."""
        start, status = time.perf_counter(), 0

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._admit(scope["path"], Headers(scope=scope))
            await self._app(scope, receive, watch)
        except Exception as error:
            refusal = to_refusal(error)
            if status == 0:
                answer = JSONResponse({"error": str(refusal)}, refusal.status, refusal.headers)
                await answer(scope, receive, watch)
        finally:
            took = 1000 * (time.perf_counter() - start)
            client = (scope.get("client") or ("?",))[0]
            say(f"{client} {scope['method']} {shown(scope['path'][:_LOGGED])} {status} {took:.0f} ms")

    def _admit(self, path: str, headers: Headers) -> None:
        given = headers.getlist("host")
        host = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
        if host is None or host[1].removesuffix(".") not in self._hosts:
            told = "this server does not answer to that Host; --allowed-hosts names those it does"
            raise RefusedError(400, told)
        if not self._token or path in OPEN:
            return
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(value.strip().encode(), self._token):
            told = "a token is needed: Authorization: Bearer ..."
            raise RefusedError(401, told, {"WWW-Authenticate": "Bearer"})


def to_refusal(error: Exception) -> RefusedError:
    """Say what a client is told of an error; one of ours is logged, and the client gets its number."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, HTTPException):  # 404 and 405
        return RefusedError(error.status_code, str(error.detail), error.headers)
    number = secrets.token_hex(6)
    say(f"error {number}: " + "".join(traceback.format_exception(error)))
    return RefusedError(500, f"the server has made an error; its log has it under {number}")
