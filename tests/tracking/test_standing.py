from datetime import UTC, datetime, timedelta

import pytest

from tests.lifecycle.memory import Data
from tmdscope.tracking.lock import locked
from tmdscope.tracking.registry import (
    PREVIOUS,
    PRODUCTION,
    REVIEWED,
    Client,
    Standing,
    list_registered,
    read_standing,
)

NAME = "tmd-standing"


@pytest.fixture(scope="module")
def memory() -> Client:
    return Data().study().client


@pytest.fixture(params=["memory", "sqlite"])
def client(request: pytest.FixtureRequest) -> Client:
    """Two registered models; that in memory answers as MLflow's does."""
    found: Client = request.getfixturevalue("memory" if request.param == "memory" else "store")
    found = getattr(found, "client", found)
    if not found.search_registered_models(f"name LIKE '{NAME}%'"):
        for name in (f"{NAME}-5", NAME, f"{NAME}ing"):
            found.create_registered_model(name)
            for _ in range(2):
                found.create_model_version(name, source="file:///nowhere")
    return found


def test_nothing_stands_where_nothing_is_registered(client: Client) -> None:
    nothing = read_standing(client, "never-registered")
    assert nothing == Standing(None, None, None)
    assert nothing.is_reviewed


def test_a_standing_follows_aliases_and_review(client: Client) -> None:
    assert read_standing(client, NAME).numbers == (None, None, None)
    client.set_registered_model_alias(NAME, PRODUCTION, str(2))
    client.set_registered_model_alias(NAME, PREVIOUS, str(1))
    assert not read_standing(client, NAME).is_reviewed
    client.set_registered_model_tag(NAME, REVIEWED, "2@" + "ab" * 16)
    standing = read_standing(client, NAME)
    assert standing.numbers == (2, 1, 2)
    assert standing.is_reviewed
    client.set_registered_model_tag(NAME, REVIEWED, "9@gone")
    assert read_standing(client, NAME).numbers == (2, 1, None)
    client.set_registered_model_tag(NAME, REVIEWED, "by hand")
    assert read_standing(client, NAME).numbers == (2, 1, None)


def test_models_of_other_numbers_of_classes_are_listed_and_no_locks(client: Client) -> None:
    client.set_model_version_tag(NAME, "1", "experiment", "a")
    client.set_registered_model_alias(NAME, "best", str(1))
    with locked(client, NAME, "Ann"):
        found = list_registered(client, NAME)
    assert [model.name for model in found] == [NAME, f"{NAME}-5"]
    assert [version.number for version in found[0].versions] == [1, 2]
    assert found[0].versions[0].tags == {"experiment": "a"}
    assert found[0].aliases["best"] == 1
    assert datetime.now(UTC) - found[0].created[1] < timedelta(minutes=10)
    assert list_registered(client, "never-registered") == []


def test_a_deleted_version_is_not_listed_and_its_alias_is_gone(store: object) -> None:
    client: Client = store.client  # type: ignore[attr-defined]
    name = "tmd-deleted"
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, source="file:///nowhere")
    client.set_registered_model_alias(name, PRODUCTION, str(2))
    client.set_registered_model_tag(name, REVIEWED, "2@" + "ab" * 16)
    client.delete_model_version(name, "2")
    assert read_standing(client, name).numbers == (None, None, None)
    assert [version.number for version in list_registered(client, name)[0].versions] == [1]
