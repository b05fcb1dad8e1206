import json
import subprocess
import sys
import zipfile
from pathlib import Path

import mlflow
import pytest

from tests.tracking.programs import IMAGES, make_program
from tmdscope.errors import UserError
from tmdscope.tracking.check_model import TOLERANCE, check_model
from tmdscope.tracking.models import (
    FILES_SHA256,
    ModelFiles,
    Program,
    Reference,
    fetch_files,
    hash_files,
    load_program,
    log_program,
)
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store


@pytest.fixture(scope="module")
def uri(store: Store) -> str:
    """A model with reference predictions."""
    program = make_program(members=1)
    with start_run(store, "checked", {}) as run:
        return log_program(run.run_id, Program(program.ensemble, program.config, reference=IMAGES), "model")


def folder_of(uri: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))


def test_an_untouched_model_repeats_its_predictions(store: Store, uri: str) -> None:
    found = check_model(uri)
    assert found.ok
    assert found.max_difference is not None
    assert found.max_difference <= TOLERANCE


def test_a_fresh_process_says_it_as_json(store: Store, uri: str) -> None:
    command = [sys.executable, "-m", "tmdscope.tracking.check_model", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


@pytest.mark.parametrize("name", ["data/model.pt2", "extra_files/reference.safetensors", "MLmodel"])
def test_one_byte_altered_is_refused(store: Store, uri: str, name: str) -> None:
    path = folder_of(uri) / name
    before = path.read_bytes()
    middle = len(before) // 2
    path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    try:
        with pytest.raises(UserError, match="was recorded when it was logged"):
            load_program(uri)
        found = check_model(uri)
        assert not found.ok
        assert "was recorded when it was logged" in str(found.files)
    finally:
        path.write_bytes(before)
    assert check_model(uri).ok


def test_a_file_more_is_refused(store: Store, uri: str) -> None:
    added = folder_of(uri) / "data" / "more.pkl"
    added.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    try:
        with pytest.raises(UserError, match=r"more\.pkl.*no file that belongs to a model"):
            fetch_files(uri)
    finally:
        added.unlink()


def test_a_pickle_is_named_even_where_the_hash_is_its_own(store: Store) -> None:
    program = make_program(members=1)
    with start_run(store, "pickled", {}) as run:
        uri = log_program(run.run_id, program, "model")
    folder = folder_of(uri)
    (folder / "data" / "state.pth").write_bytes(b"\x80\x04.")
    store.client.set_logged_model_tags(uri.removeprefix("models:/"), {FILES_SHA256: hash_files(folder)})
    found = check_model(uri)
    assert "state.pth" in str(found.files)


def test_a_program_that_hides_a_pickle_does_not_load(store: Store) -> None:
    program = make_program(members=1)
    with start_run(store, "hidden", {}) as run:
        uri = log_program(run.run_id, program, "model")
    path = folder_of(uri) / "data" / "model.pt2"
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    (inputs,) = [name for name in records if "sample_inputs" in name]
    records[inputs] = b"cos\nsystem\n(S'true'\ntR."
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    tags = {FILES_SHA256: hash_files(folder_of(uri))}
    store.client.set_logged_model_tags(uri.removeprefix("models:/"), tags)
    with pytest.raises(UserError, match="pickle"):
        load_program(uri)
    assert "pickle" in str(check_model(uri).files)


def test_a_model_without_reference_predictions_fails(store: Store) -> None:
    program = make_program(members=1)
    with start_run(store, "unreferenced", {}) as run:
        uri = log_program(run.run_id, program, "model")
    found = check_model(uri)
    assert found.files is None
    assert "no reference predictions" in str(found.reference)


def test_predictions_that_are_not_repeated_fail(
    store: Store, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ModelFiles.reference

    def changed(model: ModelFiles) -> Reference | None:
        stored = read(model)
        assert stored is not None
        images, probabilities = stored
        return images, probabilities + 1e-3

    monkeypatch.setattr(ModelFiles, "reference", changed)
    found = check_model(uri)
    assert "probabilities differ by 0.001" in str(found.reference)
