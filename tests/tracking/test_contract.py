import pytest
from mlflow.exceptions import MlflowException

from tests.tracking.programs import CLASSES, Logged
from tmdscope.tracking.contract import read_contract
from tmdscope.tracking.registry import pull_version, register
from tmdscope.tracking.store import Study


def test_a_contract_says_what_goes_in_and_what_is_told_apart(store: Study, logged: Logged) -> None:
    version = register(store.client, "contract", logged.uri, logged.run_id, {})
    contract = read_contract(version)
    assert contract.classes == CLASSES
    (inputs,) = contract.inputs
    assert inputs["tensor-spec"] == {"dtype": "uint8", "shape": (-1, 32, 32)}
    assert contract.prepare is None or contract.prepare["size_px"] == 32


def test_a_model_that_is_not_there_has_none(store: Study) -> None:
    store.client.create_registered_model("hollow")
    store.client.create_model_version("hollow", source="file:///nowhere")
    with pytest.raises((MlflowException, OSError), match="MLmodel"):
        read_contract(pull_version(store.client, "hollow", 1))
