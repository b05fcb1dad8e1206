import pytest

from tests.tracking.programs import Logged, make_program
from tmdscope.stage import UserError
from tmdscope.tracking.registry import (
    BEST,
    PREVIOUS,
    PRODUCTION,
    Version,
    find_alias,
    point_alias,
    promote,
    pull_alias,
    register,
)
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Study

NAME = "test-classifier"


@pytest.fixture(scope="module")
def versions(store: Study, logged: Logged) -> list[Version]:
    """Two versions of one registered model, each logged by a run of its own."""
    with start_run(store, "second", {}) as run:
        uri = run.program(make_program(members=1))
    return [
        register(store.client, NAME, logged.uri, logged.run_id, {"experiment": "a"}),
        register(store.client, NAME, uri, run.run_id, {"experiment": "b"}),
    ]


def test_versions_count_up_and_remember_their_run(store: Study, logged: Logged) -> None:
    version = register(store.client, "counted", logged.uri, logged.run_id, {"experiment": "a"})
    assert (version.number, version.run_id, version.uri) == (1, logged.run_id, "models:/counted/1")
    stored = store.client.get_model_version("counted", "1")
    assert (stored.run_id, stored.tags) == (logged.run_id, {"experiment": "a"})


def test_a_run_is_registered_once(store: Study, logged: Logged) -> None:
    first = register(store.client, "once", logged.uri, logged.run_id, {"experiment": "a"})
    again = register(store.client, "once", logged.uri, logged.run_id, {"experiment": "renamed"})
    assert again == first
    assert len(store.client.search_model_versions("name = 'once'")) == 1


def test_an_alias_moves(store: Study, versions: list[Version]) -> None:
    for version in versions:
        point_alias(store.client, NAME, BEST, version.number)
        assert pull_alias(store.client, NAME, BEST) == version


@pytest.mark.parametrize("name", [NAME, "never-registered"])
def test_an_alias_that_does_not_exist_says_what_to_do(
    store: Study, versions: list[Version], name: str
) -> None:
    assert [version.number for version in versions] == [1, 2]
    assert find_alias(store.client, name, "nobody") is None
    with pytest.raises(UserError, match=r"no alias 'nobody' in sqlite.*dvc repro --force register"):
        pull_alias(store.client, name, "nobody")


def test_production_remembers_what_it_was(store: Study, versions: list[Version]) -> None:
    client = store.client
    assert promote(client, NAME, versions[0].number) is None
    assert find_alias(client, NAME, PREVIOUS) is None
    assert promote(client, NAME, versions[1].number) == versions[0]
    assert pull_alias(client, NAME, PRODUCTION) == versions[1]
    assert pull_alias(client, NAME, PREVIOUS) == versions[0]
    promote(client, NAME, versions[1].number)  # again: what it was before stays known
    assert pull_alias(client, NAME, PREVIOUS) == versions[0]
    assert promote(client, NAME, versions[0].number) == versions[1]  # rolled back
    assert pull_alias(client, NAME, PREVIOUS) == versions[1]


def test_promoting_an_unknown_version_lists_the_known_ones(store: Study, versions: list[Version]) -> None:
    assert [version.number for version in versions] == [1, 2]
    before = find_alias(store.client, NAME, PRODUCTION)
    with pytest.raises(UserError, match="no version 9; it has: 1, 2"):
        promote(store.client, NAME, 9)
    assert find_alias(store.client, NAME, PRODUCTION) == before
    with pytest.raises(UserError, match="it has: none: run `dvc repro` first"):
        promote(store.client, "never-registered", 1)
