"""The application: MLflow's scoring protocol for one model."""

import asyncio
import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tmdscope.limits import ANSWER_SECONDS, BODY_SECONDS, MAX_BODIES_BYTES, MAX_REQUEST_BYTES
from tmdscope.memory import give_back_freed_memory
from tmdscope.serving.door import Door, RefusedError, busy
from tmdscope.serving.images import read_images
from tmdscope.serving.scorer import Scorer

_JSON = "application/json"
_GONE = 499
_LARGE_BYTES = 1 << 22


class Scoring:
    """Reads, checks and answers requests about images; at most `at_once` are answered or wait."""

    def __init__(self, size_px: int, at_once: int) -> None:
        self._size_px = size_px
        self._free = at_once
        self._held = 0
        self._reader = ThreadPoolExecutor(1)

    async def answer(self, request: Request, scorer: Scorer) -> Response:
        """Answer ``{"predictions": [...]}``: what the scorer says of each image."""
        _check_headers(request)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                await self._read(request, body)
            return await self._answer(request, body, scorer)
        except TimeoutError:
            raise RefusedError(408, f"the body did not arrive within {BODY_SECONDS} s") from None
        except ClientDisconnect:
            raise RefusedError(_GONE, "the client has gone") from None
        finally:
            self._held -= len(body)

    async def _read(self, request: Request, body: bytearray) -> None:
        async for chunk in request.stream():
            if len(body) + len(chunk) > MAX_REQUEST_BYTES:
                raise _too_large()
            if self._held + len(chunk) > MAX_BODIES_BYTES:
                raise busy("the server is busy with the bodies of other requests")
            self._held += len(chunk)
            body += chunk

    async def _answer(self, request: Request, body: bytearray, scorer: Scorer) -> Response:
        if self._free <= 0:
            raise busy("the server is busy with other requests")
        self._free -= 1
        work = asyncio.ensure_future(self._score(body, scorer))
        gone = asyncio.ensure_future(request.receive())
        try:
            await asyncio.wait((work, gone), timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return Response(json.dumps({"predictions": work.result()}), media_type=_JSON)
            if gone.done():
                raise ClientDisconnect
            raise busy(f"no answer within {ANSWER_SECONDS} s; send fewer images")
        finally:
            work.cancel()
            gone.cancel()
            self._free += 1

    async def _score(self, body: bytearray, scorer: Scorer) -> Any:
        loop = asyncio.get_running_loop()
        images = await loop.run_in_executor(self._reader, read_images, body, self._size_px)
        found = (await scorer.score(images)).tolist()
        if images.nbytes > _LARGE_BYTES:
            del images
            await loop.run_in_executor(self._reader, give_back_freed_memory)
        return found


def _check_headers(request: Request) -> None:
    kind, _, more = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != _JSON or more.strip() not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise RefusedError(415, f"the body must be JSON in UTF-8: Content-Type: {_JSON}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(415, "the body must not be compressed")
    if int(request.headers.get("content-length", "0")) > MAX_REQUEST_BYTES:
        raise _too_large()


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body has more than {MAX_REQUEST_BYTES} bytes; send the images in parts")


def make_app(
    scorer: Scorer,
    size_px: int,
    metadata: dict[str, Any],
    hosts: Collection[str],
    token: str = "",
    at_once: int = 32,
    teller: Scorer | None = None,
) -> FastAPI:
    """Make the app: MLflow's ``/invocations``, ``/ping``, ``/health`` and ``/version``, and ``/metadata``.

    With a `teller` also ``/predict``, whose body is that of ``/invocations``. `hosts` are the names it
    answers to, in lower case, without ports. What is of the model asks for the token, unless it is empty.
    More requests than `at_once` (answered or waiting) get status 503.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    scoring = Scoring(size_px, at_once)

    async def invocations(request: Request) -> Response:
        return await scoring.answer(request, scorer)

    async def ping() -> Response:
        return Response("\n", media_type=_JSON)

    async def mlflow_version() -> Response:
        return Response(version("mlflow"), media_type=_JSON)

    async def about() -> Response:
        return Response(json.dumps(metadata, allow_nan=False), media_type=_JSON)

    async def pass_on(_request: Request, error: Exception) -> Response:
        raise error

    app.add_api_route("/invocations", invocations, methods=["POST"])
    if teller is not None:

        async def predict(request: Request) -> Response:
            return await scoring.answer(request, teller)

        app.add_api_route("/predict", predict, methods=["POST"])
    app.add_api_route("/ping", ping)
    app.add_api_route("/health", ping)
    app.add_api_route("/version", mlflow_version)
    app.add_api_route("/metadata", about)
    app.add_exception_handler(HTTPException, pass_on)
    app.add_middleware(Door, hosts=hosts, token=token)
    return app
