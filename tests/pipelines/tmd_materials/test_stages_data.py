"""The first three stages from params.yaml to a split, in a folder of their own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipelines.tmd_materials import ingest, prepare, split
from tmdscope.dataset.audit import audit_split
from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset
from tmdscope.params import read_params
from tmdscope.stage import UserError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small study of two materials; stages run from here."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, "simulated")
    return tmp_path


def write_params(folder: Path, source: str) -> None:
    content = read_params(ROOT / "params.yaml")
    content["data"] |= {"source": source, "classes": ["MoS2", "WS2"]}
    content["data"]["simulated"] |= {"images": 30, "samples": 20, "size_px": 32}
    content["prepare"]["size_px"] = 16
    content["split"] = {"test_folds": 4, "folds": 3}
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
        stage.main()
    dataset = Dataset.load(workspace / "data/prepared")
    assert dataset.images.shape == (30, 16, 16)
    audit = audit_split(dataset.manifest, Split.read(workspace / "data/split.json"))
    assert audit.problems == []
    counts = pd.read_csv(workspace / "data/split_counts.csv", index_col="material")
    pd.testing.assert_frame_equal(counts, audit.counts, check_dtype=False, check_index_type=False)
    printed = capsys.readouterr().out
    assert "30 simulated images of 20 samples" in printed
    assert "30 images of 16 x 16 px, 0 duplicates" in printed
    assert "fold2_val" in printed


def test_samples_that_share_an_image_stay_together(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(workspace, "folder")
    write_user_images(workspace, twins=(0, 5))
    for stage in (ingest, prepare, split):
        stage.main()
    assert "they share identical images: 05" in capsys.readouterr().out
    for name, part in Split.read(workspace / "data/split.json").parts.items():
        assert ("0.png" in part) == ("5.png" in part), name


def test_one_image_under_two_materials_is_warned_about(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(workspace, "folder")
    write_user_images(workspace, twins=(0, 9))
    for stage in (ingest, prepare, split):
        stage.main()
    assert "warning: image '0.png' occurs as MoS2 and WS2" in capsys.readouterr().out


def test_an_unsound_split_is_not_written(workspace: Path) -> None:
    ingest.main()
    prepare.main()
    dataset = Dataset.load(workspace / "data/prepared")
    lone = dataset.manifest.copy()
    lone["material"] = ["WS2" if number == 0 else "MoS2" for number in range(len(lone))]
    lone["sample_id"] = lone["image_id"]
    Dataset(np.array(dataset.images), lone).write(workspace / "data/prepared")
    with pytest.raises(UserError, match=r"_train has no image of WS2"):
        split.main()
    assert not (workspace / "data/split.json").exists()
    assert (workspace / "data/split_counts.csv").exists()
