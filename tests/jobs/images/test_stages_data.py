"""The first three stages from params.yaml to a split, in a folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from tests.dataset.zenodo_site import TMD_AFM, authors_tiff, grey, publish, tmd_afm_pictures, zipped
from tests.scan.read.files import nanoscope
from tests.support.web import Site, serve
from tmdscope.dataset import zenodo
from tmdscope.dataset.audit import audit_split, count_parts
from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.images import ingest, prepare, split
from tmdscope.params.reading import read_params
from tmdscope.studies.tmd_materials.study import STUDY

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small study of two materials; stages run from here."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, "simulated")
    return tmp_path


def write_params(folder: Path, source: str, test: str = "folds") -> None:
    content = read_params(ROOT / "params.yaml")
    content["data"] |= {"source": source, "classes": ["MoS2", "WS2"]}
    content["data"]["simulated"] |= {"images": 30, "samples": 20, "size_px": 32}
    content["prepare"]["size_px"] = 16
    content["sequential"]["enabled"] = False
    content["split"] = {"test": test, "test_folds": 4, "folds": 3}
    YAML(typ="safe").dump(content, folder / "params.yaml")


def write_user_images(folder: Path, twins: tuple[int, int]) -> None:
    """Sixteen samples of one image; the two twins hold the same picture."""
    user = folder / "data" / "user"
    user.mkdir(parents=True)
    rng = np.random.default_rng(1)
    lines = ["path,sample_id,material"]
    for number in range(16):
        pixels = np.random.default_rng(0) if number in twins else rng
        Image.fromarray(pixels.integers(0, 256, (20, 20), dtype=np.uint8)).save(user / f"{number}.png")
        lines.append(f"{number}.png,{number:02},{'MoS2' if number < 8 else 'WS2'}")
    (user / "manifest.csv").write_text("\n".join(lines))


def test_simulated_scans_become_a_sound_split(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage in (ingest, prepare, split):
        stage.run(STUDY)
    dataset = Dataset.load(workspace / "data/prepared")
    assert dataset.images.shape == (30, 16, 16)
    found = Split.read(workspace / "data/split.json")
    audit, counted = audit_split(dataset.manifest, found), count_parts(dataset.manifest, found)
    assert audit.problems == []
    counts = pd.read_csv(workspace / "data/split_counts.csv", index_col="label")
    pd.testing.assert_frame_equal(counts, counted, check_dtype=False, check_index_type=False)
    printed = capsys.readouterr().out
    assert "30 simulated images of 20 samples" in printed
    assert "30 images of 16 x 16 px, 0 duplicates" in printed
    assert "fold2_val" in printed


def test_a_folder_of_instrument_files_becomes_a_sound_split(workspace: Path) -> None:
    write_params(workspace, "folder")
    user = workspace / "data" / "user"
    user.mkdir(parents=True)
    lines = ["path,sample_id,material"]
    for number in range(16):
        height = np.random.default_rng(number).normal(size=(24, 32)) + np.arange(24)[:, None]
        (user / f"{number}.{number:03}").write_bytes(
            nanoscope(height, width_nm=640.0, height_of_frame_nm=480.0)
        )
        lines.append(f"{number}.{number:03},{number:02},{'MoS2' if number < 8 else 'WS2'}")
    (user / "manifest.csv").write_text("\n".join(lines))
    for stage in (ingest, prepare, split):
        stage.run(STUDY)
    dataset = Dataset.load(workspace / "data/prepared")
    assert dataset.images.shape == (16, 16, 16)
    assert dataset.manifest["pixel_size_nm"].tolist() == [30.0] * 16
    assert set(dataset.manifest["channel"]) == {"Height Sensor"}
    assert audit_split(dataset.manifest, Split.read(workspace / "data/split.json")).problems == []


def test_samples_that_share_an_image_stay_together(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(workspace, "folder")
    write_user_images(workspace, twins=(0, 5))
    for stage in (ingest, prepare, split):
        stage.run(STUDY)
    assert "they share identical images: 05" in capsys.readouterr().out
    for name, part in Split.read(workspace / "data/split.json").parts.items():
        assert ("0.png" in part) == ("5.png" in part), name


def test_one_image_under_two_materials_is_warned_about(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(workspace, "folder")
    write_user_images(workspace, twins=(0, 9))
    for stage in (ingest, prepare, split):
        stage.run(STUDY)
    assert "warning: image '0.png' occurs as MoS2 and WS2" in capsys.readouterr().out


@pytest.fixture
def archive(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The TMD-AFM archive on a server of this machine, and params.yaml that asks for it and its test."""
    monkeypatch.setenv(zenodo.FOLDER_VARIABLE, str(workspace / "cache"))
    write_params(workspace, "archive", test="paper")
    with serve() as site:
        monkeypatch.setenv(zenodo.SERVER_VARIABLE, site.url)
        yield site


def test_the_authors_test_is_held_out(
    workspace: Path, archive: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"Tif_Files/image99_WSe2_x_99_train.tif": authors_tiff(grey(99))}
    publish(archive, TMD_AFM, {"data.zip": zipped({**tmd_afm_pictures(16), **other})})
    for stage in (ingest, prepare, split):
        stage.run(STUDY)
    printed = "".join(capsys.readouterr())
    assert "32 archive images of 16 samples (MoS2 16, WS2 16)" in printed
    assert "left out: 1 pictures of WSe2, which data.classes does not name" in printed
    manifest = Dataset.load(workspace / "data/prepared").manifest
    found = Split.read(workspace / "data/split.json")
    assert set(found.test) == {name for name in manifest["image_id"] if name.endswith("_test.tif")}
    assert len(found.folds) == 3
    assert audit_split(manifest, found).problems == []
    write_params(workspace, "archive", test="folds")
    split.run(STUDY)
    assert set(Split.read(workspace / "data/split.json").test) != set(found.test)


def test_a_sample_that_crosses_the_authors_test_is_refused(workspace: Path, archive: Site) -> None:
    torn = {"Tif_Files/image99_MoS2_x_0001_train.tif": authors_tiff(grey(99))}
    publish(archive, TMD_AFM, {"data.zip": zipped({**tmd_afm_pictures(16), **torn})})
    ingest.run(STUDY)
    prepare.run(STUDY)
    with pytest.raises(UserError, match="sample '0001' is in both test and fold"):
        split.run(STUDY)
    assert not (workspace / "data/split.json").exists()


def test_only_an_archive_knows_the_authors_test(workspace: Path) -> None:
    write_params(workspace, "simulated", test="paper")
    ingest.run(STUDY)
    prepare.run(STUDY)
    with pytest.raises(UserError, match=r"has no column paper_test: only data\.source archive"):
        split.run(STUDY)


def test_an_unsound_split_is_not_written(workspace: Path) -> None:
    ingest.run(STUDY)
    prepare.run(STUDY)
    dataset = Dataset.load(workspace / "data/prepared")
    lone = dataset.manifest.copy()
    lone["label"] = ["WS2" if number == 0 else "MoS2" for number in range(len(lone))]
    lone["sample_id"] = lone["image_id"]
    Dataset(np.array(dataset.images), lone).write(workspace / "data/prepared")
    with pytest.raises(UserError, match=r"class 'WS2' has 1 sample, 3 are needed"):
        split.run(STUDY)
    assert not (workspace / "data/split.json").exists()


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("audit", {"order": "dat"}, "audit.order: the manifest has no column 'dat'"),
        ("audit", {"nuisance": ["operater"]}, "audit.nuisance: the manifest has no column 'operater'"),
        ("audit", {"folds": 90}, "audit.folds is 90, but there are 20 samples: set it to 20 at most"),
        ("latent", {"components": 31}, "latent.components 31 of 30 images: set it to 30 at most"),
        ("split", {"folds": 16}, "split.folds is 16, but there are 15 samples outside of the held-out test"),
    ],
)
def test_what_does_not_suit_the_data_stops_before_anything_trains(
    workspace: Path, section: str, change: dict[str, object], message: str
) -> None:
    ingest.run(STUDY)
    prepare.run(STUDY)
    content = read_params(workspace / "params.yaml")
    content[section] |= change
    YAML(typ="safe").dump(content, workspace / "params.yaml")
    with pytest.raises(UserError, match=message):
        split.run(STUDY)
