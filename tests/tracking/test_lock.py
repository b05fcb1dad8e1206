"""The lock on a registered model, on a registry in memory and on MLflow's own in sqlite."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS

from tests.lifecycle.memory import Data, MemoryClient, failing_at
from tmdscope.errors import UserError
from tmdscope.tracking.lock import LAPSES_AFTER_S, PREFIX, locked
from tmdscope.tracking.owner import owned
from tmdscope.tracking.registry import Client

NAME = "tmd-locked"
LOCK = PREFIX + NAME
ENDED = "from tmdscope.tracking.owner import owned\nwith owned() as text: print(text)"


@pytest.fixture(params=["memory", "sqlite"])
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = (
        Data().study().client if request.param == "memory" else request.getfixturevalue("store").client
    )
    return found


def later() -> float:
    return time.time() + LAPSES_AFTER_S + 1


def locks(client: Client) -> list[str]:
    return [model.name for model in client.search_registered_models(f"name LIKE '{LOCK}%'")]


def test_one_holds_it_and_the_other_is_told(client: Client) -> None:
    with locked(client, NAME, "Ann") as lock:
        lock.check()
        with (
            pytest.raises(UserError, match=r"are being moved by Ann since \d{4}-.* UTC"),
            locked(client, NAME, "Ben"),
        ):
            pass
        lock.check()  # the one who was told has left it alone
        with locked(client, "tmd-other", "Ben"):
            pass
    with locked(client, NAME, "Ben"):
        pass
    assert locks(client) == []


def test_it_is_given_back_when_something_goes_wrong(client: Client) -> None:
    with pytest.raises(KeyError), locked(client, NAME, "Ann"):
        raise KeyError
    assert locks(client) == []


def test_one_left_behind_is_taken_over_when_it_has_lapsed(client: Client) -> None:
    with ExitStack() as stack:
        left = stack.enter_context(locked(client, NAME, "Ann"))
        with locked(client, NAME, "Ben", clock=later) as lock:
            lock.check()
            with pytest.raises(UserError, match="taken over by Ben"):
                left.check()
        with pytest.raises(UserError, match="was removed meanwhile"):
            left.check()
    with ExitStack() as stack:
        stack.enter_context(locked(client, NAME, "Cleo"))
        stack.enter_context(locked(client, NAME, "Dan", clock=later))
        assert len([name for name in locks(client) if "lapsed" in name]) == 1  # not one for each
    assert LOCK not in locks(client)


def test_what_a_killed_process_left_is_taken_over_at_once(client: Client) -> None:
    holder = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=True)
    client.create_registered_model(
        LOCK, {"holder": "Ann", "process": holder.stdout.strip(), "token": "of Ann"}
    )
    with locked(client, NAME, "Ben") as lock:
        lock.check()
    assert LOCK not in locks(client)


def test_what_another_host_left_lapses(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "elsewhere")
        with owned() as text:
            pass
    client.create_registered_model(LOCK, {"holder": "Ann", "process": text, "token": "elsewhere"})
    with (
        pytest.raises(UserError, match=r"by Ann since .* UTC, process \d+ on elsewhere; wait"),
        locked(client, NAME, "Ben"),
    ):
        pass
    with locked(client, NAME, "Ben", clock=later):
        pass
    assert LOCK not in locks(client)


def test_a_slow_holder_does_not_give_back_the_lock_of_another(client: Client) -> None:
    slow = locked(client, NAME, "Ann")
    slow.__enter__()
    with locked(client, NAME, "Ben", clock=later) as lock:
        slow.__exit__(None, None, None)
        lock.check()
        assert LOCK in locks(client)
    assert LOCK not in locks(client)


class Interrupted(MemoryClient):
    """Lets something happen right after the lock was read for the first time."""

    def __init__(self, data: Data, action: Callable[[], None]) -> None:
        super().__init__(data, lambda _: None)
        self.action: Callable[[], None] | None = action

    def get_registered_model(self, name: str) -> SimpleNamespace:
        found = super().get_registered_model(name)
        action, self.action = self.action, None
        if action is not None:
            action()
        return found


def test_a_late_taker_does_not_steal_the_lock_of_one_who_was_quicker() -> None:
    data = Data()
    client = data.study().client
    with ExitStack() as stack:
        stack.enter_context(locked(client, NAME, "Ann"))
        quick: list[Any] = []
        lapsed = data.models[LOCK]
        lapsed.creation_timestamp -= 1000 * (LAPSES_AFTER_S + 1)

        def take() -> None:
            quick.append(stack.enter_context(locked(client, NAME, "Ben")))

        late: Any = Interrupted(data, take)
        with pytest.raises(UserError, match="moved by Ben"), locked(late, NAME, "Cleo"):
            pass
        quick[0].check()


def test_a_request_that_was_repeated_finds_its_own_lock() -> None:
    class Repeating(MemoryClient):
        def create_registered_model(self, *given: Any) -> None:  # type: ignore[override]
            super().create_registered_model(*given)
            raise MlflowException("exists", RESOURCE_ALREADY_EXISTS)

    data = Data()
    client: Any = Repeating(data, lambda _: None)
    with locked(client, NAME, "Ann") as lock:
        lock.check()
    assert data.models == {}


def test_a_lock_that_cannot_be_given_back_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    data = Data()
    with locked(data.study(failing_at(1)).client, NAME, "Ann"):
        pass
    assert (
        "could not be given back (the store is away); who decides next takes it over"
        in capsys.readouterr().err
    )
    assert list(data.models) == [LOCK]
