"""Where a study keeps its files, relative to the project's folder, and which stage writes each."""

import os
from collections.abc import Sequence
from pathlib import Path


class Layout:
    """Where a study keeps its files in the project `root`: what its verbs write, and what people open.

    `name` is its folder in ``data``, ``reports`` and ``pipelines``; the main study lies above the others.
    """

    def __init__(self, name: str = "", root: Path = Path(), settings: Path | None = None) -> None:
        data, reports = root / "data" / name, root / "reports" / name
        usual = root / "pipelines" / name / "params.yaml" if name else root / "params.yaml"
        self.root = root
        self.settings = usual if settings is None else settings
        self.checked = data / "checked.txt"  # the same whenever all settings are right: nothing runs again
        self.pretraining_needed = data / "pretraining.json"  # whether weights `simulated` are used
        self.raw = data / "raw"  # what the source gave
        self.tables = data / "tables"  # that were fetched
        self.prepared = data / "prepared"  # 8-bit images and their manifest
        self.pretrained = data / "pretrained" / "backbone.safetensors"  # weights `simulated`
        self.pretraining = data / "pretrained" / "pretrain.json"  # and how well they read quantities
        self.split = data / "split.json"  # held-out test and folds
        self.split_counts = data / "split_counts.csv"  # images of each class in each part
        self.features = data / "features"  # what a frozen backbone sees
        self.searches = data / "searches"  # a folder for every search of an experiment
        self.experiments = data / "experiments"  # a folder for every experiment
        self.scores = data / "scores.json"  # of every method on a table
        self.run = data / "run.json"  # and where their runs are
        self.search = data / "search.json"  # what nested searches over families of methods found
        self.search_run = data / "search_run.json"  # and where their runs are
        self.sequential = data / "sequential"  # classes added one after another
        self.added = data / "added"  # a folder for every class that was added to a registered model
        self.attempts = data / "attempts"  # what interrupted trainings go on from
        self.audit = data / "audit.json"  # what a score is worth
        self.registered = data / "registered.json"  # versions of the registered model
        self.descriptors = data / "descriptors.parquet"  # physical, of every image
        self.latent = data / "latent.json"  # what an embedding has to do with the descriptors
        self.latent_table = data / "latent_correlations.csv"  # every correlation
        self.attribution = data / "attribution"  # where in an image the best model finds its reasons
        self.comparisons = reports / "comparisons"  # a folder for every two models that were compared
        self.experiment_plots = reports / "experiments"  # tables that `dvc plots` draws
        self.latent_plot = reports / "latent.csv"  # principal components of the embedding
        self.inspected = reports / "inspected"  # instrument files before and after levelling
        self.metrics = reports / "metrics.json"  # the numbers that DVC compares
        self.page = reports / "index.html"  # the report that a person opens

    @property
    def written(self) -> list[Path]:
        """All of the above: what a study writes."""
        return [path for path in vars(self).values() if path not in (self.root, self.settings)]


MAIN = Layout()
"""Where the main study, on images, keeps its files."""


def layout_beside(settings: Path) -> Layout:
    """Say where the study of some settings keeps its files: below ``pipelines``, or the main one."""
    folder = settings.parent
    if folder.parent.name == "pipelines":
        return Layout(folder.name, folder.parents[1], settings)
    return Layout("", folder, settings)


TUNED = "-tuned"
"""Behind the name of an experiment: the one with the settings that its search found."""

_WRITERS = {
    MAIN.pretraining_needed: "check",
    MAIN.raw: "ingest",
    MAIN.tables: "fetch",
    MAIN.prepared: "prepare",
    MAIN.pretrained.parent: "pretrain",
    MAIN.split: "split",
    MAIN.split_counts: "split",
    MAIN.features: "features",
    MAIN.searches: "search@",
    MAIN.experiments: "crossval@",
    MAIN.experiment_plots: "crossval@",
    MAIN.scores: "crossval",
    MAIN.run: "crossval",
    MAIN.search: "search",
    MAIN.search_run: "search",
    MAIN.sequential: "sequential",
    MAIN.audit: "audit",
    MAIN.registered: "register",
    MAIN.descriptors: "describe",
    MAIN.latent: "latent",
    MAIN.latent_table: "latent",
    MAIN.latent_plot: "latent",
    MAIN.attribution: "attribution",
}
"""What is written by which stage of dvc.yaml; after @ comes the name of the folder in it."""


def stage_of(path: Path) -> str | None:
    """Say which stage writes a file, as `dvc repro` takes it; None for a file of no stage."""
    parts = path.parts
    for start in range(len(parts)):
        for end in range(len(parts), start + 1, -1):
            place, below = parts[start:end], parts[end:]
            if stage := _stage_at(Path(*place), below):
                return stage
            if len(place) > 2 and (stage := _stage_at(Path(place[0], *place[2:]), below)):
                return f"pipelines/{place[1]}/dvc.yaml:{stage}"
    return None


def _stage_at(place: Path, below: Sequence[str]) -> str | None:
    """Say which stage of a study writes a path and what lies below it; the study's folder is left out."""
    stage = _WRITERS.get(place)
    if stage is None or not stage.endswith("@"):
        return stage
    if stage == "crossval@" and below and below[0].endswith(TUNED):
        return f"tuned@{below[0].removesuffix(TUNED)}"
    return stage + below[0] if below else None


def remedy_of(path: Path) -> str:
    """Say how to get a file anew that is missing, damaged, or of something else."""
    stage = stage_of(path)
    if MAIN.attempts.name in path.parts:
        return f"delete {path.parent}: the training begins anew"
    if stage is None:
        return "bring it back from a copy, or run the stage that writes it again: dvc repro"
    return f"run its stage again: dvc repro --force {stage}"


def find_project(start: Path | None = None) -> Path:
    """Find the nearest folder from `start` upwards with ``params.yaml`` and ``dvc.yaml``; else `start`."""
    here = (start or Path()).resolve()
    marks = ("params.yaml", "dvc.yaml")
    return next((f for f in (here, *here.parents) if all((f / m).is_file() for m in marks)), here)


def shipped_settings() -> Path:
    """Find the settings that a wheel carries; from a checkout they are profile ``default``."""
    package = Path(__file__).parent
    carried = package / "shipped.yaml"
    return carried if carried.exists() else package.parents[1] / "profiles" / "default.yaml"


def tracking_home() -> Path:
    """Find the folder whose ``mlruns`` holds the runs.

    The project that DVC runs for (a queued ``dvc exp run`` works in a copy, but tracks into the project it
    was started from), else DVC's own root above the current project, else the project.
    """
    given = os.environ.get("DVC_ROOT")
    if given:
        return Path(given).resolve()
    project = find_project()
    if not (project / "dvc.yaml").is_file():
        return project
    return next((f for f in (project, *project.parents) if (f / ".dvc" / "config").is_file()), project)
