"""Processor time and memory of every verb against the number of images: shows what grows faster than they do.

A project of made images (five classes, two images of a sample on average) is written as stage `prepare`
leaves it, and the study's own verbs run in it, each in a process of its own. Verbs whose rate does not depend
on the number are left out above `SEEN` images, and frozen features are then drawn at random, not those of a
ResNet18. The scores mean nothing. ``TMDSCOPE_BENCH_IMAGES`` sets the sizes, such as ``1000,100000``,
``TMDSCOPE_BENCH_SEEN`` and ``TMDSCOPE_BENCH_PX`` `SEEN` and the pixels of a side;
`python -m benchmarks.scale SIZE ...` prints each line when it is known, and
`python -m benchmarks.scale draw LINES.jsonl` draws such lines as an SVG beside them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.peak import memory_kb
from tmdscope.dataset.store import HEIGHTS, IMAGES, MANIFEST, RAW_SCHEMA, SCHEMA, write_manifest
from tmdscope.files import sha256_array, write_array
from tmdscope.layout import MAIN
from tmdscope.materials import MATERIALS

NAME = "scale"
SIZES = tuple(int(size) for size in os.environ.get("TMDSCOPE_BENCH_IMAGES", "200,500").split(","))
SEEN = int(os.environ.get("TMDSCOPE_BENCH_SEEN", "200"))
"""Images that are levelled, seen by a network, described and predicted at most."""

SIZE_PX = int(os.environ.get("TMDSCOPE_BENCH_PX", "64"))
EPOCHS, BATCH, WIDTH = 2, 256, 512
_EXPERIMENT = "features"
_BACKBONE: dict[str, Any] = {"architecture": "resnet18", "weights": "none"}
_CHUNK = 4096


def report() -> dict[str, Any]:
    """Measure every verb at every size of `SIZES`.

    Returns
    -------
    dict
        ``verbs``: for each size and verb, what `measure` found.
    """
    return {"benchmark": NAME, "verbs": [line for size in SIZES for line in measure(size)]}


def measure(count: int, folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Make a project and run its verbs, one after another.

    Parameters
    ----------
    count : int
        Images.
    folder : pathlib.Path, optional
        Where the project is left; else it is deleted.

    Yields
    ------
    dict
        ``images``, ``verb``, ``cpu_s`` of all its processes, ``cpu_s_per_1000`` images, ``peak_mb``, the
        largest memory of the one that was started, pages of mapped files included, and ``own_mb``, that
        without them.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary)
        make_project(root, count)
        for verb, command in verbs(count):
            yield {"images": count, "verb": verb, **run(command, root, count)}


def verbs(count: int) -> Iterator[tuple[str, list[str]]]:
    """List what is run, in order, and how.

    Parameters
    ----------
    count : int
        Images.

    Yields
    ------
    tuple of str and list of str
        Name and command.
    """
    few = count <= SEEN
    stage, own = ("-m", "tmdscope.studies", "tmd_materials"), ("-m", "benchmarks.scale")
    if few:
        yield "prepare", [*stage, "prepare"]
    yield "split", [*stage, "split"]
    yield ("features", [*stage, "features"]) if few else ("features, drawn", [*own, "features"])
    yield "crossval", [*stage, "crossval", _EXPERIMENT]
    yield "audit", [*stage, "audit"]
    if few:
        yield "describe", [*stage, "describe"]
        yield "predict", [*own, "predict"]


def run(command: Sequence[str], root: Path, count: int) -> dict[str, float]:
    """Run a command in a project and watch its memory.

    Parameters
    ----------
    command : sequence of str
        For Python.
    root : pathlib.Path
        The project.
    count : int
        Images.

    Returns
    -------
    dict
        See `measure`.

    Raises
    ------
    RuntimeError
        It failed.
    """
    here = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{here / 'src'}:{here}", "MLFLOW_TRACKING_URI": ""}
    environment["OMP_NUM_THREADS"] = "1"  # waiting for a second thread would count as processor time
    with (root / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        peak_kb = own_kb = 0
        while True:
            peak_kb = max(peak_kb, memory_kb(process.pid))
            own_kb = max(own_kb, memory_kb(process.pid, "RssAnon"))
            number, status, used = os.wait4(process.pid, os.WNOHANG)
            if number:
                break
            time.sleep(0.2)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: {(root / 'log.txt').read_text(encoding='utf-8')[-4000:]}")
    seconds = used.ru_utime + used.ru_stime
    return {
        "cpu_s": round(seconds, 2),
        "cpu_s_per_1000": round(1000 * seconds / count, 3),
        "peak_mb": round(peak_kb / 2**10),
        "own_mb": round(own_kb / 2**10),
    }


def make_project(root: Path, count: int) -> None:
    """Write settings, raw and prepared images.

    Parameters
    ----------
    root : pathlib.Path
        The project.
    count : int
        Images.
    """
    (root / "params.yaml").write_text(_settings(), encoding="utf-8")
    rng = np.random.default_rng(1)
    samples = np.sort(rng.integers(0, max(50, count // 2), count))
    labels = np.asarray(MATERIALS, dtype=object)[samples % len(MATERIALS)]
    raw, prepared = root / MAIN.raw, root / MAIN.prepared
    raw.mkdir(parents=True)
    prepared.mkdir(parents=True)
    hashes: list[str] = []
    shape = (count, SIZE_PX, SIZE_PX)
    write_array(prepared / IMAGES, _images(samples % len(MATERIALS), hashes), shape, np.uint8)
    manifest = pd.DataFrame(
        {
            "image_id": [f"{number:07d}" for number in range(count)],
            "sample_id": [f"S{sample:06d}" for sample in samples],
            "label": labels,
            "pixel_size_nm": 10.0,
            "source": "simulated",
            "source_sha256": hashes,
        }
    )
    whole = manifest.assign(image_sha256=hashes, duplicate_of=pd.Series([None] * count, dtype=str))
    write_manifest(prepared / MANIFEST, whole, SCHEMA)
    if count <= SEEN:
        (root / "new").mkdir()
        hashes.clear()
        write_array(raw / HEIGHTS, _heights(prepared / IMAGES, root / "new", hashes), shape, np.float32)
        manifest = manifest.assign(source_sha256=hashes)
    write_manifest(raw / MANIFEST, manifest, RAW_SCHEMA)


def _settings() -> str:
    yaml = YAML(typ="safe")
    content = yaml.load(Path(__file__).parents[1] / "params.yaml")
    content["prepare"]["size_px"] = SIZE_PX
    content["features"] |= {"backbones": [_BACKBONE], "flips": False}
    asked = {**content["experiments"]["features-multiclass"], **_BACKBONE}
    content["experiments"] = {_EXPERIMENT: asked | {"epochs": EPOCHS, "batch_size": BATCH, "flips": False}}
    content["searches"] = {}
    return json.dumps(content)


def _images(classes: NDArray[np.int64], hashes: list[str]) -> Iterator[NDArray[np.uint8]]:
    """Draw stripes as wide as the class says, under noise, so that all differ."""
    rng = np.random.default_rng(2)
    rows = np.arange(SIZE_PX)[:, None] / (2 + np.arange(len(MATERIALS))[:, None, None])
    stripes = np.broadcast_to(100 + 80 * np.sin(rows), (len(MATERIALS), SIZE_PX, SIZE_PX)).astype(np.uint8)
    for start in range(0, len(classes), _CHUNK):
        own = stripes[classes[start : start + _CHUNK]]
        for image in own + rng.integers(0, 60, own.shape, dtype=np.uint8):
            hashes.append(sha256_array(image))
            yield image


def _heights(images: Path, pictures: Path, hashes: list[str]) -> Iterator[NDArray[np.float32]]:
    """Give the heights in nm that images show, and save each as a picture."""
    for number, image in enumerate(np.load(images, mmap_mode="r")):
        Image.fromarray(image).save(pictures / f"{number:07d}.png")
        heights = image.astype(np.float32) / 50
        hashes.append(sha256_array(heights))
        yield heights


def draw_features() -> None:
    """Write random features of the project in this folder, shifted by class, as stage `features` does."""
    from tmdscope.dataset.store import Dataset
    from tmdscope.params.experiments import BackboneParams
    from tmdscope.vision.stored import About, place_of, write_features

    dataset = Dataset.load(MAIN.prepared)
    labels, about = dataset.labels(MATERIALS), About(**_BACKBONE, symmetries=1, precision="fp32")
    place = place_of(MAIN.features, BackboneParams(**_BACKBONE))
    write_features(place, about, _features(labels), len(labels), dataset.digest, MAIN.pretrained)


def _features(labels: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Draw the features of each image, a block at a time: (1, WIDTH)."""
    rng, shifts = np.random.default_rng(3), np.eye(len(MATERIALS), WIDTH, dtype=np.float32)
    for start in range(0, len(labels), _CHUNK):
        own = labels[start : start + _CHUNK]
        drawn = rng.standard_normal((len(own), 1, WIDTH), dtype=np.float32)
        yield from drawn + shifts[own][:, None]


def predict() -> None:
    """Predict the pictures of the project in this folder by its cross-validated model, as CSV."""
    from tmdscope.lifecycle.inputs import find_files
    from tmdscope.lifecycle.predict import writer
    from tmdscope.lifecycle.predictor import Predictor
    from tmdscope.run_record import ExperimentRun
    from tmdscope.scores.scored import RUN
    from tmdscope.tracking.models import load_program
    from tmdscope.tracking.store import connect

    connect()
    program = load_program(ExperimentRun.read(MAIN.experiments / _EXPERIMENT / RUN).model_uri)
    head, write = writer("csv", program.config.classes, ())
    with Path("predicted.csv").open("w", encoding="utf-8") as out:
        out.write(head)
        for prediction in Predictor(program, NAME).stream(find_files([Path("new")])):
            out.write(write(prediction))


def draw(lines: Path) -> None:
    """Draw processor time and memory against images, of lines that `measure` gave, as an SVG beside them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from tmdscope.report.figures.base import styles

    told = pd.read_json(lines, lines=True)
    shown = {"cpu_s_per_1000": "processor time per 1000 images, s", "own_mb": "memory, MB"}
    figure = Figure((8, 3.6), layout="constrained")
    for axes, (column, title) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        for verb, (colour, marker) in styles(told["verb"].unique()).items():
            own = told[told["verb"] == verb]
            axes.loglog(own["images"], own[column], color=colour, marker=marker, label=verb)
        axes.set(xlabel="images", ylabel=title)
        axes.grid(alpha=0.3)
    keys = figure.axes[0].get_legend_handles_labels()
    figure.legend(*keys, loc="outside upper center", ncols=4, fontsize=8)
    with mpl.rc_context({"svg.hashsalt": NAME, "svg.fonttype": "none"}):  # the same lines, the same bytes
        figure.savefig(lines.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    if sys.argv[1:2] == ["draw"]:
        draw(Path(sys.argv[2]))
    elif sys.argv[1:] in (["features"], ["predict"]):
        draw_features() if sys.argv[1] == "features" else predict()
    else:
        for size in map(int, sys.argv[1:]):
            for line in measure(size):
                print(json.dumps(line), flush=True)
