"""Every command in the documentation runs in a copy of a tiny study, or is listed with the reason why not."""

import importlib
import os
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image
from typer.testing import CliRunner

from tests.pipelines.conftest import ROOT, Clone
from tests.scan.read.files import nanoscope
from tests.support.docs import check_form, check_names, commands, inline, pages, unmarked
from tmdscope.cli import app

pytestmark = pytest.mark.slow

MODEL = "tmd-material-classifier"
RUN_ELSEWHERE = {
    "docs/versioning.md": "test_versioning.py",
    "docs/adding-a-study.md": "../studies/test_new_study.py",
}
"""Pages whose blocks another test runs word for word."""

SETUP = "installs an environment from the network and runs the whole study, a quarter of an hour"
FOREGROUND = "a server that stays in the foreground; test_models_life.py and test_materials_study.py start it"
TRAINS = "trains for minutes; test_materials_study.py queues and runs a quick one"
LIFE = "half a minute each; test_models_life.py runs it on the same study"
DATABASE = "needs PostgreSQL and minutes; tests/tracking has searches of several processes"
GROUP = "an address in the reader's own network"
NOT_RUN = {
    "make repro": SETUP,
    "make published": SETUP,
    "make growth": SETUP,
    **dict.fromkeys(
        (
            "tmdscope promote --params pipelines/property_transfer/params.yaml",
            "tmdscope predict --model models:/experimental-band-gap@production GaAs ZnO",
            "tmdscope card models:/experimental-band-gap/1",
        ),
        "property_transfer/test_transfer_study.py runs it on a study of its own",
    ),
    **dict.fromkeys(
        (
            "tmdscope defects movie.tif --crystal WS2 --out defects",
            "tmdscope defects movie.npy --pixel-nm 0.02 --lattice-nm 0.246 --out defects",
        ),
        "tests/lifecycle/test_defects.py runs it on movies of its own",
    ),
    **dict.fromkeys(
        (
            "tmdscope promote --params pipelines/stem_defects/params.yaml",
            "tmdscope promote --params pipelines/stem_defects/params.yaml --name ws2-defect-detector",
        ),
        "needs the study of movies, six minutes; test_models_life.py promotes another model",
    ),
    "make test": "runs this test",
    "make setup CPU=1 TORCH_INDEX=ADDRESS": "tests/test_setup.py does, from an index of files",
    "make bench": "an hour",
    "make docs": "tests/test_site.py builds the site",
    "make ui": FOREGROUND,
    "make dashboard": FOREGROUND,
    "make serve": FOREGROUND,
    "source .venv/bin/activate": "the tests run in an environment already",
    'git add dvc.lock reports && git commit --message "First run"': "the study's copy is committed already",
    "git tag first-results": "git's own; test_versioning.py tags",
    "dvc exp run -S experiments.features-multiclass.dropout=0.3": TRAINS,
    "dvc exp run -S experiments.features-multiclass.dropout=0.5 --queue": TRAINS,
    "dvc exp run --run-all": TRAINS,
    "tmdscope init data/my-scans": "asks a person; tests/lifecycle/test_first_manifest.py answers",
    "dvc exp run --queue --copy-paths data/my-scans -S split.folds=4": "test_inputs.py queues it",
    "tmdscope compare best production": LIFE,
    "tmdscope compare 4 production": LIFE,
    "tmdscope promote": LIFE,
    "tmdscope promote 4": LIFE,
    "tmdscope rollback": LIFE,
    'tmdscope rollback --reason "sets have grown since Monday"': LIFE,
    f"tmdscope add-material --model models:/{MODEL}@production --images my-new-material": (
        "half a minute; test_sequential.py runs it on the same study"
    ),
    "tmdscope search finetune-multiclass": DATABASE,
    "tmdscope search finetune-multiclass --workers 4": DATABASE,
    "tmdscope search features-multiclass --workers 4": DATABASE,
    "tmdscope search-worker finetune-multiclass --wait 600": DATABASE,
    "tmdscope search-worker features-multiclass --wait 600": DATABASE,
    "CUDA_VISIBLE_DEVICES=0 tmdscope search finetune-multiclass": DATABASE,
    "CUDA_VISIBLE_DEVICES=1 tmdscope search-worker finetune-multiclass --wait 600": DATABASE,
    "export TMDSCOPE_SEARCH_STORAGE=postgresql://tmdscope@127.0.0.1:5432/searches": GROUP,
    "export TMDSCOPE_SEARCH_STORAGE=postgresql://tmdscope@HOST:5432/searches": GROUP,
    "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000": GROUP,
    "export MLFLOW_TRACKING_URI=http://HOST:5000": GROUP,
    "cd examples": "for the next lines",
    (
        "curl -u admin http://127.0.0.1:5000/api/2.0/mlflow/users/create "
        "-H 'Content-Type: application/json' -d @ann.json"
    ): GROUP,
    "export MLFLOW_TRACKING_USERNAME=ann MLFLOW_TRACKING_PASSWORD=...": GROUP,
    "cp compose.env.example .env && chmod 600 .env": "for the next line",
    "docker compose up -d": "needs containers; tests/test_house.py checks the file's form",
    (
        "python -c \"import json, numpy as np; print(json.dumps({'inputs': "
        "np.load('data/prepared/images.npy')[:2].tolist()}))\" | curl --silent "
        "http://127.0.0.1:5001/invocations --header 'Content-Type: application/json' --data @-"
    ): "asks the server of `make serve`; test_models_life.py sends the same request",
}
"""Commands that do not run here, each with the reason."""

FOUND = list(dict.fromkeys(c.text for p in pages(ROOT) if p not in RUN_ELSEWHERE for c in commands(ROOT, p)))
RUN = sorted((text for text in FOUND if text not in NOT_RUN), key=lambda text: not text.startswith("dvc "))
"""Commands that run: those of DVC first, as searches change what it compares."""


@pytest.fixture(scope="module")
def copy(study: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A copy of the study with its runs, a production model, and the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    made = Clone(folder / "project", folder / "reads")
    made.reads.mkdir()
    large = study.root / "mlruns" / "artifacts", study.root / ".dvc" / "cache"
    shutil.copytree(
        study.root, made.root, ignore=lambda folder, _: _all_of(folder) if Path(folder) in large else []
    )
    for kept in large:  # nothing writes to what lies there
        place = made.root / kept.relative_to(study.root)
        shutil.copytree(kept, place, copy_function=os.link, dirs_exist_ok=True)
    made.tmdscope("store", "move")
    client = MlflowClient(made.uri, made.uri)
    client.set_registered_model_alias(
        MODEL, "production", client.get_model_version_by_alias(MODEL, "best").version
    )
    _write_the_readers_files(made.root)
    yield made
    shutil.rmtree(made.root)


def _all_of(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def _write_the_readers_files(root: Path) -> None:
    """Write scans, a manifest of pictures with dates and operators, stored features, and class folders."""
    images = np.load(root / "data" / "prepared" / "images.npy")
    table = pd.read_parquet(root / "data" / "prepared" / "manifest.parquet")
    for folder, number in (("my-scans", 2), ("images", len(images))):
        (root / folder).mkdir()
        for k in range(number):
            Image.fromarray(images[k]).save(root / folder / f"{k}.png")
    for k, material in enumerate(("graphene", "hBN") * 4):
        path = root / "data" / "my-scans" / material / f"S{k // 4}{k % 2}_{k}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(images[k]).save(path)
    heights = np.load(root / "data" / "raw" / "heights.npy")[0].astype(float)
    (root / "my-scans" / "a.spm").write_bytes(nanoscope(heights))
    table.assign(
        path=[f"images/{k}.png" for k in range(len(images))],
        date=pd.date_range("2024-01-01", periods=len(images)).strftime("%Y-%m-%d"),
        operator=[f"operator {k % 2}" for k in range(len(images))],
        scan_size_nm=[1000.0 + k % 3 for k in range(len(images))],
    )[["path", "sample_id", "label", "date", "operator", "scan_size_nm"]].to_csv(
        root / "manifest.csv", index=False
    )
    np.save(
        root / "embedding.npy",
        np.load(root / "data" / "features" / "efficientnet-lite0-imagenet" / "features.npy")[:, 0],
    )


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """What SIGTERM does in this process, which searches change, is put back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder with the settings as a reader gets them."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


@pytest.mark.parametrize("text", RUN)
def test_a_command_runs(copy: Clone, shipped: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    words = shlex.split(text)
    if words[0] != "tmdscope":
        copy.run("bash", "-ec", text)
        return
    arguments = words[1 : words.index(">") if ">" in words else None]
    monkeypatch.chdir(shipped if arguments[:1] == ["profile"] else copy.root)
    for name in ("MLFLOW_TRACKING_URI", "TMDSCOPE_SEARCH_STORAGE", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()


@pytest.mark.parametrize("table", ["raw/manifest", "prepared/manifest", "descriptors"])
def test_the_data_dictionary_has_every_column(study: Clone, table: str) -> None:
    columns = pd.read_parquet(study.root / "data" / f"{table}.parquet").columns
    page = importlib.import_module("docs.generated").dictionary()
    assert [name for name in columns if f"`{name}`" not in page] == []


@pytest.mark.parametrize("text", FOUND)
def test_the_form_of_a_command_is_right(text: str) -> None:
    check_form(ROOT, text)


@pytest.mark.parametrize("page", pages(ROOT))
def test_no_command_is_hidden(page: str) -> None:
    assert unmarked(ROOT, page) == [], "mark the block as sh, or its output as text"
    for code in inline(ROOT, page):
        check_names(ROOT, code)


def test_the_list_of_commands_that_do_not_run_is_of_commands_in_the_pages() -> None:
    assert [text for text in NOT_RUN if text not in FOUND] == []
    for page, test in RUN_ELSEWHERE.items():
        assert Path(page).name in (Path(__file__).parent / test).read_text()
