import mlflow
import numpy as np
import pytest
import torch

from tests.tracking.programs import CLASSES, make_program
from tmdscope.stage import UserError
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registry import (
    BEST,
    PREVIOUS,
    PRODUCTION,
    find_alias,
    point_alias,
    promote,
    pull_alias,
    register,
)
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Study

IMAGES = np.random.default_rng(1).integers(0, 256, (3, 32, 32), dtype=np.uint8)
NAME = "test-classifier"


@pytest.fixture(scope="module")
def logged(store: Study) -> tuple[str, str, np.ndarray]:
    """Run, model URI and expected probabilities of a logged ensemble of two."""
    program = make_program(members=2)
    with torch.inference_mode():
        expected = program.ensemble(torch.from_numpy(IMAGES)).numpy()
    with start_run(store, "model", {}) as run:
        uri = run.program(program)
    return run.run_id, uri, expected


def test_a_logged_program_is_loaded_bit_for_bit(logged: tuple[str, str, np.ndarray]) -> None:
    program = load_program(logged[1])
    assert program.config == make_program(members=2).config
    with torch.inference_mode():
        np.testing.assert_array_equal(program.ensemble(torch.from_numpy(IMAGES)).numpy(), logged[2])


def test_any_client_loads_it_with_its_classes(logged: tuple[str, str, np.ndarray]) -> None:
    model = mlflow.pyfunc.load_model(logged[1])
    np.testing.assert_allclose(model.predict(IMAGES), logged[2], rtol=1e-5)
    assert model.metadata.metadata["classes"] == list(CLASSES)
    assert all(name in str(model.metadata.signature.outputs) for name in CLASSES)


@pytest.mark.parametrize("shape", [(3, 33, 32), (32, 32)])
def test_wrong_shapes_are_refused(logged: tuple[str, str, np.ndarray], shape: tuple[int, ...]) -> None:
    model = mlflow.pyfunc.load_model(logged[1])
    with pytest.raises(mlflow.exceptions.MlflowException, match="schema"):
        model.predict(np.zeros(shape, np.uint8))


def test_a_missing_model_says_what_to_do(store: Study) -> None:
    with pytest.raises(UserError, match="dvc repro --force register"):
        load_program(f"models:/nothing-in-{store.name}/1")


def test_versions_and_aliases(store: Study, logged: tuple[str, str, np.ndarray]) -> None:
    run_id, uri, _ = logged
    client = store.client
    assert find_alias(client, NAME, BEST) is None
    with pytest.raises(UserError, match="no alias 'best'"):
        pull_alias(client, NAME, BEST)
    first = register(client, NAME, uri, run_id, {"experiment": "a"})
    assert register(client, NAME, uri, run_id, {"experiment": "a"}) == first
    with start_run(store, "second", {}) as run:
        other = register(client, NAME, run.program(make_program(members=1)), run.run_id, {"experiment": "b"})
    assert (first.number, other.number) == (1, 2)
    point_alias(client, NAME, BEST, 2)
    assert pull_alias(client, NAME, BEST).tags["experiment"] == "b"

    assert promote(client, NAME, 1) is None
    assert promote(client, NAME, 2) == first
    assert pull_alias(client, NAME, PRODUCTION).number == 2
    assert pull_alias(client, NAME, PREVIOUS).number == 1
    promote(client, NAME, 2)
    assert pull_alias(client, NAME, PREVIOUS).number == 1
    with pytest.raises(UserError, match="no version 9; it has: 1, 2"):
        promote(client, NAME, 9)
