from dataclasses import replace

import mlflow
import pytest

from tests.tracking.programs import CLASSES, Logged, make_program
from tmdscope.errors import UserError
from tmdscope.params.images import PrepareParams
from tmdscope.tracking.contract import read_contract
from tmdscope.tracking.models import load_program, log_program
from tmdscope.tracking.registry import pull_version, register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.store import Store


def test_a_contract_says_what_goes_in_and_what_is_told_apart(store: Store, logged: Logged) -> None:
    version = register(store.client, "contract", logged.uri, logged.run_id, {})
    contract = read_contract(version)
    assert contract.classes == CLASSES
    (inputs,) = contract.inputs
    assert inputs["tensor-spec"] == {"dtype": "uint8", "shape": (-1, 32, 32)}
    assert contract.prepare is None or contract.prepare["size_px"] == 32


def test_preparation_scale_and_what_was_not_trained_travel_with_a_model(store: Store) -> None:
    prepare, scale = PrepareParams(size_px=32, percentiles=[5.0, 95.0]), Scale(900.0, 1000.0, 2, 3)
    program = make_program(members=1)
    config = replace(program.config, trained=CLASSES[:2])
    with start_run(store, "whole", {}) as run:
        uri = log_program(run.run_id, replace(program, config=config, prepare=prepare, scale=scale), "model")
    found = load_program(uri)
    assert (found.prepare, found.scale, found.config) == (prepare, scale, config)
    contract = read_contract(register(store.client, "whole", uri, run.run_id, {}))
    assert (contract.prepare, contract.scale) == (prepare.model_dump(mode="json"), scale)
    assert mlflow.pyfunc.load_model(uri).metadata.metadata["not_trained"] == [CLASSES[2]]


def test_a_model_that_is_not_there_has_none(store: Store) -> None:
    store.client.create_registered_model("hollow")
    store.client.create_model_version("hollow", source="file:///nowhere")
    with pytest.raises(UserError, match="MLmodel"):
        read_contract(pull_version(store.client, "hollow", 1))
