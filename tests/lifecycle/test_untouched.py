"""No command writes to a user's files, whatever their manifest says."""

import shutil
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from tests.lifecycle.programs import PREPARE, make_complete
from tests.report.study import data_params
from tests.scan.read.files import nanoscope
from tests.support.untouched import untouched
from tmdscope.cli import app
from tmdscope.dataset.columns import read_nuisance, read_order
from tmdscope.dataset.folder import ingest_folder
from tmdscope.dataset.place import write_new
from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.sources import ingest
from tmdscope.dataset.store import PICTURES, Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.new_class import read_new
from tmdscope.layout import Layout
from tmdscope.lifecycle.inputs import find_files
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.params.images import DataParams
from tmdscope.tracking.registry import Version

ROOT = Path(__file__).parents[2]
HEAD = "path,sample_id,material,operator,date"
RUNNER = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose folder of a user's files may only be read."""
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("permutations: 199", "permutations: 19"))
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    user, rng, rows = tmp_path / "data" / "user", np.random.default_rng(1), []
    for sample in range(16):
        material = ("MoS2", "WS2")[sample % 2]
        for number in range(2):
            path = user / material / f"S{sample:02}_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
            operator = ("Ann", "Ben")[sample % 4 == 0]
            rows.append(f"{material}/{path.name},S{sample:02},{material},{operator},2024-05-{sample + 1:02}")
    (user / "scan.spm").write_bytes(nanoscope(rng.normal(0, 5, (40, 40))))
    (user / unicodedata.normalize("NFD", "gr\u00e9.png")).write_bytes((user / "MoS2/S00_0.png").read_bytes())
    (user / "link.png").symlink_to(user / "WS2" / "S01_0.png")
    rows += ["scan.spm,S50,MoS2,Ann,2024-06-01", "gr\u00e9.png,S51,MoS2,,2024-06-02"]
    rows[0] = rows[0].replace("MoS2/S00_0", f"{user}/MoS2/S00_0", 1)
    rows[1] = rows[1].replace("MoS2/S00_1", "../../data/user/MoS2/S00_1", 1)
    rows += [f"{tmp_path}/data/../data/user/link.png,S52,WS2,Ann,2024-06-03"]
    (user / "manifest.csv").write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    for path in (user, *user.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    return tmp_path


def study(**changes: str) -> DataParams:
    return data_params("folder", folder={"path": "data/user", "manifest": "manifest.csv", **changes})


def test_ingest_and_prepare_copy_under_relative_names(project: Path) -> None:
    with untouched(project / "data/user"):
        raw = ingest(study(), Path("data/raw"))
        made = prepare(Path("data/raw"), Path("data/prepared"), PREPARE)
    assert raw["image_id"].tolist()[:2] == ["MoS2/S00_0.png", "MoS2/S00_1.png"]
    assert raw["image_id"].tolist()[-3:] == ["scan.spm", "gr\u00e9.png", "link.png"]
    copies = project / "data" / "raw" / PICTURES
    assert sorted(raw["image_id"]) == sorted(
        path.relative_to(copies).as_posix() for path in copies.rglob("*") if path.is_file()
    )
    assert len(made.images) == len(raw) == 35


def test_an_audit_uses_the_columns_that_a_study_kept_and_the_other_way_round(project: Path) -> None:
    with untouched(project / "data/user"):
        ingest(study(), Path("data/raw"))
        prepare(Path("data/raw"), Path("data/prepared"), PREPARE)
        command = "audit data/user/manifest.csv --order date --nuisance operator --out out"
        found = RUNNER.invoke(app, command.split())
    assert found.exit_code == 0, found.output
    kept = Dataset.load(Path("data/prepared")).manifest
    order, nuisance = read_order(kept, "date"), read_nuisance(kept, ["operator", "date"])
    assert order is not None
    assert nuisance is not None
    assert order.tolist()[:3] == [0, 0, 1]
    assert nuisance["date"].tolist()[:3] == [0, 0, 1]
    assert nuisance["operator"].tolist()[:3] == ["Ben", "Ben", "Ann"]
    assert kept["operator"].isna().sum() == 1
    assert '"nuisance"' in (project / "out" / "audit.json").read_text()


def test_inspect_and_predict_only_read(project: Path) -> None:
    user = project / "data/user"
    predictor = Predictor(make_complete(), "a model", torch.device("cpu"))
    with untouched(user):
        inspected = RUNNER.invoke(app, ["inspect", "data/user/scan.spm"])
        files = find_files([user])
        predicted = list(predictor.stream(files))
    assert inspected.exit_code == 0, inspected.output
    assert len(predicted) == len(files) == 35
    assert not any(one.problem for one in predicted)
    for picture in ("data/user/scan.spm", "data/user/WS2/S01_0.png"):
        with untouched(user):
            refused = RUNNER.invoke(app, ["inspect", "data/user/scan.spm", "--picture", picture])
        assert refused.exit_code == 1
        assert "nothing is overwritten" in refused.output


def test_adding_a_material_only_reads(project: Path) -> None:
    user, known = project / "data/user", "S07 "
    one = pd.read_csv(user / "manifest.csv", dtype=str).query("material == 'WS2'")
    user.chmod(0o755)
    (user / "one.csv").write_text(one.assign(material="MoTe2").to_csv(index=False), encoding="utf-8")
    old = SimpleNamespace(
        manifest=pd.DataFrame({"image_id": ["x"], "sample_id": [known], "image_sha256": ["0" * 64]}),
        images=np.zeros((1, PREPARE.size_px, PREPARE.size_px), np.uint8),
    )
    data, version = study(manifest="one.csv"), Version("m", 1, "run", {})
    asked = SimpleNamespace(layout=Layout(root=project), section=lambda *_: data)
    with untouched(user), pytest.raises(UserError, match=r"sample_id 'S07' looks like 'S07 ' of the study"):
        read_new(asked, user, PREPARE, version, ["MoS2"], old)
    old.manifest["sample_id"] = "T1"
    with untouched(user):
        new = read_new(asked, user, PREPARE, version, ["MoS2"], old)
    assert new.classes == ("MoTe2",)
    assert set(new.manifest["operator"]) == {"Ann"}
    with pytest.raises(UserError, match="knows MoTe\u2082 already"):
        read_new(asked, user, PREPARE, version, ["MoTe\u2082"], old)


def test_init_writes_the_manifest_that_it_is_asked_for_and_nothing_else(project: Path) -> None:
    user = project / "data/user"
    with untouched(user):
        there = RUNNER.invoke(app, ["init", "data/user", "--yes"])
    assert there.exit_code == 1
    assert "is there already and stays as it is" in there.output
    for path in (user, *user.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o444)
    with untouched(user, user / "new.csv"):
        made = RUNNER.invoke(app, ["init", "data/user", "--yes", "--manifest", "new.csv"])
    assert made.exit_code == 0, made.output
    assert len((user / "new.csv").read_text().splitlines()) == 33


def test_an_audit_replaces_no_page_but_its_own(project: Path) -> None:
    (project / "out").mkdir()
    (project / "out" / "index.html").write_text("mine")
    found = RUNNER.invoke(app, ["audit", "data/user/manifest.csv", "--order", "none", "--out", "out"])
    assert found.exit_code == 1
    assert "no audit's: name another folder with --out" in found.output
    assert (project / "out" / "index.html").read_text() == "mine"


def test_a_full_disk_is_said_and_harms_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        write_new(path, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tmdscope.dataset.folder.write_new", full)
    with (
        untouched(project / "data/user"),
        pytest.raises(UserError, match=r"cannot be copied into .*No space left"),
    ):
        ingest_folder(Path("data/user"), "manifest.csv", ["MoS2", "WS2"], project / "copies")


def test_paths_that_other_systems_take_for_one_are_refused(project: Path) -> None:
    user = project / "data/user"
    user.chmod(0o755)
    shutil.copyfile(user / "WS2" / "S01_0.png", user / "A.png")
    shutil.copyfile(user / "WS2" / "S01_1.png", user / "a.PNG")
    (user / "manifest.csv").chmod(0o644)
    with (user / "manifest.csv").open("a") as stream:
        stream.write("A.png,S60,WS2,,2024-06-04\na.PNG,S61,WS2,,2024-06-04\n")
    with untouched(user), pytest.raises(UserError, match=r"'A\.png' and 'a\.PNG' look alike.*37, 38"):
        ingest(study(), Path("data/raw"))
    assert not (project / "data" / "raw").exists()


@pytest.mark.parametrize("place", [".", "data", "data/raw"])
def test_a_folder_that_the_study_would_replace_is_refused(project: Path, place: str) -> None:
    shutil.copytree(project / "data/user", project / "data/raw", symlinks=True)
    before = sorted(project.rglob("*"))
    with untouched(project), pytest.raises(UserError, match="lie in each other"):
        ingest(study(path=place), Path("data/raw"))
    assert sorted(project.rglob("*")) == before
