import contextlib
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from tests.serving.conftest import Serve
from tests.support.serving import ask, start
from tests.tracking.conftest import logged, store  # noqa: F401
from tests.tracking.programs import CLASSES, IMAGES, Logged
from tmdscope.errors import UserError
from tmdscope.serving import server
from tmdscope.tracking.registry import FILES_SHA256, recorded_sha256, register
from tmdscope.tracking.store import Store

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("sent", [b"", b"GET /ping HTTP/1.1\r\nHost: loc"])
def test_a_connection_that_asks_nothing_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    port = serve()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        assert connection.recv(100) == b""


def test_an_endless_body_after_the_answer_is_cut(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", serve()), timeout=10) as connection:
        connection.sendall(b"POST /none HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 1 << 33:
                connection.sendall(b"1000\r\n" + bytes(0x1000) + b"\r\n")
                sent += 0x1000
    assert sent < 1 << 33


def test_one_connection_too_many_is_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    port = serve()
    place = ("127.0.0.1", port)
    with socket.create_connection(place), socket.create_connection(place, timeout=10) as second:
        assert second.recv(100) == b""
    time.sleep(0.1)
    assert ask(port, "/ping")[0] == 200


def test_a_short_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server.TOKEN, "short")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(UserError, match=server.TOKEN) as refused:
        server.serve("production", "m", "127.0.0.1", 0, [], 1)
    assert "short" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_an_address_that_is_not_to_be_had_is_named(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"{host}, port {port}.*--port"):
            server._listen(host, port)


@pytest.mark.slow
def test_the_command_serves_a_registered_version(store: Store, logged: Logged, tmp_path: Path) -> None:  # noqa: F811
    name = "served"
    sha256 = recorded_sha256(store.client, logged.uri)
    assert sha256 is not None
    made = register(store.client, name, logged.uri, logged.run_id, {FILES_SHA256: sha256})
    store.client.set_registered_model_alias(name, "production", str(made.number))
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    token = "a token of some length"
    variables = {"MLFLOW_TRACKING_URI": store.uri, server.TOKEN: token}
    allowed = {"Authorization": f"Bearer {token}"}
    with start(tmp_path, f"models:/{name}@production", **variables) as (port, process):
        status, answer = ask(port, "/invocations", {"inputs": IMAGES.tolist()}, allowed)
        assert status == 200
        np.testing.assert_allclose(answer["predictions"], logged.expected, atol=1e-5)
        _, about = ask(port, "/metadata", headers=allowed)
        assert about["model"] == f"models:/{name}/{made.number}"
        assert about["asked"] == f"models:/{name}@production"
        assert about["classes"] == list(CLASSES)
        assert about[FILES_SHA256] == sha256
        assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert time.monotonic() - began < 10
    said = (tmp_path / "serve.log").read_text()
    assert "POST /invocations 200" in said
    assert token not in said
    assert "Traceback" not in said
