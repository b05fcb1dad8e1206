"""Registered models whose files are edited, with a hash of their own, as whoever writes a store can."""

import io
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.tracking.programs import IMAGES, make_program
from tests.tracking.test_model_files import CONSTANTS, DESCRIBED, EXAMPLE, GRAPH, GRAPHS, META, WEIGHTS, Model

from benchmarks.hostile.cases import FOREIGN, MARK, Case, flips, put, shared
from benchmarks.hostile.pictures import WHOLE
from tmdscope.lifecycle.predict import predict_files
from tmdscope.tracking.check_model import check_model
from tmdscope.tracking.models import Program, load_program, log_program
from tmdscope.tracking.registry import FILES_SHA256
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import connect, open_study

Edit = Callable[[Model], object]
PROGRAM = "data/model.pt2"


def prepare(folder: Path) -> None:
    """Log a model in a store, and keep a copy of its files."""
    _store(folder)
    made = make_program(members=2)
    with start_run(open_study("made"), "made", {}) as run:
        uri = log_program(run.run_id, Program(made.ensemble, made.config, reference=IMAGES), "model")
    (found,) = (folder / "mlruns").rglob("MLmodel")
    shutil.copytree(found.parent, folder / "copy")
    (folder / "uri").write_text(f"{uri} {found.parent}")


def empty_store(folder: Path) -> None:
    """Make a store that may be copied: it names no folder."""
    _store(folder)
    connect(create=True).search_experiments()
    database = sqlite3.connect(folder / "mlruns" / "mlflow.db")
    with database:
        database.execute("update experiments set artifact_location = ''")
    database.close()


def _store(folder: Path) -> None:
    """Let a store lie in a folder; MLflow itself sets the variable."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["DVC_ROOT"] = str(folder)


def _make(edit: Edit, retag: bool = True) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _store(shared["model"])
        uri, place = (shared["model"] / "uri").read_text().split(" ", 1)
        shutil.rmtree(place)
        shutil.copytree(shared["model"] / "copy", place)
        model = Model(open_study("made"), Path(place), uri, folder / MARK)
        (folder / "home" / "uri").write_text(uri)
        tags = {FILES_SHA256: "0" * 64}
        model.store.client.set_logged_model_tags(uri.removeprefix("models:/"), tags)
        edit(model)
        if retag:
            model.retag()

    return make


def _load(folder: Path) -> Any:
    """Let promote try it, in this process so that the canary sees it, and let predict load it."""
    uri = (folder / "home" / "uri").read_text()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what it says goes to the process that started it, not to a person
    checked = check_model(uri)
    os.dup2(kept, 2)
    program = load_program(uri)
    return checked, program


def _wrong(found: Any) -> str | None:
    checked, program = found
    return None if checked.ok and program.config.members == 2 else f"{checked}"


def _case(told: str, edit: Edit, must: str = "refuse", retag: bool = True) -> Case:
    return Case(told, _make(edit, retag), _load, must, _wrong)


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _case("as it should be", lambda _: None, "take")
    for told, change in DESCRIBED.items():
        yield _case(f"MLmodel: {told}", lambda model, change=change: model.describe(change))
    for told, graph in GRAPHS.items():

        def draw(model: Model, graph: Any = graph) -> None:
            run = f"__import__('pathlib').Path({str(model.marker)!r}).touch()"
            model.json(GRAPH, lambda program: graph(program, run))

        yield _case(f"graph: {told}", draw)
    name = "backbones.0.network.conv1.weight"
    for told, meta in META.items():

        def weigh(model: Model, meta: Any = meta) -> None:
            model.json(WEIGHTS, lambda content: content["config"][name]["tensor_meta"].update(meta))

        yield _case(f"a tensor: {told}", weigh)
    for told, changes in {
        "a million networks": {"members": 1_000_000},
        "pictures of 10^9": {"size_px": 10**9},
        "2000 classes": {"classes": [f"c{number}" for number in range(2000)]},
        "a class with an escape": {"classes": ["a\x1b[2J", "b", "c"]},
        "no class": {"classes": []},
        "another network": {"architecture": "../../x"},
        "division by nothing": {"normalisation": {"mean": [0, 0, 0], "std": [0, 0, 0]}},
        "atoms of nothing": {"target": "multilabel", "atoms": []},
    }.items():
        yield _case(f"networks: {told}", lambda model, changes=changes: model.ensemble(**changes))
    yield from _programs()
    yield from _files()
    yield from _tags()


def _programs() -> Iterator[Case]:
    def record(where: str) -> Edit:
        def edit(model: Model) -> None:
            content = model.saved_pickle(model.marker.with_name("saved.pt"))
            model.repack(lambda records: records.update({where: content}))

        return edit

    for where in (
        "data/weights/model.pt",
        "data/constants/custom_obj_0",
        "extra/code.py",
        "../../outside",
        EXAMPLE,
    ):
        yield _case(f"a pickle as {where}", record(where))

    def legacy(model: Model) -> None:
        content = model.saved_pickle(model.marker.with_name("saved.pt"))

        def edit(records: dict[str, bytes]) -> None:
            records["data/weights/weight_0.pt"] = content
            config = json.loads(records[WEIGHTS])
            next(iter(config["config"].values())).update(path_name="weight_0.pt", use_pickle=True)
            records[WEIGHTS] = json.dumps(config).encode()

        model.repack(edit)

    yield _case("a weight that is a pickle", legacy)
    for config in (WEIGHTS, CONSTANTS):

        def ask(model: Model, config: str = config) -> None:
            model.json(config, lambda content: next(iter(content["config"].values())).update(use_pickle=True))

        yield _case(f"{config} asks for a pickle", ask)
    for told, content in (("lists without end", b"[" * 100_000), ("no UTF-8", b"\xff"), ("a number", b"3")):
        yield _case(
            f"weights described by {told}",
            lambda model, content=content: model.repack(lambda records: records.update({WEIGHTS: content})),
        )

    def bomb(model: Model) -> None:
        model.repack(lambda records: records.update({EXAMPLE: bytes(1 << 28)}), zipfile.ZIP_DEFLATED)

    yield _case("a bomb", bomb)

    def replaced(change: Callable[[bytes], bytes]) -> Edit:
        def edit(model: Model) -> None:
            path = model.folder / PROGRAM
            path.write_bytes(change(path.read_bytes()))

        return edit

    for told, foreign in FOREIGN.items():
        yield _case(f"a program that is {told}", replaced(lambda _, foreign=foreign: foreign))
    yield _case("half a program", replaced(lambda content: content[: len(content) // 2]))
    yield _case(
        "a program with something before", replaced(lambda content: b"#!/bin/sh\n" + content), "either"
    )
    yield _case("a program in the old form", lambda model: (model.folder / PROGRAM).write_bytes(model.pickle))
    for number in range(4):
        yield _case(
            f"turned bits in its directory, {number}",
            replaced(lambda content, number=number: list(flips(content, 4, len(content) - 3000))[number][1]),
            "either",
        )


def _files() -> Iterator[Case]:
    def code(model: Model) -> None:
        source = f"open({str(model.marker)!r}, 'w')\ndef _load_pyfunc(path): return None\n"
        put("code/loader.py", source)(model.folder)
        model.describe(DESCRIBED["loader"])

    def linked(model: Model) -> None:
        (model.folder / "requirements.txt").unlink()
        (model.folder / "requirements.txt").symlink_to("/dev/zero")

    def pipe(model: Model) -> None:
        (model.folder / "requirements.txt").unlink()
        os.mkfifo(model.folder / "requirements.txt")

    yield _case("code beside it", code)
    yield _case("a link to /dev/zero", linked, retag=False)
    yield _case("a pipe", pipe, retag=False)
    for name in (
        "python_model.pkl",
        ".hidden",
        "sitecustomize.py",
        "data/pickle_module_info.txt",
        "deep/er/file",
    ):
        yield _case(f"a file more: {name}", lambda model, name=name: put(name, b"x")(model.folder))
    for name in ("MLmodel", PROGRAM):
        yield _case(f"without {name}", lambda model, name=name: (model.folder / name).unlink())
    for told, text in {
        "a program": "!!python/object/apply:os.system ['touch EXECUTED']",
        "laughter": "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]",
        "lists without end": "[" * 100_000,
        "10 MB": "x: " + "y" * (10 << 20),
        "nothing": "",
    }.items():
        yield _case(
            f"MLmodel that is {told}", lambda model, text=text: (model.folder / "MLmodel").write_text(text)
        )
    reference = "extra_files/reference.safetensors"
    for told, content in (
        ("a head of 1 TB", (1 << 40).to_bytes(8, "little") + b"{}"),
        ("nothing", b""),
        ("zeros", bytes(4096)),
    ):
        yield _case(
            f"reference: {told}", lambda model, content=content: put(reference, content)(model.folder)
        )


def _tags() -> Iterator[Case]:
    def tag(value: str) -> Edit:
        def edit(model: Model) -> None:
            model.store.client.set_logged_model_tags(
                model.uri.removeprefix("models:/"), {FILES_SHA256: value}
            )

        return edit

    def forget(model: Model) -> None:
        model.store.client.delete_logged_model_tag(model.uri.removeprefix("models:/"), FILES_SHA256)

    yield _case("no hash", forget, retag=False)
    yield _case("another hash", tag("ab" * 32), retag=False)
    yield _case("a hash with an escape", tag("\x1b[2J"), retag=False)
    for uri in (
        "models:/none/1",
        "models:/none@production",
        "models:/../../etc",
        "file:///etc",
        "runs:/x/y",
        "",
        "models:/m-\x1b[2J",
    ):

        def door(folder: Path, uri: str = uri) -> Any:
            put("home/a.png", WHOLE["png"])(folder)
            return predict_files([folder / "home" / "a.png"], uri, "m", "json", None, io.StringIO())

        yield Case(f"called {uri!r}", _make(lambda _: None), door)
