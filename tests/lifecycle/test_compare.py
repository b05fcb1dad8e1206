"""Two registered models compared from the store to a folder and a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.tables import dataset, table, truth, wrong_on
from tests.tracking.programs import make_program
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.lifecycle.compare import EXPERIMENT, compare
from tmdscope.lifecycle.comparison import compare_versions
from tmdscope.lifecycle.cost import measure_speeds
from tmdscope.scores.scored import PREDICTIONS
from tmdscope.tracking.registry import FILES_SHA256, Version, recorded_sha256, register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store, open_study

NAME = "compared-classifier"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("store")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield open_study("compared")


@pytest.fixture(scope="module")
def versions(study: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Version]:
    """Two versions, the second with three images wrong."""
    path = tmp_path_factory.mktemp("predictions") / PREDICTIONS
    made = []
    for members, said in ((1, truth()), (2, wrong_on(0, 1, 5))):
        with start_run(study, f"of {members}", {"data.sha256": "ab" * 32}) as run:
            uri = run.program(make_program(members))
            write_table(path, table(said))
            run.artifact(path)
        tags = {FILES_SHA256: str(recorded_sha256(study.client, uri))}
        made.append(register(study.client, NAME, uri, run.run_id, tags))
    return made


def test_a_comparison_is_written_and_tracked(study: Store, versions: list[Version], tmp_path: Path) -> None:
    prepared, folder = tmp_path / "prepared", tmp_path / "out"
    dataset().write(prepared)
    told = compare(study.client, "1", versions[1].uri, NAME, prepared, folder, 100, 1, measure_speed=True)
    assert "held-out test: 4 simulated images of 2 samples" in told
    assert "images per second" in told
    run_id = told.rsplit("MLflow run ", 1)[1].split()[0]
    run = study.client.get_run(run_id)
    experiment = study.client.get_experiment(run.info.experiment_id)
    assert (experiment.name, run.info.status) == (EXPERIMENT, "FINISHED")
    assert run.data.tags["first"] == f"{NAME} version 1"
    assert run.data.tags["second.run_id"] == versions[1].run_id
    assert run.data.tags["data.sha256"] == "ab" * 32
    assert run.data.metrics["held_out_test.accuracy_difference"] == 0.5
    assert run.data.metrics["disagreements"] == 3
    assert run.data.metrics["first.images_per_second"] > 0
    logged = {entry.path for entry in study.client.list_artifacts(run_id)}
    assert logged == {"index.html", "contact_sheet.png", "disagreements.csv", "comparison.json"}
    assert logged == {path.name for path in folder.iterdir()}


def test_without_a_data_set_the_source_is_unknown(
    study: Store, versions: list[Version], tmp_path: Path
) -> None:
    prepared, folder = tmp_path / "prepared", tmp_path / "out"
    told = compare(study.client, versions[0].run_id, "2", NAME, prepared, folder, 50, 1, measure_speed=False)
    assert "images of unknown source" in told
    assert "speed was not measured: it was not asked for" in told
    assert not (folder / "contact_sheet.png").exists()
    assert "holds no prepared data set" in (folder / "index.html").read_text(encoding="utf-8")


def test_real_images_are_not_called_simulated(study: Store, versions: list[Version], tmp_path: Path) -> None:
    dataset(source="archive").write(tmp_path / "prepared")
    told = compare(
        study.client, "1", "2", NAME, tmp_path / "prepared", tmp_path / "out", 50, 1, measure_speed=False
    )
    assert "held-out test: 4 images of 2 samples" in told


def test_versions_are_compared_by_their_runs(study: Store, versions: list[Version]) -> None:
    found = compare_versions(study.client, versions[1], versions[0], 50, 1)
    assert [scores.difference.values["accuracy"] for scores in found.held_out] == [-0.125, -0.5]


def test_a_run_without_predictions_is_refused_and_writes_nothing(
    study: Store, versions: list[Version], tmp_path: Path
) -> None:
    with start_run(study, "bare", {}) as run:
        pass
    with pytest.raises(UserError, match="run its experiment again"):
        compare(study.client, "1", run.run_id, NAME, tmp_path, tmp_path / "out", 50, 1, measure_speed=False)
    assert not (tmp_path / "out").exists()


def test_every_model_gets_a_speed() -> None:
    speeds = measure_speeds([make_program(members=1), make_program(members=2)])
    assert len(speeds) == 2
    assert min(speeds) > 0
