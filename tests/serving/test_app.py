import contextlib
import json
import socket
import threading
import time
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import torch

from tests.lifecycle.programs import make_complete
from tests.serving.conftest import Serve
from tests.support.serving import ask
from tests.tracking.programs import CLASSES, IMAGES, make_program
from tmdscope import limits
from tmdscope.lifecycle.predict import as_record
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.serving import app
from tmdscope.serving.scorer import Scorer, Teller

BODY = {"inputs": IMAGES.tolist()}


def raw(port: int, text: bytes, wait_s: float = 20) -> bytes:
    """Send bytes and give all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as connection:
        connection.sendall(text)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                found += part
        return found


def head(more: bytes, host: bytes = b"Host: localhost\r\n") -> bytes:
    return b"POST /invocations HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n" + more + b"\r\n"


@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_the_answer_is_what_the_model_says(serve: Serve, key: str) -> None:
    status, answer = ask(serve(), "/invocations", {key: BODY["inputs"]})
    assert status == 200
    assert list(answer) == ["predictions"]
    with torch.inference_mode():
        expected = make_program(members=2).ensemble(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-5)


def test_what_the_command_says_of_an_image_is_told(serve: Serve) -> None:
    program = make_complete()
    graded = replace(program, config=replace(program.config, classes=("900 C", "950 C", "1000 C")))
    predictor = Predictor(graded, "m")
    teller = Teller(predictor)
    port = serve(teller=teller, token="a token of some length")
    assert ask(port, "/predict", BODY)[0] == 401
    status, answer = ask(port, "/predict", BODY, {"Authorization": "Bearer a token of some length"})
    teller.close()
    assert status == 200
    for found, said in zip(answer["predictions"], predictor.predict(IMAGES, "abc"), strict=True):
        wanted = json.loads(json.dumps(as_record(said)))
        assert set(wanted) - set(found) == {"file", "scale", "channel", "warnings"}
        assert found["expected"] == pytest.approx(wanted["expected"], abs=1e-2)
        assert (found["set"], found["unfamiliar"]) == (wanted["set"], wanted["unfamiliar"])
    assert ask(serve(), "/predict", BODY) == (404, {"error": "Not Found"})


def test_the_other_addresses_are_those_of_the_protocol(serve: Serve) -> None:
    port = serve()
    assert ask(port, "/ping") == ask(port, "/health") == (200, "\n")
    assert ask(port, "/version") == (200, version("mlflow"))
    assert ask(port, "/metadata") == (200, {"classes": list(CLASSES)})
    for path in ("/", "/docs", "/openapi.json", "/redoc", "/ping/", "/../etc/passwd"):
        assert ask(port, path) == (404, {"error": "Not Found"})
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert ask(port, "/invocations", method=method) == (405, {"error": "Method Not Allowed"})


@pytest.mark.parametrize(
    "host", ["evil.example", "", "localhost.evil", "[::1", "localhost:x", "127.0.0.1@evil"]
)
def test_a_foreign_host_is_refused(serve: Serve, host: str) -> None:
    status, answer = ask(serve(), "/ping", headers={"Host": host})
    assert status == 400
    assert "--allowed-hosts" in answer["error"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:5001", "[::1]:1", "scores.lab.example"]
)
def test_a_known_host_is_answered(serve: Serve, host: str) -> None:
    assert ask(serve(known="scores.lab.example"), "/ping", headers={"Host": host})[0] == 200


def test_a_request_without_one_host_is_refused(serve: Serve) -> None:
    port = serve()
    assert b" 400 " in raw(port, b"GET /ping HTTP/1.0\r\n\r\n")
    assert b" 400 " in raw(port, b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
    two = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n"
    assert b" 400 " in raw(port, two)


def test_a_token_is_asked_for_where_there_is_one(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    token = "a token of some length"
    port = serve(token=token)
    assert ask(port, "/ping")[0] == 200
    for wrong in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": token},
        {"Authorization": "Bearer \xe9"},
    ):
        for path, body in (("/metadata", None), ("/invocations", BODY)):
            status, answer = ask(port, path, body, wrong)
            assert (status, "token" in answer["error"]) == (401, True)
    assert ask(port, "/invocations", BODY, {"Authorization": f"Bearer {token}"})[0] == 200
    time.sleep(0.3)
    assert token not in capfd.readouterr().err


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/csv"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_another_kind_of_body_is_refused(serve: Serve, headers: dict[str, str]) -> None:
    status, answer = ask(serve(), "/invocations", json.dumps(BODY), headers)
    assert status == 415
    assert set(answer) == {"error"}


def test_a_bad_body_is_told_what_is_wrong(serve: Serve) -> None:
    status, answer = ask(serve(), "/invocations", {"inputs": [[["1"]]]})
    assert status == 400
    assert "whole number" in answer["error"]


def test_a_large_body_is_refused_announced_or_not(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_REQUEST_BYTES", 1000)
    port = serve()
    assert ask(port, "/invocations", BODY)[0] == 413
    chunks = b"".join(b"%x\r\n" % 500 + b" " * 500 + b"\r\n" for _ in range(3))
    found = raw(port, head(b"Transfer-Encoding: chunked\r\nConnection: close\r\n") + chunks)
    assert b" 413 " in found
    assert b'{"error":' in found


def test_bodies_together_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_BODIES_BYTES", 1000)
    status, answer = ask(serve(), "/invocations", BODY)
    assert (status, "busy" in answer["error"]) == (503, True)
    monkeypatch.undo()
    assert ask(serve(), "/invocations", BODY)[0] == 200


@pytest.mark.parametrize("sent", [b"", b'{"inputs"'])
def test_a_body_that_does_not_come_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.2)
    found = raw(serve(), head(b"Content-Length: 100\r\nConnection: close\r\n") + sent)
    assert b" 408 " in found


class Slow(Scorer):
    """Takes its time, and says nothing of worth."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(make_program(members=2).ensemble)

    def _compute(self, images: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        return np.zeros((len(images), 3), np.float32)


def test_more_than_so_many_at_once_are_asked_to_come_back(serve: Serve) -> None:
    port = serve(at_once=2, work=Slow(1.0))
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(port, "/invocations", BODY)[0])) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200, 200, 503, 503, 503, 503]
    assert ask(port, "/invocations", BODY)[0] == 200


def test_no_answer_is_waited_for_without_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "ANSWER_SECONDS", 0.1)
    status, answer = ask(serve(work=Slow(1.0)), "/invocations", BODY)
    assert (status, "fewer images" in answer["error"]) == (503, True)


def test_a_client_that_leaves_frees_its_place(serve: Serve) -> None:
    port, text = serve(at_once=1, work=Slow(0.5)), json.dumps(BODY).encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(b"Content-Length: %d\r\n" % len(text)) + text)
        time.sleep(0.2)
        assert ask(port, "/invocations", BODY)[0] == 503
    time.sleep(0.1)
    assert ask(port, "/invocations", BODY)[0] == 200


def test_an_error_of_ours_is_logged_and_told_by_number(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_body: bytearray, _size: int) -> None:
        raise RuntimeError("a \x1b[31msecret")

    port = serve()
    monkeypatch.setattr(app, "read_images", fail)
    status, answer = ask(port, "/invocations", BODY)
    assert status == 500
    assert "secret" not in answer["error"]
    number = answer["error"].split()[-1]
    said = capfd.readouterr().err
    assert f"error {number}: Traceback" in said
    assert "a \\x1b[31msecret" in said
    assert "\x1b" not in said


def test_the_log_obeys_nobody(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    ask(serve(), "/%1b%5b31m%0aforged?secret=1")
    time.sleep(0.3)
    said = capfd.readouterr().err
    assert "/\\x1b[31m\\nforged 404" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "sent", [b"nothing\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01" * 50 + b"\r\n\r\n"]
)
def test_what_is_no_http_is_refused(serve: Serve, sent: bytes) -> None:
    assert b" 400 " in raw(serve(), sent)


def test_a_head_without_end_is_refused(serve: Serve) -> None:
    found = raw(serve(), b"GET /ping HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000)
    assert found == b"" or b" 400 " in found  # what lies beyond 64 KiB is never read


def test_the_limits_allow_one_largest_request() -> None:
    assert limits.MAX_BODIES_BYTES >= limits.MAX_REQUEST_BYTES
