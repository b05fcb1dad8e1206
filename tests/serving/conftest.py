"""The application on a free port, in this process."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn

from tests.tracking.programs import CLASSES, make_program
from tmdscope.serving import server
from tmdscope.serving.app import make_app
from tmdscope.serving.door import LOCAL
from tmdscope.serving.scorer import Scorer

Serve = Callable[..., int]


@pytest.fixture(scope="session")
def scorer() -> Iterator[Scorer]:
    made = Scorer(make_program(members=2).ensemble)
    yield made
    made.close()


@pytest.fixture
def serve(scorer: Scorer) -> Iterator[Serve]:
    """Serve until the test ends; gives the port. Takes what `make_app` takes."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(
        token: str = "",
        at_once: int = 32,
        work: Scorer = scorer,
        teller: Scorer | None = None,
        **names: str,
    ) -> int:
        known = [*LOCAL, *names.values()]
        app = make_app(work, 32, {"classes": list(CLASSES)}, known, token, at_once, teller)
        listening = server._listen("127.0.0.1", 0)
        made = uvicorn.Server(server._config(app))
        thread = threading.Thread(target=made.run, args=([listening],), daemon=True)
        thread.start()
        running.append((made, thread))
        while not made.started:
            time.sleep(0.01)
        return int(listening.getsockname()[1])

    yield start
    for made, thread in running:
        made.should_exit = True
        thread.join(20)
