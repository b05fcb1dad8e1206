"""Where the main study keeps its files, relative to the project's folder."""

from pathlib import Path

RAW = Path("data/raw")
"""What the source gave."""
PREPARED = Path("data/prepared")
"""8-bit images and their manifest."""
PRETRAINED = Path("data/pretrained/backbone.safetensors")
"""The backbone called `simulated`."""
SPLIT = Path("data/split.json")
"""Held-out test and folds."""
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
