"""Hostile models: honest ones, edited, with a hash of their own, as whoever writes a store can."""

import json
import pickle
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from tests.tracking.programs import IMAGES, make_program
from tmdscope.errors import UserError
from tmdscope.tracking.check_model import check_model
from tmdscope.tracking.contract import read_contract
from tmdscope.tracking.decisions import decide
from tmdscope.tracking.model_files import open_program
from tmdscope.tracking.models import Program, fetch_files, hash_files, load_program, log_program
from tmdscope.tracking.registry import FILES_SHA256, REVIEWED, pull_version, register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store
from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.classifier import Backbone, Ensemble, EnsembleConfig, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import make_target

WEIGHTS, CONSTANTS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
GRAPH, EXAMPLE = "models/model.json", "data/sample_inputs/model.pt"


class Model:
    """A logged model whose files are edited, and brought back afterwards."""

    def __init__(self, store: Store, folder: Path, uri: str, marker: Path) -> None:
        self.store, self.folder, self.uri, self.marker = store, folder, uri, marker

    @property
    def pickle(self) -> bytes:
        """A pickle that makes a file when it is loaded."""
        return pickle.dumps(_Touch(str(self.marker)))

    def saved_pickle(self, path: Path) -> bytes:
        """The same, as torch saves one."""
        torch.save(_Touch(str(self.marker)), path)
        return path.read_bytes()

    def describe(self, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edit MLmodel."""
        path = self.folder / "MLmodel"
        content = yaml.safe_load(path.read_text())
        edit(content)
        path.write_text(yaml.safe_dump(content))

    def ensemble(self, **changes: Any) -> None:
        """Edit what MLmodel says of the networks."""

        def edit(content: dict[str, Any]) -> None:
            said = json.loads(content["metadata"]["ensemble"])
            content["metadata"]["ensemble"] = json.dumps({**said, **changes})

        self.describe(edit)

    def repack(self, edit: Callable[[dict[str, bytes]], object], how: int = zipfile.ZIP_STORED) -> None:
        """Edit the records of the program."""
        path = self.folder / "data" / "model.pt2"
        with zipfile.ZipFile(path) as archive:
            records = {i.filename.removeprefix("model/"): archive.read(i) for i in archive.infolist()}
        edit(records)
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, content in records.items():
                archive.writestr(f"model/{name}", content)

    def json(self, record: str, edit: Callable[[Any], object]) -> None:
        """Edit a JSON record of the program."""

        def change(records: dict[str, bytes]) -> None:
            content = json.loads(records[record])
            edit(content)
            records[record] = json.dumps(content).encode()

        self.repack(change)

    def retag(self) -> None:
        """Make its hash that of its files."""
        tags = {FILES_SHA256: hash_files(self.folder)}
        self.store.client.set_logged_model_tags(self.uri.removeprefix("models:/"), tags)

    def expect_refused(self, told: str = "") -> None:
        """No way to load it does, and nothing of it was run."""
        self.retag()
        began = time.process_time()
        with pytest.raises(UserError, match=told):
            load_program(self.uri)
        assert not check_model(self.uri).ok
        assert time.process_time() - began < 10
        assert not self.marker.exists()


class _Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def honest(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    program = make_program(members=2)
    with start_run(store, "attacked", {}) as run:
        uri = log_program(run.run_id, Program(program.ensemble, program.config, reference=IMAGES), "model")
    folder = fetch_files(uri)
    return uri, folder, Path(shutil.copytree(folder, tmp_path_factory.mktemp("copy") / "model"))


@pytest.fixture
def model(store: Store, honest: tuple[str, Path, Path], tmp_path: Path) -> Iterator[Model]:
    uri, folder, copy = honest
    given = Model(store, folder, uri, tmp_path / "marker")
    given.retag()
    yield given
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


def test_an_honest_model_passes_at_little_cost(model: Model) -> None:
    began = time.process_time()
    with open_program(model.folder / "data" / "model.pt2") as program:
        assert time.process_time() - began < 2
        assert program.graph["graph_module"]["graph"]["nodes"]
    assert check_model(model.uri).ok


@pytest.mark.parametrize("target", ["multiclass", "multilabel", "ordinal"])
@pytest.mark.parametrize(
    ("architecture", "shared"),
    [
        ("resnet18", False),
        ("resnet50", True),
        ("efficientnet-lite0", False),
        ("timm:test_convnext", True),
        ("timm:convnextv2_atto", True),
        ("timm:mobilenetv3_small_050", True),
        ("timm:vit_tiny_patch16_224", True),
    ],
)
def test_every_kind_of_model_passes(store: Store, target: str, architecture: str, shared: bool) -> None:
    classes = ("MoS2", "WS2", "Mo-WSe2")
    made = make_target(target, classes)
    networks = [bare_backbone(architecture, size_px=32) for _ in range(1 if shared else 2)]
    backbones = [Backbone(network, GREY_NORMALISATION) for network in networks]
    heads = [Head(feature_count(architecture), made.outputs) for _ in range(2)]
    config = EnsembleConfig(architecture, target, classes, 32, 2, shared, GREY_NORMALISATION)
    ensemble = Ensemble(backbones, heads, made).eval()
    with start_run(store, "kind", {}) as run:
        uri = log_program(run.run_id, Program(ensemble, config, reference=IMAGES), "model")
    assert check_model(uri).ok
    with torch.inference_mode():
        images = torch.from_numpy(IMAGES)
        np.testing.assert_array_equal(load_program(uri).ensemble(images).numpy(), ensemble(images).numpy())


def test_a_weight_that_is_a_legacy_pickle_is_not_loaded(model: Model, tmp_path: Path) -> None:
    content = model.saved_pickle(tmp_path / "saved.pt")

    def edit(records: dict[str, bytes]) -> None:
        records["data/weights/weight_0.pt"] = content
        config = json.loads(records[WEIGHTS])
        next(iter(config["config"].values())).update(path_name="weight_0.pt", use_pickle=True)
        records[WEIGHTS] = json.dumps(config).encode()

    model.repack(edit)
    model.expect_refused("which no model has")


@pytest.mark.parametrize(
    "record",
    ["data/weights/model.pt", "data/constants/model.pt", "data/constants/custom_obj_0", "extra/code.py",
     "data/constants/opaque_obj_0", "data/aotinductor/model/run.so", "models/second.json", "../../outside"],
)  # fmt: skip
def test_records_that_no_model_has_are_refused(model: Model, tmp_path: Path, record: str) -> None:
    content = model.saved_pickle(tmp_path / "saved.pt")
    model.repack(lambda records: records.update({record: content}))
    model.expect_refused("which no model has")


@pytest.mark.parametrize("config", [WEIGHTS, CONSTANTS])
@pytest.mark.parametrize(
    "change", [{"use_pickle": True}, {"path_name": "opaque_obj_0"}, {"path_name": "../x"}]
)
def test_a_config_that_asks_for_a_pickle_is_refused(
    model: Model, config: str, change: dict[str, Any]
) -> None:
    model.json(config, lambda content: next(iter(content["config"].values())).update(change))
    model.expect_refused("may be a pickle")


def test_example_inputs_that_are_a_pickle_of_anything_are_refused(model: Model, tmp_path: Path) -> None:
    content = model.saved_pickle(tmp_path / "saved.pt")
    model.repack(lambda records: records.update({EXAMPLE: content}))
    model.expect_refused("pickle")
    model.repack(lambda records: records.update({EXAMPLE: model.pickle}))
    model.expect_refused("pickle")


def _graph(program: Any) -> dict[str, Any]:
    graph: dict[str, Any] = program["graph_module"]["graph"]
    return graph


def _node(program: Any) -> dict[str, Any]:
    node: dict[str, Any] = _graph(program)["nodes"][0]
    return node


def _size(program: Any) -> dict[str, Any]:
    values = _graph(program)["tensor_values"]
    (first,) = [size for size in values["images"]["sizes"] if "as_expr" in size]
    expression: dict[str, Any] = first["as_expr"]
    return expression


GRAPHS: dict[str, Callable[[Any, str], object]] = {
    "expression": lambda p, run: _size(p).update(expr_str=run),
    "expression with power": lambda p, run: _size(p).update(expr_str="Pow(Integer(9), Integer(999999999))"),
    "guard": lambda p, run: p.update(guards_code=[run]),
    "operator": lambda p, run: _node(p).update(target="torch.ops.aten.from_file.out"),
    "function": lambda p, run: _node(p).update(target="torch.load"),
    "name": lambda p, run: _graph(p)["nodes"][1].update(name=f"x = {run}\n"),
    "argument": lambda p, run: p["graph_module"]["module_call_graph"][0]["signature"].update(
        forward_arg_names=[f"images={run}"]
    ),
    "type": lambda p, run: p["graph_module"]["module_call_graph"][0]["signature"].update(
        in_spec='[1, {"type": "collections.namedtuple", "context": "os.system", "children_spec": []}]'
    ),
    "text": lambda p, run: _node(p)["inputs"][0].update(arg={"as_string": run}),
    "object": lambda p, run: _graph(p).update(custom_obj_values={"a": {"class_fqn": run}}),
    "device": lambda p, run: _graph(p)["tensor_values"]["images"]["device"].update(type="cuda"),
    "no graph": lambda p, run: p["graph_module"].update(graph=[]),
    "nodes of another type": lambda p, run: _graph(p).update(nodes=[3]),
}  # fmt: skip


@pytest.mark.parametrize("edit", GRAPHS.values(), ids=GRAPHS)
def test_a_graph_that_runs_anything_is_refused(model: Model, edit: Callable[[Any, str], object]) -> None:
    run = f"__import__('pathlib').Path({str(model.marker)!r}).touch()"
    model.json(GRAPH, lambda program: edit(program, run))
    model.expect_refused("is not loaded")


def test_deep_and_broken_json_are_refused(model: Model) -> None:
    for content in (b"[" * 100_000, b"{", b"\xff", b"3", b'{"config": {"a": 3}}'):
        model.repack(lambda records, content=content: records.update({WEIGHTS: content}))  # type: ignore[misc]
        model.expect_refused("is not loaded")


DESCRIBED: dict[str, Callable[[dict[str, Any]], object]] = {
    "loader": lambda m: m["flavors"]["python_function"].update(loader_module="loader", code="code"),
    "loader alone": lambda m: m["flavors"]["python_function"].update(loader_module="os"),
    "code": lambda m: m["flavors"]["pytorch"].update(code="code"),
    "model's code": lambda m: m["flavors"]["python_function"].update(model_code_path="code.py"),
    "python model": lambda m: m["flavors"]["python_function"].update(python_model="python_model.pkl"),
    "another flavour": lambda m: m["flavors"].update(sklearn={"pickled_model": "model.pkl"}),
    "outside": lambda m: m["flavors"]["pytorch"].update(model_data="../../.."),
    "a device": lambda m: m["flavors"]["python_function"].update(config={"device": "cuda"}),
    "a key": lambda m: m.update(resources={"api": "1"}),
    "prompts": lambda m: m.update(prompts=["prompts:/a/1"]),
    "no flavours": lambda m: m.pop("flavors"),
    "a list": lambda m: m.update(metadata=[1]),
    "numbers": lambda m: m["metadata"].update(classes=[1, 2, 3]),
    "other classes": lambda m: m["metadata"].update(classes=["a", "b", "c"]),
    "no scale": lambda m: m["metadata"].update(scale='{"frame_nm": 3}'),
    "no preparation": lambda m: m["metadata"].update(prepare='{"size_px": 1000000000}'),
}


@pytest.mark.parametrize("edit", DESCRIBED.values(), ids=DESCRIBED)
def test_an_mlmodel_that_says_anything_else_is_refused(
    model: Model, edit: Callable[[dict[str, Any]], object]
) -> None:
    model.describe(edit)
    model.retag()
    with pytest.raises(UserError, match="is not loaded"):
        load_program(model.uri)


def test_code_beside_a_model_is_never_imported(model: Model) -> None:
    (model.folder / "code").mkdir()
    source = f"open({str(model.marker)!r}, 'w')\ndef _load_pyfunc(path): return None\n"
    (model.folder / "code" / "loader.py").write_text(source)
    model.describe(DESCRIBED["loader"])
    model.expect_refused("no file that belongs to a model")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        *("a: &a [1]\nb: *a", "[" * 100_000, "- a\n" * 30_000, "flavors: {", "3", "\x00", "a: 1\na: 2"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_that_is_more_than_text_is_refused(model: Model, text: str) -> None:
    (model.folder / "MLmodel").write_text(text)
    model.expect_refused("is not loaded")


@pytest.mark.parametrize(
    "changes",
    [
        {"members": 1_000_000}, {"members": -1}, {"members": "2"}, {"members": 3}, {"size_px": 10**9},
        {"classes": [f"c{i}" for i in range(2000)]}, {"classes": ["a", "a", "b"]},
        {"classes": ["a\x1b[2J", "b", "c"]},
        {"classes": []}, {"architecture": "vit_l_32"}, {"target": "other"}, {"shared_backbone": False},
        {"trained": ["x"]}, {"normalisation": {"mean": [0, 0, 0], "std": [0, 0, 0]}}, {"normalisation": 3},
        {"unknown": 1}, {"target": "multilabel", "classes": ["MoS2", "WS2", "nothing"]},
    ],
    ids=lambda changes: str(changes)[:40],
)  # fmt: skip
def test_networks_that_the_file_does_not_hold_are_never_built(model: Model, changes: dict[str, Any]) -> None:
    model.ensemble(**changes)
    if "classes" in changes:
        model.describe(lambda content: content["metadata"].pop("classes"))
    model.retag()
    began = time.process_time()
    with pytest.raises(UserError, match="is not loaded"):
        load_program(model.uri)
    assert time.process_time() - began < 5


META: dict[str, dict[str, Any]] = {
    "sizes": {"sizes": [{"as_int": 10**9}] * 4},
    "strides": {"strides": [{"as_int": 10**6}] * 4},
    "negative": {"strides": [{"as_int": -1}] * 4},
    "offset": {"storage_offset": {"as_int": 10**6}},
    "type": {"dtype": 5},
    "no number": {"storage_offset": {"as_expr": {"expr_str": "Integer(1)"}}},
}


@pytest.mark.parametrize("change", META.values(), ids=META)
def test_a_tensor_of_another_form_than_its_record_is_refused(model: Model, change: dict[str, Any]) -> None:
    name = "backbones.0.network.conv1.weight"
    model.json(WEIGHTS, lambda content: content["config"][name]["tensor_meta"].update(change))
    model.expect_refused("tensor")


def test_bombs_are_refused(model: Model) -> None:
    model.repack(lambda records: records.update({EXAMPLE: bytes(1 << 26)}), zipfile.ZIP_DEFLATED)
    model.expect_refused("packed or encrypted")
    model.repack(lambda records: records.update({EXAMPLE: bytes(1 << 26)}))
    model.expect_refused("bytes")


def test_two_records_of_one_name_and_a_damaged_end_are_refused(model: Model) -> None:
    path = model.folder / "data" / "model.pt2"
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"model/{GRAPH}", b"{}")
    model.expect_refused("two records of one name")
    path.write_bytes(path.read_bytes()[:-30])
    model.expect_refused("no archive")
    end = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 9, 9, 1 << 30, 0, 0)
    path.write_bytes(path.read_bytes() + end)
    model.expect_refused("lists too many")


def test_links_and_pipes_are_no_files_of_a_model(model: Model, tmp_path: Path) -> None:
    path = model.folder / "requirements.txt"
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"requirements\.txt"):
        load_program(model.uri)
    assert "requirements.txt" in str(check_model(model.uri).files)


def test_reference_predictions_of_another_version_are_refused(model: Model) -> None:
    stored = {"images": IMAGES, "probabilities": np.zeros((3, 3), np.float32)}
    save_file(stored, model.folder / "extra_files" / "reference.safetensors", {"version": "2"})
    model.expect_refused("is of version '2', '1' is read")


def test_what_lies_beside_must_be_of_the_models_own_size(model: Model) -> None:
    path = model.folder / "extra_files" / "reference.safetensors"
    save_file(
        {"images": np.zeros((2, 64, 64), np.uint8), "probabilities": np.zeros((2, 3), np.float32)}, path
    )
    model.expect_refused("it holds images")
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    model.expect_refused("damaged")
    path.unlink()
    other = model.folder / "extra_files" / "reliability.safetensors"
    save_file(
        {"gaussians.means.0": np.zeros((1, 1))}, other, {"form": "1", "members": "9" * 30, "samples": "1"}
    )
    model.retag()
    with pytest.raises(UserError, match="is not loaded"):
        load_program(model.uri)


def test_a_hash_from_outside_is_believed_before_the_store(model: Model) -> None:
    sha256 = hash_files(model.folder)
    assert load_program(model.uri, sha256.upper()).config.members == 2
    with pytest.raises(UserError, match="was asked for"):
        load_program(model.uri, "ab" * 32)
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        load_program(model.uri, sha256[:12])


def test_files_changed_with_their_tags_are_not_those_of_the_decision(store: Store, model: Model) -> None:
    client, sha256 = store.client, hash_files(model.folder)
    version = register(client, "pinned", model.uri, "0" * 32, {FILES_SHA256: sha256})
    with decide(store, "pinned 1", {"by": "A", "at": "today", FILES_SHA256: sha256}) as run:
        client.set_registered_model_tag("pinned", REVIEWED, f"{version.number}@{run.run_id}")
    assert load_program(version.uri).config.members == 2
    (model.folder / "requirements.txt").write_text("other\n")
    client.set_model_version_tag("pinned", "1", FILES_SHA256, hash_files(model.folder))
    with pytest.raises(UserError, match=r"changed after it was made production.*by A, today"):
        load_program(version.uri)
    assert pull_version(client, "pinned", 1).tags[FILES_SHA256] != sha256
    assert read_contract(version).classes == make_program(2).config.classes


def test_a_process_that_takes_too_much_is_ended() -> None:
    program = (
        "import tmdscope.tracking.check_model as m\nm.LOADING_MEMORY_BYTES = 1 << 30\n"
        "m._limit_process()\nbytearray(1 << 31)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
