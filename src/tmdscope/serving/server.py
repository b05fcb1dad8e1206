"""`tmdscope serve`: a registered model behind the application, until it is told to end."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tmdscope import __version__
from tmdscope.errors import UserError
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.limits import HEADER_SECONDS, MAX_CONNECTIONS
from tmdscope.memory import give_back_freed_memory
from tmdscope.scores.levels import read_quantity
from tmdscope.serving.app import make_app
from tmdscope.serving.door import LOCAL
from tmdscope.serving.scorer import Scorer, Teller
from tmdscope.stage import say
from tmdscope.tracking.models import Program, load_program
from tmdscope.tracking.predictions import resolve_version
from tmdscope.tracking.registry import FILES_SHA256, Version
from tmdscope.tracking.store import connect

TOKEN = "TMDSCOPE_SERVE_TOKEN"  # noqa: S105
"""Variable with the token that requests must bring."""

_SHORTEST_TOKEN = 16
_END_SECONDS = 5
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104


class _Connection(H11Protocol):
    """A connection that is closed where it is one too many, or idles before a request or after an answer."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
        self._wait()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def serve(
    model: str,
    registered: str,
    host: str,
    port: int,
    allowed: Sequence[str],
    at_once: int,
    sha256: str | None = None,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    An alias is looked up once, at the start; `registered` is the model of a bare version or alias. Port 0:
    any free one, which is told. `allowed` are names it answers to beside the machine's own and `host`.
    `sha256` is as for `tmdscope.tracking.models.load_program`.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    token = os.environ.get(TOKEN, "")
    if token and len(token) < _SHORTEST_TOKEN:
        told = f"{TOKEN} has fewer than {_SHORTEST_TOKEN} characters"
        raise UserError(f"{told}; make one: openssl rand -hex 32")
    names = dict.fromkeys([*LOCAL, *map(_host_name, [host, *allowed])])
    with _listen(host, port) as listening:
        version = resolve_version(connect(), model, registered)
        program = load_program(version.uri, sha256)
        metadata, size_px = describe(version, program, model), program.config.size_px
        knows = program.reliability is not None and program.prepare is not None
        predictor = Predictor(program, version.uri) if knows else None
        scorer = Scorer(program.ensemble if predictor is None else predictor.ensemble)
        teller = None if predictor is None else Teller(predictor)
        del program  # a predictor has a copy of its networks
        give_back_freed_memory()
        app = make_app(scorer, size_px, metadata, set(names), token, at_once, teller)
        place = f"http://{_host_name(host)}:{listening.getsockname()[1]}"
        say(f"{version.name} version {version.number} answers on {place} to the names {', '.join(names)}")
        if host not in (*LOCAL, "::1") and not token:
            say(f"without {TOKEN} everybody who reaches this address is answered")
        if host in _ANYWHERE and not allowed:
            say("to be reached by another name, give it with --allowed-hosts")
        try:
            uvicorn.Server(_config(app)).run(sockets=[listening])
        except SystemExit:  # SIGTERM; all is answered, and PyTorch's own end takes seconds
            os._exit(0)
        finally:
            scorer.close()
            if teller is not None:
                teller.close()


def describe(version: Version, program: Program, asked: str) -> dict[str, Any]:
    """Say what a model is, JSON-like, for who sends it images; `asked` is its name at the start."""
    config = program.config
    levels = read_quantity(config.classes)
    return {
        "model": version.uri,
        "asked": asked,
        "name": version.name,
        "version": version.number,
        FILES_SHA256: version.tags.get(FILES_SHA256),
        "classes": list(config.classes),
        "not_trained": list(config.not_trained),
        "levels": None if levels is None else {"numbers": levels.numbers, "unit": levels.unit},
        "size_px": config.size_px,
        "prepare": None if program.prepare is None else program.prepare.model_dump(mode="json"),
        "scale": None if program.scale is None else json.loads(program.scale.to_json()),
        "tmdscope": __version__,
    }


def _host_name(name: str) -> str:
    bare = name.strip().lower()
    return f"[{bare}]" if ":" in bare and not bare.startswith("[") else bare


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        told = f"cannot listen on {host}, port {port}: {error.strerror or error}"
        raise UserError(f"{told}; name others with --host and --port") from error
    return listening


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")],
        timeout_graceful_shutdown=_END_SECONDS,
    )
