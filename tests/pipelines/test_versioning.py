"""Versions of the data: docs/versioning.md done word for word, and the hashes that name one data set."""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from mlflow.entities import Run
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML

from tests.pipelines.conftest import CROSSVALIDATED, ROOT, SEARCHED, TUNED, Clone
from tmdscope.dataset.store import (
    MANIFEST,
    RAW_SCHEMA,
    Dataset,
    digest_of,
    read_manifest,
    write_manifest,
)
from tmdscope.files import read_json, sha256_array, sha256_file
from tmdscope.tracking.provenance import provenance
from tmdscope.tracking.runs import DataUse, start_run
from tmdscope.tracking.store import open_study

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "versioning.md").read_text()
GUIDE = {block.splitlines()[0]: block for block in re.findall(r"(?ms)^```sh\n# (.*?)^```$", PAGE)}
"""The guide's commands, by the comment that heads each block."""

GIT_URL, FOLDER, ENDPOINT = (
    "git@example.org:group/tmdscope.git",
    "/mnt/group/tmdscope",
    "https://minio.example.org",
)
"""Names in the guide that stand for places of the reader's own."""
IDENTITY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "t"), ("EMAIL", "t@t"))
}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "no-such-file",
    "AWS_SHARED_CREDENTIALS_FILE": "no-such-file",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}
UP_TO_DATE = "Data and pipelines are up to date."


@dataclass(frozen=True)
class Group:
    """People who share a project: the copy that has the data, and what the guide's names mean here."""

    mine: Clone
    names: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def hub(self) -> Path:
        """The repository that everyone pushes to and clones from."""
        return Path(self.names[GIT_URL])

    def follow(self, title: str, folder: Path, fails: bool = False) -> str:
        """Run a block of the guide in a folder, up to the first command that fails; what it printed."""
        script = GUIDE[title].removeprefix(title)
        for written, meant in self.names.items():
            script = script.replace(written, meant)
        shell = Clone(folder, self.mine.reads)
        done = shell.run("bash", "-ec", script, check=not fails, **IDENTITY, **self.variables)
        assert (done.returncode != 0) is fails
        return done.stdout + done.stderr

    def colleague(self, folder: Path) -> Clone:
        """A colleague's clone in a folder, without data."""
        root = folder / self.hub.stem
        self.mine.run("git", "clone", "-q", str(self.hub), str(root))
        return Clone(root, self.mine.reads)


def group_around(study: Clone, folder: Path) -> Group:
    """Copy the study as committed, with DVC's cache, and give it a repository to push to."""
    mine, hub = Clone(folder / "mine", folder / "reads"), folder / "tmdscope.git"
    mine.reads.mkdir(parents=True)
    study.run("git", "clone", "-q", "--bare", str(study.root), str(hub))
    study.run("git", "clone", "-q", str(hub), str(mine.root))
    shutil.copytree(study.root / ".dvc" / "cache", mine.root / ".dvc" / "cache")
    mine.run("dvc", "checkout", "dvc.yaml")
    return Group(mine, {GIT_URL: str(hub), FOLDER: str(folder / "remote")})


@pytest.fixture(scope="module")
def first(study: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Version v1 lies in a folder for all."""
    folder = tmp_path_factory.mktemp("first")
    group = group_around(study, folder)
    group.follow("Once, whoever has the data", group.mine.root)
    yield group
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def second(first: Group, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """A colleague has published v2 on top of v1; the repository of `first` stays as it was."""
    folder = tmp_path_factory.mktemp("second")
    hub = folder / "tmdscope.git"
    shutil.copytree(first.hub, hub)
    group = replace(first, names={**first.names, GIT_URL: str(hub)})
    group.follow("The colleague", folder)
    newer = Clone(folder / "tmdscope", first.mine.reads)
    newer.edit({"prepare.size_px": 24, "split.folds": 3, "sequential.volumes": ["full"]})
    group.follow("A new version", newer.root)
    yield replace(group, mine=newer)
    shutil.rmtree(folder)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """Address of a store on this machine that speaks S3, with an empty bucket `tmdscope`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    caplog.set_level(logging.WARNING, "werkzeug")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urlopen(Request(f"{url}/tmdscope", method="PUT")).close()
    yield url
    server.stop()


def contents(root: Path) -> dict[str, str]:
    """SHA-256 of every file of data and reports."""
    found = (path for name in ("data", "reports") for path in (root / name).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in found}


def dvc_md5(path: Path) -> str:
    """DVC's rule: MD5 of a file's bytes; of a folder, that of the JSON list of its files, by path."""
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    files = sorted((item.relative_to(path).as_posix(), item) for item in path.rglob("*") if item.is_file())
    listed = [{"md5": dvc_md5(item), "relpath": name} for name, item in files]
    return hashlib.md5(json.dumps(listed).encode()).hexdigest() + ".dir"


def locked(root: Path) -> dict[tuple[str, str], str]:
    """Hashes in dvc.lock: by stage and path."""
    stages: dict[str, Any] = YAML(typ="safe").load(root / "dvc.lock")["stages"]
    return {
        (name, entry["path"]): entry["md5"]
        for name, stage in stages.items()
        for entry in (*stage.get("deps", []), *stage["outs"])
    }


def data_hashes(run: Run) -> tuple[str, str]:
    """The run's tag, and the digest of its only input."""
    (used,) = run.inputs.dataset_inputs
    assert json.loads(used.dataset.source) == {"source": "data/prepared"}
    return run.data.tags["data.sha256"], used.dataset.digest


def test_every_block_of_the_guide_is_run() -> None:
    assert len(GUIDE) == PAGE.count("```sh\n")
    here = Path(__file__).read_text()
    assert [title for title in GUIDE if f'follow("{title}", ' not in here] == []


@pytest.mark.parametrize("name", CROSSVALIDATED)
def test_the_hashes_of_a_run_and_of_its_files_agree(study: Clone, name: str) -> None:
    lock = locked(study.root)
    for path in ("data/prepared", "data/split.json", f"data/experiments/{name}"):
        made = dvc_md5(study.root / path)
        assert {value for (_, locked_path), value in lock.items() if locked_path == path} == {made}
    stage = f"tuned@{SEARCHED}" if name == TUNED else f"crossval@{name}"
    assert (stage, "data/prepared") in lock
    dataset = Dataset.load(study.root / "data" / "prepared")
    pixels = [sha256_array(image) for image in dataset.images]
    digest = digest_of(dataset.manifest.assign(image_sha256=pixels))
    assert digest == dataset.digest
    assert digest == read_json(study.root / "reports" / "metrics.json")["data"]["sha256"]
    record = read_json(study.root / "data" / "experiments" / name / "run.json")
    runs = [study.client.get_run(run_id) for run_id in (record["run_id"], *record["fold_run_ids"])]
    assert {data_hashes(run) for run in runs} == {(digest, digest[:32])}


def test_one_changed_image_changes_every_hash(
    study: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = group_around(study, tmp_path).mine
    heights = np.load(copy.root / "data" / "raw" / "heights.npy", mmap_mode="r+")
    heights[7, 3, 4] += 5
    heights.flush()
    raw = copy.root / "data" / "raw" / MANIFEST
    manifest = read_manifest(raw, RAW_SCHEMA)
    manifest.loc[7, "source_sha256"] = sha256_array(heights[7])
    write_manifest(raw, manifest, RAW_SCHEMA)
    copy.run("dvc", "commit", "--force", "ingest")
    copy.run("dvc", "repro", "prepare")
    before, after = (Dataset.load(root / "data" / "prepared") for root in (study.root, copy.root))
    differs = before.manifest.image_sha256 != after.manifest.image_sha256
    assert np.flatnonzero(differs).tolist() == [7]
    made = "prepare", "data/prepared"
    assert locked(copy.root)[made] == dvc_md5(copy.root / "data" / "prepared")
    assert locked(copy.root)[made] != locked(study.root)[made]
    assert before.digest != after.digest
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    first, second = (logged(dataset) for dataset in (before, after))
    assert first == (before.digest, before.digest[:32])
    assert second == (after.digest, after.digest[:32])
    assert first[1] != second[1]


def logged(dataset: Dataset) -> tuple[str, str]:
    """Hashes of a run that uses the data set as stage `crossval` does, without training."""
    study = open_study("tmd-materials")
    data = DataUse(study.name, dataset.digest, "data/prepared", len(dataset.images), "crossval")
    with start_run(study, "none", provenance(study.name, dataset.digest, {}), data=data) as run:
        pass
    return data_hashes(study.client.get_run(run.run_id))


def test_a_further_column_is_other_files_but_the_same_data(study: Clone, tmp_path: Path) -> None:
    plain = Dataset.load(study.root / "data" / "prepared")
    Dataset(plain.images, plain.manifest.assign(remark="none")).write(tmp_path / "prepared")
    assert dvc_md5(tmp_path / "prepared") != dvc_md5(study.root / "data" / "prepared")
    assert Dataset.load(tmp_path / "prepared").digest == plain.digest


def test_a_copied_project_takes_its_runs_along(study: Clone, tmp_path: Path) -> None:
    group = group_around(study, tmp_path)
    shutil.copytree(study.root / "mlruns", group.mine.root / "mlruns")
    refused = group.mine.tmdscope("models", check=False)
    assert refused.returncode == 1
    assert str(study.root) in refused.stderr
    group.follow("In the project, where it lies now", group.mine.root)
    assert "best" in group.mine.tmdscope("models").stdout


def test_the_guide_prints_both_hashes(first: Group) -> None:
    md5, digest = first.follow("Both, of this project", first.mine.root).split()
    made = dvc_md5(first.mine.root / "data" / "prepared")
    assert Path(md5) == Path(first.names[FOLDER], "files", "md5", made[:2], made[2:])
    assert Path(md5).is_file()
    assert digest == Dataset.load(first.mine.root / "data" / "prepared").digest


def test_a_colleague_gets_the_same_files_and_has_nothing_to_run(first: Group, tmp_path: Path) -> None:
    assert UP_TO_DATE in first.follow("The colleague", tmp_path)
    theirs = Clone(tmp_path / "tmdscope", first.mine.reads)
    assert contents(theirs.root) == contents(first.mine.root)
    assert "Running stage" not in theirs.run("dvc", "repro").stdout
    assert "in sync" in theirs.run("dvc", "status", "--cloud", "dvc.yaml").stdout
    assert theirs.run("git", "status", "--porcelain").stdout == ""


def test_parts_come_alone(first: Group, tmp_path: Path) -> None:
    theirs = first.colleague(tmp_path)
    there_before = contents(theirs.root)
    first.follow("Images and split only", theirs.root)
    came = {name: value for name, value in contents(theirs.root).items() if name not in there_before}
    assert set(came) == {"data/prepared/images.npy", "data/prepared/manifest.parquet", "data/split.json"}
    assert came.items() <= contents(first.mine.root).items()


def test_a_colleague_follows_to_the_new_version(first: Group, second: Group, tmp_path: Path) -> None:
    first.follow("The colleague", tmp_path)
    theirs = Clone(tmp_path / "tmdscope", first.mine.reads)
    theirs.run("git", "remote", "set-url", "origin", str(second.hub))
    second.follow("The colleague, later", theirs.root)
    assert contents(theirs.root) == contents(second.mine.root)
    assert Dataset.load(theirs.root / "data" / "prepared").images.shape[1:] == (24, 24)


def test_a_remote_that_lacks_the_data_is_said_and_mended(study: Clone, tmp_path: Path) -> None:
    group = group_around(study, tmp_path / "group")
    group.mine.run("dvc", "remote", "add", "--default", "group", group.names[FOLDER])
    group.mine.commit("Remote")
    group.mine.run("git", "push", "-q", "origin", "main")
    said = group.follow("The colleague", tmp_path, fails=True)
    assert re.search(r"failed to pull data from the cloud.*^data/prepared$", said, re.DOTALL | re.MULTILINE)
    theirs = Clone(tmp_path / "tmdscope", group.mine.reads)
    assert not (theirs.root / "data" / "prepared").exists()
    group.mine.run("dvc", "push", "dvc.yaml")
    theirs.run("dvc", "pull", "dvc.yaml")
    assert contents(theirs.root) == contents(group.mine.root)


def test_old_outputs_without_a_clone(first: Group, second: Group, tmp_path: Path) -> None:
    second.follow("Two outputs as they were", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prepared-v1", "split-v1.json"]
    for new, old in (("split-v1.json", "split.json"), ("prepared-v1", "prepared")):
        assert dvc_md5(tmp_path / new) == dvc_md5(first.mine.root / "data" / old)
        assert dvc_md5(tmp_path / new) != dvc_md5(second.mine.root / "data" / old)


def test_compare_versions_go_back_and_return(first: Group, second: Group, tmp_path: Path) -> None:
    theirs = second.colleague(tmp_path)
    theirs.run("dvc", "pull", "dvc.yaml")
    second.follow("Go back", theirs.root)
    assert contents(theirs.root) == contents(first.mine.root)
    assert UP_TO_DATE in theirs.run("dvc", "status", "dvc.yaml").stdout
    second.follow("And return", theirs.root)
    assert contents(theirs.root) == contents(second.mine.root)
    said = second.follow("Compare", theirs.root)
    assert re.findall(r"data/\S+", said) == [
        "data/prepared/",
        "data/prepared/images.npy",
        "data/prepared/manifest.parquet",
        "data/split.json",
        "data/split_counts.csv",
    ]


def test_from_a_run_to_its_images(study: Clone, first: Group, second: Group) -> None:
    record = read_json(study.root / "data" / "experiments" / "features-multiclass" / "run.json")
    digest = study.client.get_run(record["run_id"]).data.tags["data.sha256"]
    group = replace(second, names={**second.names, "0123456789abcdef": digest})
    folder = second.mine.root
    group.follow("The data of a run", folder)
    assert Dataset.load(folder / "prepared-of-run").digest == digest
    assert Dataset.load(folder / "data" / "prepared").digest != digest
    shutil.rmtree(folder / "prepared-of-run")


def test_a_bucket_serves_as_well(study: Clone, bucket: str, tmp_path: Path) -> None:
    alone = group_around(study, tmp_path)
    group = replace(alone, names={**alone.names, ENDPOINT: bucket}, variables=CREDENTIALS)
    group.follow("Once, whoever has the data, to a bucket that exists", group.mine.root)
    assert bucket not in group.mine.run("git", "show", "HEAD:.dvc/config").stdout
    group.follow("The colleague, from the bucket", tmp_path)
    theirs = Clone(tmp_path / "tmdscope", group.mine.reads)
    assert contents(theirs.root) == contents(group.mine.root)
    assert UP_TO_DATE in theirs.run("dvc", "status", "dvc.yaml").stdout
    group.follow("The same, from the bucket", tmp_path)
    assert sha256_file(tmp_path / "split.json") == sha256_file(theirs.root / "data" / "split.json")
