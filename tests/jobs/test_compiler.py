import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tests.tracking.killed import make_experiment
from tests.tracking.programs import CLASSES
from tmdscope.dataset.audit import SplitAudit
from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_array
from tmdscope.jobs.compiler import Compiler
from tmdscope.learn.crossval import cross_validate
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples
from tmdscope.learn.recorder import Silent
from tmdscope.learn.selection import leave_out_each, selection_score
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import PrepareParams
from tmdscope.scores.facts import SplitFacts
from tmdscope.scores.scored import IDENTITY
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.tracking.crossval import Trained
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registration import fact_tags, read_facts, register_model, with_run
from tmdscope.tracking.registry import to_version
from tmdscope.tracking.runs import Dossier, start_run
from tmdscope.tracking.scale import Scale
from tmdscope.tracking.store import Store
from tmdscope.vision.classifier import EnsembleConfig
from tmdscope.vision.features import embed_inputs

IMAGES, SIZE_PX = 48, 32
PREPARE = PrepareParams(size_px=SIZE_PX, percentiles=[0.5, 99.5])
SCORING = ScoringParams(bootstrap=100, seed=1)


def make_dataset() -> Dataset:
    """Two images a sample, classes in turn; the last image repeats the first of its class."""
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, SIZE_PX, SIZE_PX), dtype=np.uint8)
    rows = range(IMAGES)
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in rows],
            "sample_id": [str(k // 2) for k in rows],
            "label": [CLASSES[k // 2 % 3] for k in rows],
            "image_sha256": [sha256_array(image) for image in images],
            "duplicate_of": [None] * IMAGES,
        }
    )
    return Dataset(images, manifest)


def make_folds() -> list[FoldParts]:
    part = np.arange(IMAGES) // 6 % 4  # three samples, one of each class, together
    rows = np.arange(IMAGES)
    test, first, second = rows[part == 0], rows[part == 1], rows[part >= 2]
    return [FoldParts(first, second, test), FoldParts(second, first, test)]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Heads on random features, one class after another."""
    dataset = make_dataset()
    features = torch.randn(IMAGES, 512, generator=torch.Generator().manual_seed(2))
    labels = torch.from_numpy(dataset.labels(CLASSES))
    experiment: Experiment = replace(make_experiment(epochs=2), examples=Examples(features, labels))
    models: list[torch.nn.Module] = []

    def build() -> torch.nn.Module:
        models.append(experiment.build())
        return models[-1]

    folds, settings = make_folds(), experiment.settings
    results = cross_validate(build, experiment.target, experiment.examples, folds, settings, Silent())
    return Trained(experiment, models, results, folds)


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler(make_dataset(), make_folds(), PREPARE, SCORING, "folder")


@pytest.fixture(scope="module")
def dossier(trained: Trained, compiler: Compiler) -> Dossier:
    return compiler.compile(trained, {"epochs": 2})


def test_predictions_say_which_image_they_are_of(dossier: Dossier) -> None:
    assert list(dossier.predictions.columns[:5]) == ["fold", *IDENTITY]
    assert len(dossier.predictions) == 2 * IMAGES
    first = dossier.predictions.iloc[0]
    assert (first["sample_id"], first["part"]) == ("0", "test")


def test_facts_count_what_was_used(dossier: Dossier) -> None:
    data = dossier.facts.data
    assert (data.images, data.samples, data.source) == (IMAGES, IMAGES // 2, "folder")
    assert data.images_of_class == dict.fromkeys(CLASSES, 16)
    assert data.samples_of_class == dict.fromkeys(CLASSES, 8)
    assert dossier.facts.split == SplitFacts(folds=2, test_images=12, test_samples=6)
    assert dossier.facts.audit == SplitAudit(problems=[], warnings=[])
    assert dossier.facts.reliability.images == 12


def test_a_model_knows_how_wide_its_images_were_and_what_it_was_trained_on(trained: Trained) -> None:
    dataset = make_dataset()
    sized = Dataset(
        dataset.images, dataset.manifest.assign(pixel_size_nm=[None, 20.0, *[30.0] * (IMAGES - 2)])
    )
    program = Compiler(sized, make_folds(), PREPARE, SCORING, "folder").compile(trained, {}).program
    assert program.scale == Scale(20.0 * SIZE_PX, 30.0 * SIZE_PX, IMAGES - 1, IMAGES)
    assert (program.config.trained, program.config.not_trained) == (CLASSES, ())
    folds = [replace(f, train=f.train[np.isin(f.train // 2 % 3, (0, 1))]) for f in trained.folds]
    partly = replace(trained, folds=folds).program.config
    assert partly.not_trained == (CLASSES[2],)
    assert TypeAdapter(EnsembleConfig).validate_json(json.dumps(asdict(partly))) == partly


def test_the_score_that_chooses_the_best_stands_beside_its_optimism(
    dossier: Dossier, trained: Trained, compiler: Compiler
) -> None:
    scores = dossier.facts.scores
    histories = [result.fit.history for result in trained.results]
    rule, metric = trained.experiment.settings.checkpoint, TASK.primary
    own = selection_score([leave_out_each(histories, rule, metric)], metric)
    validation = scores["val"]["macro_f1"]["mean"]
    assert scores["selection"] == {"macro_f1": own, "optimism": pytest.approx(validation - own)}
    searched = compiler.compile(trained, {}, searched=0.25).facts.scores["selection"]
    assert searched == {"macro_f1": 0.25, "optimism": pytest.approx(validation - 0.25)}


def test_images_outside_every_part_are_left_out(trained: Trained, compiler: Compiler) -> None:
    folds = [replace(fold, train=fold.train[2:]) for fold in trained.folds]
    part = compiler.compile(replace(trained, folds=folds), {})
    assert len(part.predictions) == 2 * IMAGES - 4
    assert set(part.predictions["part"]) == {"train", "val", "test"}


def test_an_unsound_split_is_told(trained: Trained) -> None:
    folds = make_folds()
    crossing = [
        replace(fold, test=fold.test[:-1], train=np.append(fold.train, fold.test[-1])) for fold in folds
    ]
    audit = Compiler(make_dataset(), crossing, PREPARE, SCORING, "folder").audit
    assert any("sample" in problem and "in both" in problem for problem in audit.problems)


def test_the_test_part_does_not_reach_the_reliability(trained: Trained, compiler: Compiler) -> None:
    test = trained.folds[0].test
    shuffled = []
    for result in trained.results:
        probabilities = result.probabilities.copy()
        probabilities[test] = probabilities[test][:, ::-1]
        shuffled.append(replace(result, probabilities=probabilities))
    one, other = (
        compiler.compile(replace(trained, results=results), {}).program.reliability
        for results in (trained.results, shuffled)
    )
    assert one is not None
    assert other is not None
    assert one.temperature == other.temperature
    for left, right in zip(one.sets.scores, other.sets.scores, strict=True):
        np.testing.assert_array_equal(left, right)


def test_embeddings_are_those_before_the_relu(trained: Trained) -> None:
    inputs = trained.experiment.examples.inputs
    found: NDArray[np.float32] = embed_inputs(trained.models[0], inputs, batch_size=7)
    assert found.shape == (IMAGES, 100)
    assert (found < 0).any()
    with pytest.raises(TypeError, match="a Linear has no embedding"):
        embed_inputs(torch.nn.Linear(512, 3), inputs)


@pytest.mark.slow
def test_a_dossier_is_kept_with_its_run_and_comes_back(store: Store, dossier: Dossier) -> None:
    with start_run(store, "dossier", {"git.commit": "abc"}) as run:
        uri = run.dossier(dossier)
    version = register_model(store.client, "kept", uri, run.run_id, dossier.facts, {"experiment": "dossier"})
    assert version.tags["git.commit"] == "abc"
    own = store.client.get_model_version("kept", "1").tags
    assert set(own) == {"data.sha256", "experiment", "files.sha256", "test_macro_f1", "test_macro_f1_ci95"}
    assert own.items() <= version.tags.items()
    assert with_run(store.client, to_version(store.client.get_model_version("kept", "1"))) == version
    assert len(version.tags["files.sha256"]) == 64
    assert read_facts(store.client, version).data == dossier.facts.data
    program = load_program(version.uri)
    assert program.prepare == PREPARE
    assert program.reliability is not None
    assert dossier.program.reliability is not None
    assert program.reliability.temperature == dossier.program.reliability.temperature
    np.testing.assert_array_equal(program.reference, dossier.program.reference)


def test_a_version_carries_its_scores_as_tags(dossier: Dossier) -> None:
    tags, scores = fact_tags(dossier.facts), dossier.facts.scores
    assert float(tags["val_macro_f1"]) == pytest.approx(scores["out_of_fold"]["macro_f1"], abs=1e-4)
    assert [float(bound) for bound in tags["test_macro_f1_ci95"].split()] == pytest.approx(
        scores["ensemble_test"]["macro_f1_ci95"], abs=1e-4
    )
    assert not [name for name in tags if name.startswith("audit")]  # a copy would go stale
