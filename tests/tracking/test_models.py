from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.entities import LoggedModelStatus
from mlflow.models import Model

from tests.tracking.programs import CLASSES, IMAGES, Logged, make_program
from tmdscope.errors import UserError
from tmdscope.tracking.models import FILES_SHA256, hash_files, load_program
from tmdscope.tracking.store import Store


def test_a_logged_program_is_loaded_bit_for_bit(logged: Logged) -> None:
    program = load_program(logged.uri)
    assert program.config == make_program(members=2).config
    with torch.inference_mode():
        np.testing.assert_array_equal(program.ensemble(torch.from_numpy(IMAGES)).numpy(), logged.expected)


def test_any_client_loads_it_with_its_classes(logged: Logged) -> None:
    model = mlflow.pyfunc.load_model(logged.uri)
    np.testing.assert_allclose(model.predict(IMAGES), logged.expected, rtol=1e-5)
    assert model.metadata.metadata["classes"] == list(CLASSES)
    assert all(name in str(model.metadata.signature.outputs) for name in CLASSES)


@pytest.mark.parametrize("shape", [(3, 33, 32), (32, 32)])
def test_wrong_shapes_are_refused(logged: Logged, shape: tuple[int, ...]) -> None:
    model = mlflow.pyfunc.load_model(logged.uri)
    with pytest.raises(mlflow.exceptions.MlflowException, match="schema"):
        model.predict(np.zeros(shape, np.uint8))


def test_a_missing_model_says_what_to_do(store: Store) -> None:
    with pytest.raises(UserError, match="dvc repro --force register"):
        load_program(f"models:/nothing-in-{store.name}/1")


def test_a_model_of_another_maker_is_refused(store: Store, tmp_path: Path) -> None:
    Model(artifact_path="model").save(str(tmp_path / "MLmodel"))
    made = store.client.create_logged_model(store.experiment_id, name="other")
    store.client.log_model_artifacts(made.model_id, str(tmp_path))
    store.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    with pytest.raises(UserError, match=r"no tag files\.sha256"):
        load_program(made.model_uri)
    store.client.set_logged_model_tags(made.model_id, {FILES_SHA256: hash_files(tmp_path)})
    with pytest.raises(UserError, match="was not made by tmdscope"):
        load_program(made.model_uri)


def test_a_program_takes_any_number_of_images(logged: Logged) -> None:
    model = mlflow.pyfunc.load_model(logged.uri)
    for count in (1, 7):
        images = np.repeat(IMAGES[:1], count, axis=0)
        np.testing.assert_allclose(
            model.predict(images), np.repeat(logged.expected[:1], count, axis=0), rtol=1e-4
        )
