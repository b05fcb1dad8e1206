"""What a Dask cluster of two worker processes does, one of them killed, is what this machine does."""

import json
import sys
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image

from tests.analysis.descriptors.pictures import scan
from tests.dataset.test_prepare import SETTINGS as PREPARE
from tests.dataset.test_prepare import raw_manifest, write_heights, write_raw
from tests.lifecycle.programs import make_complete
from tests.support.dask import Cluster, running
from tests.support.parts import double, refuse
from tmdscope import cluster as module
from tmdscope.analysis.descriptors import table as tables
from tmdscope.analysis.descriptors.table import describe
from tmdscope.cli.options import read_cluster
from tmdscope.cluster import cluster_at
from tmdscope.dataset import prepare as preparing
from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.store import IMAGES, MANIFEST, PICTURES, Dataset
from tmdscope.errors import UserError
from tmdscope.files import sha256_file
from tmdscope.jobs.images.features import store_features
from tmdscope.layout import Layout
from tmdscope.lifecycle import predict_chunks
from tmdscope.lifecycle.predict import predict_files
from tmdscope.lifecycle.predictor import BATCH
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import BackboneParams, FeaturesParams
from tmdscope.params.images import DescribeParams
from tmdscope.processes import Mapper
from tmdscope.scan.level import level
from tmdscope.tracking.models import fetch_files, hash_files, load_files, log_program
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import open_study
from tmdscope.vision import chunks as vision_chunks
from tmdscope.vision.stored import VALUES, place_of

DESCRIBE = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=2)
RANDOM = BackboneParams(architecture="resnet18", weights="none")
NOBODY = "tcp://127.0.0.1:9"
distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install 'tmdscope[dask]'")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """Two workers, however many the tests before have killed."""
    shared.staff(2)
    return shared


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute here as it does in the workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    levelled = level(np.stack([scan(name).scan.height_nm for name in MATERIALS]), (1, 99))
    np.save(tmp_path / "images.npy", levelled)
    return tmp_path / "images.npy"


def mapper(address: str) -> Mapper:
    found = cluster_at(address)
    assert found is not None
    return found


def at(cluster: Cluster) -> Mapper:
    return mapper(cluster.address)


@pytest.mark.slow
def test_results_come_in_order_and_few_parts_are_ahead(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AHEAD", 2)
    taken: list[float] = []

    def parts() -> Iterator[float]:
        for part in (0.1, 4.0, 0.5, 2.0, *range(1, 20)):
            taken.append(part)
            yield part

    found = iter(at(cluster)(double, parts()))
    assert [next(found) for _ in range(4)] == [0.2, 8.0, 1.0, 4.0]
    assert len(taken) == 4 + 2 * 2 - 1
    assert [*found] == [2.0 * part for part in range(1, 20)]


@pytest.mark.slow
def test_an_error_of_a_part_is_raised(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="part 1 is odd"):
        list(at(cluster)(refuse, [0, 1, 2]))


@pytest.mark.slow
def test_descriptors_are_the_same(cluster: Cluster, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = describe(images, None, DESCRIBE)
    monkeypatch.setattr(tables, "_CHUNK", 2)
    assert describe(images, None, DESCRIBE, cluster.map_and_kill).equals(here)
    assert cluster.workers() == 1


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_files_says_so(cluster: Cluster, images: Path) -> None:
    def lose_then_map(work: Any, parts: Iterable[Any]) -> Iterable[Any]:
        parts = [*parts]
        images.unlink()
        return at(cluster)(work, parts)

    with pytest.raises(UserError, match=r"a worker of tcp://.*images\.npy does not exist.*under the path"):
        describe(images, None, DESCRIBE, lose_then_map)


def write_pictures(raw: Path) -> None:
    names = [f"{number}.png" for number in range(7)]
    (raw / PICTURES).mkdir(parents=True)
    for number, name in enumerate(names):
        picture = np.random.default_rng(number % 5).integers(0, 256, (20, 24), dtype=np.uint8)
        Image.fromarray(picture).save(raw / PICTURES / name)
    write_raw(raw, raw_manifest(names))


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_heights, write_pictures], ids=["heights", "pictures"])
def test_prepared_images_are_the_same(
    cluster: Cluster, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_CHUNK_VALUES", 2 * 32 * 32)
    monkeypatch.setattr(preparing, "_CHUNK_PICTURES", 2)
    monkeypatch.chdir(tmp_path)  # workers are elsewhere
    raw, here, there = Path("raw"), Path("here"), Path("there")
    write(raw)
    prepare(raw, here, PREPARE)
    prepare(raw, there, PREPARE, cluster.map_and_kill)
    assert cluster.workers() == 1
    for name in (IMAGES, MANIFEST):
        assert sha256_file(here / name) == sha256_file(there / name)


@pytest.mark.slow
def test_a_bad_file_is_named_by_a_worker_too(cluster: Cluster, tmp_path: Path) -> None:
    write_pictures(tmp_path / "raw")
    (tmp_path / "raw" / PICTURES / "3.png").write_bytes(b"no picture")
    write_raw(tmp_path / "raw", raw_manifest([f"{number}.png" for number in range(7)]))
    with pytest.raises(UserError, match=r"a worker of tcp://.*3\.png: .*; run the ingest stage again"):
        prepare(tmp_path / "raw", tmp_path / "prepared", PREPARE, at(cluster))
    assert not (tmp_path / "prepared").exists()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A project of seven prepared images."""
    layout = Layout("", tmp_path, tmp_path / "params.yaml")
    layout.raw.parent.mkdir(parents=True)
    write_heights(layout.raw)
    prepare(layout.raw, layout.prepared, PREPARE.model_copy(update={"size_px": 32}))
    return layout


def times_loaded() -> int:
    return vision_chunks.load.cache_info().misses


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_features_are_the_same_and_each_worker_loads_the_network_once(
    cluster: Cluster, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision_chunks, "_CHUNK", 1)
    settings = FeaturesParams(backbones=[RANDOM], batch_size=4, flips=True, precision="fp32")
    dataset, path = Dataset.load(layout.prepared), place_of(layout.features, RANDOM) / VALUES
    store_features(settings, dataset, layout)
    here = sha256_file(path)
    path.unlink()
    store_features(settings, dataset, layout, cluster.map_and_kill)
    assert cluster.workers() == 1
    assert sha256_file(path) == here
    with cluster.client() as client:
        assert [*client.run(times_loaded).values()] == [1]


@pytest.mark.slow
def test_other_images_where_a_worker_looks_are_refused(cluster: Cluster, layout: Layout) -> None:
    dataset = Dataset.load(layout.prepared)
    np.save(layout.prepared / IMAGES, np.array(dataset.images[::-1]))
    with pytest.raises(UserError, match=r"images\.npy holds other images from row 0 on"):
        store_features(
            FeaturesParams(backbones=[RANDOM], batch_size=4, flips=False), dataset, layout, at(cluster)
        )


@pytest.fixture(scope="module")
def run_id(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The run of a logged model, in a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("store")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.chdir(folder)
        with start_run(open_study("a-study"), "a model", {}) as run:
            log_program(run.run_id, make_complete(), "model")
        yield str(run.run_id)


def predicted(files: list[Path], run_id: str, map_chunks: Mapper | None) -> list[dict[str, Any]]:
    out = StringIO()
    predict_files(files, run_id, "m", "json", None, out, map_chunks=map_chunks)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def write_files(folder: Path, count: int) -> None:
    for number in range(count):
        picture = np.random.default_rng(number).integers(0, 256, (32, 40), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_predictions_are_the_same_and_each_worker_loads_the_model_once(
    cluster: Cluster, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_chunks, "_CHUNK", BATCH)
    monkeypatch.chdir(tmp_path)
    Path("files").mkdir()
    write_files(Path("files"), 3 * BATCH + 1)
    Path("files/5.png").write_bytes(b"no picture")
    given = [Path("files"), Path("absent.png")]
    here = predicted(given, run_id, None)
    assert predicted(given, run_id, cluster.map_and_kill) == here
    assert cluster.workers() == 1
    assert [line["file"] for line in here if "problem" in line] == ["files/5.png", "absent.png"]
    with cluster.client() as client:
        assert [*client.run(models_loaded).values()] == [1]


def models_loaded() -> int:
    return predict_chunks.load.cache_info().misses


@pytest.mark.slow
def test_files_that_a_worker_does_not_see_are_no_problem_of_theirs(
    cluster: Cluster, run_id: str, tmp_path: Path
) -> None:
    write_files(tmp_path, 1)

    def hide(work: Any, parts: Iterable[Any]) -> Iterator[Any]:
        (tmp_path / "0.png").rename(tmp_path / "hidden")
        found = [*at(cluster)(work, parts)]
        (tmp_path / "hidden").rename(tmp_path / "0.png")
        yield from found

    with pytest.raises(UserError, match=r"a worker does not see .*0\.png: workers read files under"):
        predicted([tmp_path / "0.png"], run_id, hide)


def test_a_model_that_a_worker_does_not_see_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist, where the model's files"):
        load_files(tmp_path / "nowhere", "0" * 64)


@pytest.mark.slow
def test_another_model_where_a_worker_looks_is_refused(run_id: str) -> None:
    (model,) = mlflow.MlflowClient().get_run(run_id).outputs.model_outputs
    folder = fetch_files(f"models:/{model.model_id}")
    assert load_files(folder, hash_files(folder)).config.members == 2
    with pytest.raises(UserError, match=r"SHA-256 .*, 000000000000 was asked for"):
        load_files(folder, "0" * 64)


def test_a_scheduler_that_does_not_answer_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 1.0)
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .*empty the"):
        describe(images, None, DESCRIBE, mapper(NOBODY))


def test_a_scheduler_that_goes_is_told(tmp_path: Path) -> None:
    with running(tmp_path, 0) as cluster:
        found = at(cluster)(double, parts_then(cluster.started[0].kill))
        with pytest.raises(UserError, match=r"the Dask scheduler at tcp://127\.0\.0\.1:\d+ has gone"):
            list(found)


def test_a_part_that_cannot_be_made_is_no_workers_fault(tmp_path: Path) -> None:
    def fail() -> None:
        raise UserError("heights.npy is cut off")

    with running(tmp_path, 0) as cluster, pytest.raises(UserError, match=r"^heights\.npy is cut off$"):
        list(at(cluster)(double, parts_then(fail)))


def parts_then(end: Any) -> Iterator[float]:
    yield 1.0
    end()


def test_without_dask_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"compute\.scheduler is tcp://127\.0\.0\.1:9, but .*pip install"):
        cluster_at(NOBODY)


@pytest.mark.parametrize(
    ("settings", "here"),
    [
        (None, True),
        ("prepare: {}", True),
        ("compute: {}", True),
        (f"compute: {{scheduler: '{NOBODY}'}}", False),
    ],
)
def test_predict_works_where_the_settings_say(tmp_path: Path, settings: str | None, here: bool) -> None:
    if settings is not None:
        (tmp_path / "params.yaml").write_text(settings)
    assert (read_cluster(tmp_path / "params.yaml") is None) == here
