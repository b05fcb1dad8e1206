"""Defects named by a registered network: which is used, what it says, and what is refused before a movie."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.lifecycle.programs import make_reliability
from tests.tracking.programs import make_program
from tmdscope.errors import UserError
from tmdscope.lifecycle.defects import DefectsRequest, find_defects
from tmdscope.lifecycle.naming import Namer, own_model
from tmdscope.params.images import PrepareParams
from tmdscope.stem.crystal import PRISTINE, WS2
from tmdscope.stem.simulate import Condition, simulate_frames
from tmdscope.stem.windows import SIZE
from tmdscope.tracking.models import Program
from tmdscope.tracking.registry import FILES_SHA256, recorded_sha256, register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store, open_study
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Ensemble, EnsembleConfig, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass

KINDS = (*WS2.names, PRISTINE)
GONE = "there are no runs yet"


def namer_of(kinds: tuple[str, ...]) -> Program:
    """Two small networks of chance."""
    config = EnsembleConfig("small-cnn", "multiclass", kinds, SIZE, 2, False, GREY_NORMALISATION)
    backbones = [Backbone(bare_backbone("small-cnn"), GREY_NORMALISATION) for _ in range(2)]
    ensemble = Ensemble(backbones, [Head(64, len(kinds)) for _ in range(2)], Multiclass(kinds)).eval()
    prepare = PrepareParams(size_px=SIZE, percentiles=[0, 100])
    return Program(ensemble, config, prepare, make_reliability(classes=len(kinds)))


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "one.npy"
    np.save(path, next(simulate_frames(WS2, Condition(), 256, 1, 1, 1)).image)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Version 1 of the crystal's model, and one of materials; none is in production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("store")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        study = open_study("defects")
        materials = replace(make_program(2), reliability=make_reliability())
        for name, program in ((own_model(WS2), namer_of(KINDS)), ("materials", materials)):
            with start_run(study, name, {"data.sha256": "ab" * 32}) as run:
                uri = run.program(program)
            tags = {FILES_SHA256: str(recorded_sha256(study.client, uri))}
            register(study.client, name, uri, run.run_id, tags)
        yield study


def test_a_network_names_what_is_found(store: Store, movie: Path, tmp_path: Path) -> None:
    model = f"models:/{own_model(WS2)}/1"
    told = find_defects(DefectsRequest(movie, tmp_path, crystal="WS2", model=model))
    assert f"kinds are told by {own_model(WS2)} version 1" in told
    assert "defects are found by the intensities of sites" in told
    table = pd.read_csv(tmp_path / "defects.csv")
    assert table[[f"p_{kind}" for kind in KINDS]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert "kinds are told by ws2-defect-classifier version 1" in (tmp_path / "index.html").read_text()


def test_a_network_finds_what_is_named(store: Store, movie: Path, tmp_path: Path) -> None:
    model = f"models:/{own_model(WS2)}/1"
    told = find_defects(DefectsRequest(movie, tmp_path, crystal="WS2", detector=model))
    assert f"defects are found by {own_model(WS2)} version 1" in told
    assert "kinds are told by the intensity" in told


def test_without_production_intensity_names_and_it_is_said(store: Store, movie: Path, tmp_path: Path) -> None:
    told = find_defects(DefectsRequest(movie, tmp_path, crystal="WS2"))
    assert "kinds are told by the intensity of the site alone (no ws2-defect-classifier in production" in told
    store.client.set_registered_model_alias(own_model(WS2), "production", "1")
    try:
        for model, named_by in ((None, "ws2-defect-classifier version 1"), ("intensity", "the intensity")):
            told = find_defects(DefectsRequest(movie, tmp_path, crystal="WS2", model=model))
            assert f"kinds are told by {named_by}" in told
    finally:
        store.client.delete_registered_model_alias(own_model(WS2), "production")


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"model": "models:/nothing/1"}, "models:/nothing/1 is not in"),
        ({"model": "models:/materials/1"}, "tells apart MoS2, WS2.*not the defects of WS2"),
        ({"model": "models:/ws2-defect-classifier/1", "crystal": "MoS2"}, "not the defects of MoS2"),
        ({"model": "models:/ws2-defect-classifier/1", "crystal": None, "lattice_nm": 0.318}, "--crystal WS2"),
        ({"model": "no model"}, "names no model"),
        ({"model": "1", "sha256": "ab" * 32}, "was asked for"),
        ({"detector": "models:/materials/1"}, "materials version 1 tells apart MoS2, WS2"),
        ({"detector": "models:/materials/1", "crystal": None, "lattice_nm": 0.318}, "--detector.*--crystal"),
        ({"sha256": "ab" * 32}, "no network names defects here: no ws2-defect-classifier in production"),
    ],
)
def test_another_model_is_refused_before_the_movie(
    store: Store, asked: dict[str, object], match: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.npy"
    with pytest.raises(UserError, match=match):
        find_defects(DefectsRequest(missing, tmp_path, **{"crystal": "WS2", **asked}))


def test_without_a_store_a_named_model_is_told_missing(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match=GONE):
        Namer.load("models:/ws2-defect-classifier/1", WS2)
    told = find_defects(DefectsRequest(movie, tmp_path / "out", crystal="WS2"))
    assert "by the intensity of the site alone" in told
    assert GONE in told
