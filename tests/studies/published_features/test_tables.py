"""The published tables arrive whole from a folder or a server, and what is wrong is said."""

import hashlib
import pickle
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tmdscope.dataset.label import take_label
from tmdscope.dataset.splits import make_split
from tmdscope.errors import UserError
from tmdscope.files import read_json
from tmdscope.materials import MATERIALS
from tmdscope.studies.published_features import tables as published
from tmdscope.studies.published_features.params import FetchParams
from tmdscope.studies.published_features.tables import convert_pickle, fetch_tables, read_tables

COMMIT = "0" * 40
SAMPLES = ["13164", "7408", "7408", "0171"]
FORMULAE = ["WSe2", "Mo-WSe2", "Mo-WSe2", "MoS2"]
NOWHERE = FetchParams(base_url="http://127.0.0.1:9/authors", commit=COMMIT)


def _values(width):
    values = np.random.default_rng(width).normal(size=(len(SAMPLES), width)).astype(np.float32)
    values[2] = values[1]
    return values


@pytest.fixture
def authors(tmp_path, monkeypatch):
    """A repository like the authors', with narrow tables, and the hashes that belong to it."""
    root = tmp_path / "authors"
    for name, width in (("FEATURES", 4), ("EMBEDDINGS", 3)):
        source = getattr(published, name)
        table = pd.DataFrame(
            {"sampleId": SAMPLES, "targets": FORMULAE, "ImageNet": list(_values(width))}, dtype=object
        )
        table.columns = pd.Index(list(table.columns), dtype=object)
        content = pickle.dumps(table, protocol=5)
        path = root / COMMIT / source.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(published, name, replace(source, width=width, sha256=sha256))
    return root


@pytest.fixture
def server(authors):
    """The repository over HTTP on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(authors))) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield FetchParams(base_url=f"http://127.0.0.1:{listening.server_port}", commit=COMMIT)
        listening.shutdown()


@pytest.fixture
def tables(authors, tmp_path):
    """A folder with converted tables and descriptors."""
    folder = tmp_path / "tables"
    fetch_tables(NOWHERE, _pickles(authors), tmp_path / "cache", folder)
    _descriptors().to_csv(folder / published.DESCRIPTORS, index_label="row")
    return folder


def _pickles(authors: Path) -> Path:
    return (authors / COMMIT / published.FEATURES.path).parent


def _descriptors():
    keys = pd.DataFrame({"sample_id": SAMPLES, "label": FORMULAE})
    return keys.assign(local_variation=[0.1, 1.0, 0.5, 0.2], grain_density=[1.0, 0.0, 0.3, 0.3])


def test_download_is_converted_and_kept(server, authors, tmp_path):
    cache, target = tmp_path / "cache", tmp_path / "target"
    note = fetch_tables(server, None, cache, target)
    found = read_tables(target)
    np.testing.assert_array_equal(found.features, _values(4))
    np.testing.assert_array_equal(found.embeddings, _values(3))
    assert found.sample_ids == SAMPLES
    assert found.labels == FORMULAE
    assert found.cohort.targets.tolist() == [2, 4, 4, 0]
    assert found.cohort.image_ids.tolist() == ["0000", "0001", "0002", "0003"]
    assert found.cohort.distinct.tolist() == [True, True, False, True]
    assert found.descriptors is None
    assert "not available" in note["descriptors"]
    assert read_json(target / "source.json") == note
    again = fetch_tables(NOWHERE, None, cache, target)  # no server answers there: the cache does
    assert again["content"] == note["content"]


def test_wrong_hash_is_refused_and_leaves_the_old_tables(server, authors, tmp_path):
    target = tmp_path / "target"
    fetch_tables(server, None, tmp_path / "cache", target)
    path = authors / COMMIT / published.FEATURES.path
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match=published.FEATURES.sha256):
        fetch_tables(server, None, tmp_path / "other-cache", target)
    with pytest.raises(UserError, match="SHA-256"):
        fetch_tables(server, _pickles(authors), tmp_path / "cache", target)
    assert len(read_tables(target).sample_ids) == len(SAMPLES)


def test_absent_network_says_what_to_download_and_which_variable_to_set(authors, tmp_path):
    with pytest.raises(UserError) as caught:
        fetch_tables(NOWHERE, None, tmp_path / "cache", tmp_path / "target")
    message = str(caught.value)
    for source in (published.FEATURES, published.EMBEDDINGS):
        assert f"{NOWHERE.base_url}/{COMMIT}/{source.path}" in message
    assert published.FOLDER_VARIABLE in message
    assert not (tmp_path / "target").exists()


def test_missing_file_on_the_server_is_named(server, authors, tmp_path):
    (authors / COMMIT / published.EMBEDDINGS.path).unlink()
    with pytest.raises(UserError, match=rf"(?s){published.EMBEDDINGS.pickle}.*404"):
        fetch_tables(server, None, tmp_path / "cache", tmp_path / "target")


def test_folder_with_tables_brings_its_descriptors(tables, tmp_path):
    note = fetch_tables(NOWHERE, tables, tmp_path / "cache", tmp_path / "target")
    assert note["descriptors"] == ["local_variation", "grain_density"]
    found = read_tables(tmp_path / "target").descriptors
    pd.testing.assert_frame_equal(found, _descriptors()[["local_variation", "grain_density"]])


def test_folder_with_neither_tables_nor_pickles_is_refused(authors, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=rf"(?s){published.FEATURES.pickle}.*download these files by hand"):
        fetch_tables(NOWHERE, tmp_path / "empty", tmp_path / "cache", tmp_path / "target")


def test_pickle_of_something_else_is_refused(authors, tmp_path):
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps({"a": 1}, protocol=4))
    source = replace(published.FEATURES, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(UserError, match="no table with the columns"):
        convert_pickle(path, source)


def test_a_users_tables_may_call_the_class_material(tables):
    before = read_tables(tables)
    _descriptors().rename(columns={"label": "material"}).to_csv(tables / published.DESCRIPTORS, index=False)
    for source in (published.FEATURES, published.EMBEDDINGS):
        _edit(tables, source.table, lambda table: table.rename(columns={"label": "material"}))
    found = read_tables(tables)
    assert found.labels == before.labels
    assert found.descriptors is not None


def _edit(folder, name, change):
    table = pd.read_parquet(folder / name)
    change(table).to_parquet(folder / name, index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[::-1], "same order"),
        (lambda table: table.iloc[:3], "same order"),
        (lambda table: table.drop(columns="z001"), "must hold the columns"),
        (lambda table: table.assign(z001=np.float32(np.nan)), "not finite"),
        (lambda table: table.assign(z001=1.0), "float32"),
        (lambda table: table.assign(label="WSe3"), "'WSe2'"),
    ],
    ids=["reversed", "shorter", "column-missing", "nan", "float64", "unknown-material"],
)
def test_table_that_does_not_fit_is_refused(tables, change, message):
    _edit(tables, published.EMBEDDINGS.table, change)
    with pytest.raises(UserError, match=f"(?s){published.EMBEDDINGS.table}.*{message}"):
        read_tables(tables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[::-1], "same order"),
        (lambda table: table.assign(grain_density=7.0), "'grain_density' is not"),
        (lambda table: table.assign(grain_density="many"), "'grain_density' is not"),
        (lambda table: table[["sample_id", "label"]], "it has none"),
    ],
    ids=["reversed", "not-normalised", "text", "none"],
)
def test_descriptors_that_do_not_fit_are_refused(tables, change, message):
    change(_descriptors()).to_csv(tables / published.DESCRIPTORS, index=False)
    with pytest.raises(UserError, match=message):
        read_tables(tables)


def test_file_that_is_no_parquet_is_said_so(tables):
    (tables / published.FEATURES.table).write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match="is not Parquet"):
        read_tables(tables)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"a" + b",a" * 2000 + b"\n1\n", b'"' * 3 + b"\n"],
    ids=["empty", "no text", "wide", "quotes"],
)
def test_descriptors_that_are_no_table_are_said_so(tables, content):
    (tables / published.DESCRIPTORS).write_bytes(content)
    with pytest.raises(UserError, match=published.DESCRIPTORS):
        read_tables(tables)


def test_a_server_that_sends_too_much_is_told(server, authors, tmp_path, monkeypatch):
    monkeypatch.setattr("tmdscope.download.MAX_TEXT_BYTES", 100)
    with pytest.raises(UserError, match="100 at most are read"):
        fetch_tables(server, None, tmp_path / "cache", tmp_path / "target")


def test_missing_tables_name_the_stage(tmp_path):
    with pytest.raises(UserError, match="run the fetch stage"):
        read_tables(tmp_path)


@pytest.mark.realdata
def test_the_published_tables_hold_905_distinct_images_of_626_samples(published_dir):
    tables = read_tables(published_dir)
    assert (len(tables.sample_ids), int(tables.cohort.distinct.sum()), len(set(tables.sample_ids))) == (
        1026,
        905,
        626,
    )
    assert np.bincount(tables.cohort.targets).tolist() == [476, 182, 137, 129, 102]


@pytest.mark.realdata
@pytest.mark.parametrize(
    "source", [published.FEATURES, published.EMBEDDINGS], ids=lambda source: source.table
)
def test_the_authors_pickles_convert_bit_for_bit(published_dir, source):
    path = published_dir / "original" / source.pickle
    if not path.is_file():
        pytest.skip("the authors' pickles are not beside the published tables")
    expected = take_label(path, pd.read_parquet(published_dir / source.table))
    pd.testing.assert_frame_equal(convert_pickle(path, source), expected, check_exact=True)


@pytest.mark.realdata
def test_class_indices_in_the_papers_order_give_the_papers_test(published_dir):
    tables = read_tables(published_dir)
    split = make_split(tables.cohort.targets, tables.sample_ids, tables.cohort.image_ids.tolist(), 10, 5)
    test = tables.cohort.manifest.set_index("image_id").loc[list(split.test)]
    assert test["label"].value_counts().reindex(MATERIALS).tolist() == [47, 18, 13, 12, 14]
    assert test["sample_id"].nunique() == 62
    assert test["image_sha256"].nunique() == 91
    assert set(test.loc[test["label"] == "Mo-WSe2", "sample_id"]) == {"7424"}
