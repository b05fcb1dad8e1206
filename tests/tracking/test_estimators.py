"""Models of formulae: logged without pickles, loaded with nothing but our own types, registered, judged."""

import io
import json
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow
import numpy as np
import pytest
import skops.io
from mlflow.models import Model
from sklearn.linear_model import Ridge

pytest.importorskip("elementembeddings")

from tests.tracking.formulae import COMPOUNDS, NAME, log_model, register_one
from tmdscope.errors import UserError
from tmdscope.lifecycle.card import write_card
from tmdscope.lifecycle.comparison import compare_formula_models
from tmdscope.lifecycle.formulae import predict_with
from tmdscope.lifecycle.gate import Gate, run_gate
from tmdscope.lifecycle.listing import list_versions, render
from tmdscope.tracking.audits import StudyAudit
from tmdscope.tracking.check_model import check_model
from tmdscope.tracking.contract import read_contract, reads_formulae
from tmdscope.tracking.estimators import load_estimator
from tmdscope.tracking.model_files import TRUSTED
from tmdscope.tracking.models import hash_files, load_program
from tmdscope.tracking.registration import read_formula_facts
from tmdscope.tracking.registry import FILES_SHA256, Version
from tmdscope.tracking.store import Store


@pytest.fixture(scope="module")
def version(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Version:
    return register_one(store, tmp_path_factory.mktemp("one"))


def no_audit(_: Version) -> StudyAudit:
    raise UserError("none was made")


def folder_of(uri: str) -> Path:
    """Where the files of a logged model lie in the local store."""
    place = mlflow.MlflowClient().get_logged_model(uri.removeprefix("models:/")).artifact_location
    return Path(url2pathname(urlparse(place).path))


def test_a_model_says_what_it_takes_and_repeats_itself(store: Store, version: Version) -> None:
    contract = read_contract(version)
    assert contract.formulae
    assert [one["name"] for one in contract.inputs] == ["formula"]
    assert contract.inputs[0]["type"] == "string"
    model = load_estimator(version.uri)
    said = model.predict(["GaAs", "Na3O"], 0.9)
    assert (said[:, 1] <= said[:, 0]).all()
    assert (said[:, 0] <= said[:, 2]).all()
    assert said.min() >= 0
    assert check_model(version.uri).ok
    assert store.client.get_run(version.run_id).data.tags["task"]


def test_what_is_not_of_our_types_is_not_made(store: Store, tmp_path: Path) -> None:
    _, uri = log_model(store, tmp_path / "other")
    folder = folder_of(uri)
    assert Model.load(folder).flavors["sklearn"]["skops_trusted_types"] == TRUSTED
    skops.io.dump({"a": Ridge, "b": io.StringIO}, folder / "model.skops")
    with pytest.raises(UserError, match="changed or damaged"):
        load_estimator(uri)
    store.client.set_logged_model_tags(uri.removeprefix("models:/"), {FILES_SHA256: hash_files(folder)})
    with pytest.raises(UserError, match="which no model of ours does"):
        load_estimator(uri)
    assert not check_model(uri).ok
    (folder / "MLmodel").write_text((folder / "MLmodel").read_text().replace("mlflow.sklearn", "os"))
    assert not reads_formulae(uri)


def test_formulae_are_predicted_and_wrong_ones_named(version: Version) -> None:
    out = io.StringIO()
    told = predict_with(version.uri, ["GaAs", "Xx2", "Na2(SO4)", "UO2"], "json", out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["formula"] for line in lines] == ["GaAs", "Xx2", "Na2(SO4)", "UO2"]
    assert lines[0]["low"] <= lines[0]["value"] <= lines[0]["high"]
    assert lines[0]["notes"] == ["it learnt from this very compound"]
    assert "unknown element Xx" in lines[1]["problem"]
    assert lines[3]["notes"] == ["UNFAMILIAR: no compound that it learnt from has U"]
    assert (told.formulae, told.unusable) == (3, 1)
    assert "made compounds" in told.text
    for form in ("table", "csv"):
        out = io.StringIO()
        predict_with(version.uri, ["GaAs", "Xx2"], form, out)  # type: ignore[arg-type]
        assert len(out.getvalue().splitlines()) == 3


def test_whoever_asks_for_images_is_told(version: Version) -> None:
    with pytest.raises(UserError, match="takes formulae, not images"):
        load_program(version.uri)


def test_a_version_is_listed_and_has_a_card(store: Store, version: Version) -> None:
    text = write_card(store.client, version)
    assert "Trained and scored on made compounds" in text
    assert "91.0 %" in text
    listed = list_versions(store.client, NAME)
    assert "MAE" in render(listed, listed[0].created, 200)
    assert read_formula_facts(store.client, version).compounds == len(COMPOUNDS)


def test_two_versions_are_compared_and_judged(store: Store, version: Version, tmp_path: Path) -> None:
    worse = register_one(store, tmp_path / "worse", error=1.0)
    found = compare_formula_models(store.client, worse.task, worse, version, 200, 1)
    assert found.values["mae"] == pytest.approx(0.5)
    assert np.isfinite(found.bounds["mae"]).all()  # type: ignore[arg-type]
    gate = Gate(
        margin=0.02,
        contract=read_contract,
        run_tags=lambda one: store.client.get_run(one.run_id).data.tags,
        split_problems=lambda one: read_formula_facts(store.client, one).audit.problems,
        audit=no_audit,
        compare=lambda one, other: {
            "held-out test": compare_formula_models(store.client, one.task, one, other, 200, 1)
        },
        load=lambda one: check_model(one.uri),
    )
    checks = {check.name: check.passed for check in run_gate(worse, version, gate)}
    assert checks["classes"]
    assert checks["input contract"]
    assert checks["files"]
    assert checks["reference predictions"]
    assert not checks["not worse"]
