"""What the sources leave in the raw folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.dataset.zenodo_site import TMD_AFM, authors_tiff, grey, publish
from tests.support.web import serve
from tmdscope.dataset import zenodo
from tmdscope.dataset.sources import NOTE, ingest
from tmdscope.dataset.store import HEIGHTS, MANIFEST, PICTURES, RAW_SCHEMA, read_manifest
from tmdscope.errors import UserError
from tmdscope.files import open_array, sha256_file
from tmdscope.params.images import DataParams


def data_params(source: str, folder: Path, **simulated: Any) -> DataParams:
    return DataParams.model_validate(
        {
            "source": source,
            "classes": ["MoS2", "WSe2"],
            "simulated": {
                "images": 14,
                "samples": 10,
                "size_px": 16,
                "frame_nm": 400.0,
                "seed": 3,
                **simulated,
            },
            "folder": {"path": str(folder), "manifest": "manifest.csv"},
            "archive": {"record": "tmd-afm", "files": "*"},
        }
    )


def test_simulated_scans_are_heights_with_their_truth(tmp_path: Path) -> None:
    manifest = ingest(data_params("simulated", tmp_path), tmp_path / "raw")
    heights = open_array(tmp_path / "raw" / HEIGHTS)
    assert heights.shape == (14, 16, 16)
    assert heights.dtype == np.float32
    assert manifest["sample_id"].nunique() == 10
    assert manifest["label"].value_counts().index.tolist() == ["MoS2", "WSe2"]
    assert (manifest["pixel_size_nm"] == 25.0).all()
    assert (manifest["source"] == "simulated").all()
    assert manifest.filter(like="true_").shape[1] > 0
    assert manifest["warnings"].isna().all()
    read = read_manifest(tmp_path / "raw" / MANIFEST, RAW_SCHEMA)
    assert read["image_id"].tolist() == manifest["image_id"].tolist()


def test_the_seed_decides_every_height(tmp_path: Path) -> None:
    seeds = {"first": 3, "again": 3, "other": 4}
    for name, seed in seeds.items():
        ingest(data_params("simulated", tmp_path, seed=seed), tmp_path / name)
    first, again, other = (sha256_file(tmp_path / name / HEIGHTS) for name in seeds)
    assert first == again != other


def test_a_folder_replaces_what_was_there(tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(user / f"{name}.png")
    (user / "manifest.csv").write_text("path,sample_id,material\na.png,1,MoS2\nb.png,2,WSe2\n")
    ingest(data_params("simulated", user), tmp_path / "raw")
    manifest = ingest(data_params("folder", user), tmp_path / "raw")
    assert manifest["image_id"].tolist() == ["a.png", "b.png"]
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [PICTURES, MANIFEST]


def test_an_archive_leaves_pictures_and_where_they_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(zenodo.FOLDER_VARIABLE, str(tmp_path / "cache"))
    pictures = {
        f"i{n}_{name}_x_{n}_test.tif": authors_tiff(grey(n)) for n, name in enumerate(["MoS2", "WSe2"])
    }
    with serve() as site:
        publish(site, TMD_AFM, pictures)
        monkeypatch.setenv(zenodo.SERVER_VARIABLE, site.url)
        ingest(data_params("archive", tmp_path), tmp_path / "raw")
    read = read_manifest(tmp_path / "raw" / MANIFEST, RAW_SCHEMA)
    assert read["image_id"].tolist() == list(pictures)
    assert read["paper_test"].tolist() == [True, True]
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [PICTURES, MANIFEST, NOTE]


def test_a_problem_leaves_what_was_there(tmp_path: Path) -> None:
    ingest(data_params("simulated", tmp_path), tmp_path / "raw")
    before = sha256_file(tmp_path / "raw" / HEIGHTS)
    with pytest.raises(UserError, match=r"manifest\.csv"):
        ingest(data_params("folder", tmp_path / "nowhere"), tmp_path / "raw")
    assert sha256_file(tmp_path / "raw" / HEIGHTS) == before
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
