"""Where the main study keeps its files, relative to the project's folder."""

import os
from pathlib import Path

RAW = Path("data/raw")
"""What the source gave."""
PREPARED = Path("data/prepared")
"""8-bit images and their manifest."""
PRETRAINED = Path("data/pretrained/backbone.safetensors")
"""The backbone called `simulated`."""
SPLIT = Path("data/split.json")
"""Held-out test and folds."""
SPLIT_COUNTS = Path("data/split_counts.csv")
"""Images of each class in each part."""
FEATURES = Path("data/features")
"""What a frozen backbone sees."""
SEARCHES = Path("data/searches")
"""A folder for every search: what it found and how."""
EXPERIMENTS = Path("data/experiments")
"""A folder for every experiment: scores, predictions, where its runs are."""
SEQUENTIAL = Path("data/sequential")
"""Materials added one after another: scores, latent panels, where the runs are."""
ADDED = Path("data/added")
"""A folder for every material that was added to a registered model."""
ATTEMPTS = Path("data/attempts")
"""What interrupted trainings go on from."""
AUDIT = Path("data/audit.json")
"""What a score is worth."""
REGISTERED = Path("data/registered.json")
"""Versions of the registered model."""
DESCRIPTORS = Path("data/descriptors.parquet")
"""Physical descriptors of every image."""
LATENT = Path("data/latent.json")
"""What the best model's embedding has to do with the descriptors."""
LATENT_TABLE = Path("data/latent_correlations.csv")
"""Every correlation of a descriptor with a component of the embedding."""
ATTRIBUTION = Path("data/attribution")
"""Where in an image the best model finds its reasons."""
COMPARISONS = Path("reports/comparisons")
"""A folder for every two models that were compared."""
EXPERIMENT_PLOTS = Path("reports/experiments")
"""Tables that `dvc plots` draws."""
LATENT_PLOT = Path("reports/latent.csv")
"""Principal components of the embedding."""
INSPECTED = Path("reports/inspected")
"""Pictures of instrument files before and after levelling."""

WRITTEN = tuple(value for value in vars().copy().values() if isinstance(value, Path))
"""All of the above: what a study writes."""

_WRITERS = {
    RAW: "ingest",
    PREPARED: "prepare",
    PRETRAINED.parent: "pretrain",
    SPLIT: "split",
    SPLIT_COUNTS: "split",
    FEATURES: "features",
    SEARCHES: "search@",
    EXPERIMENTS: "crossval@",
    EXPERIMENT_PLOTS: "crossval@",
    SEQUENTIAL: "sequential",
    AUDIT: "audit",
    REGISTERED: "register",
    DESCRIPTORS: "describe",
    LATENT: "latent",
    LATENT_TABLE: "latent",
    LATENT_PLOT: "latent",
    ATTRIBUTION: "attribution",
}
"""What is written by which stage of dvc.yaml; after @ comes the name of the folder in it."""
_PUBLISHED = Path("data/published")
_PUBLISHED_WRITERS = {"tables": "fetch", "scores": "crossval", "run": "crossval"}
TUNED = "-tuned"
"""Behind the name of an experiment: the one with the settings that its search found."""


def stage_of(path: Path) -> str | None:
    """Say which stage writes a file, as `dvc repro` takes it; None for a file of no stage."""
    parts = path.parts
    for start in range(len(parts)):
        for end in range(len(parts), start + 1, -1):
            place, below = Path(*parts[start:end]), parts[end:]
            if place == _PUBLISHED and below:
                name = below[0].partition(".")[0]
                stage = _PUBLISHED_WRITERS.get(name, name.partition("_")[0])
                return f"pipelines/published_features/dvc.yaml:{stage}"
            stage = _WRITERS.get(place, "")
            if stage == "crossval@" and below and below[0].endswith(TUNED):
                return f"tuned@{below[0].removesuffix(TUNED)}"
            if stage and (below or not stage.endswith("@")):
                return stage + below[0] if stage.endswith("@") else stage
    return None


def remedy_of(path: Path) -> str:
    """Say how to get a file anew that is missing, damaged, or of something else."""
    stage = stage_of(path)
    if ATTEMPTS.name in path.parts:
        return f"delete {path.parent}: the training begins anew"
    if stage is None:
        return "bring it back from a copy, or run the stage that writes it again: dvc repro"
    return f"run its stage again: dvc repro --force {stage}"


def find_project(start: Path | None = None) -> Path:
    """Find the nearest folder from `start` upwards with ``params.yaml`` and ``dvc.yaml``; else `start`."""
    here = (start or Path()).resolve()
    marks = ("params.yaml", "dvc.yaml")
    return next((f for f in (here, *here.parents) if all((f / m).is_file() for m in marks)), here)


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
