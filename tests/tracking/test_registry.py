import pytest

from tests.tracking.programs import Logged, make_program
from tmdscope.errors import UserError
from tmdscope.tracking.registry import (
    BEST,
    PRODUCTION,
    Version,
    check_trained_on,
    pull_alias,
    register,
)
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store

NAME = "test-classifier"


@pytest.fixture(scope="module")
def versions(store: Store, logged: Logged) -> list[Version]:
    """Two versions of one registered model, each logged by a run of its own."""
    with start_run(store, "second", {}) as run:
        uri = run.program(make_program(members=1))
    return [
        register(store.client, NAME, logged.uri, logged.run_id, {"experiment": "a"}),
        register(store.client, NAME, uri, run.run_id, {"experiment": "b"}),
    ]


def test_versions_count_up_and_remember_their_run(store: Store, logged: Logged) -> None:
    version = register(store.client, "counted", logged.uri, logged.run_id, {"experiment": "a"})
    assert (version.number, version.run_id, version.uri) == (1, logged.run_id, "models:/counted/1")
    stored = store.client.get_model_version("counted", "1")
    assert (stored.run_id, stored.tags) == (logged.run_id, {"experiment": "a"})


def test_a_run_is_registered_once(store: Store, logged: Logged) -> None:
    first = register(store.client, "once", logged.uri, logged.run_id, {"experiment": "a"})
    again = register(store.client, "once", logged.uri, logged.run_id, {"experiment": "renamed"})
    assert (again.number, again.tags) == (first.number, {"experiment": "renamed"})
    assert store.client.get_model_version("once", "1").tags == {"experiment": "renamed"}  # tags are renewed
    assert len(store.client.search_model_versions("name = 'once'")) == 1


def test_an_alias_moves(store: Store, versions: list[Version]) -> None:
    for version in versions:
        store.client.set_registered_model_alias(NAME, BEST, str(version.number))
        assert pull_alias(store.client, NAME, BEST) == version


@pytest.mark.parametrize(
    ("alias", "remedy"), [(BEST, "dvc repro --force register"), (PRODUCTION, "tmdscope promote")]
)
@pytest.mark.parametrize("name", ["without-aliases", "never-registered"])
def test_an_alias_that_does_not_exist_says_what_to_do(
    store: Store, logged: Logged, name: str, alias: str, remedy: str
) -> None:
    register(store.client, "without-aliases", logged.uri, logged.run_id, {})
    with pytest.raises(UserError, match=rf"no alias '{alias}' in sqlite.*{remedy}"):
        pull_alias(store.client, name, alias)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"data.sha256": "a" * 64, "split.sha256": "c" * 64}, "trained with split.sha256 cccccccccccc"),
        ({"data.sha256": "d" * 64, "split.sha256": "b" * 64}, "trained with data.sha256 dddddddddddd"),
        ({"data.sha256": "a" * 64}, "does not say its split.sha256"),
    ],
)
def test_a_version_of_other_data_or_another_split_is_refused(tags: dict[str, str], message: str) -> None:
    of = {"data": "a" * 64, "split": "b" * 64}
    check_trained_on(Version("m", 1, "run", {"data.sha256": of["data"], "split.sha256": of["split"]}), of)
    with pytest.raises(UserError, match=message):
        check_trained_on(Version("m", 1, "run", tags), of)
