"""What the report of the main study is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from tmdscope.audit.record import Audit
from tmdscope.dataset.store import Dataset
from tmdscope.learn.summary import Labels, decoded_scores
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.materials_study import DataParams, SplitParams
from tmdscope.report.gains import Gain
from tmdscope.report.provenance import Run

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """What a search left: the content of ``search.json`` and of ``trials.csv``."""

    summary: Mapping[str, Any]
    trials: pd.DataFrame


@dataclass(frozen=True)
class StudyResults:
    """Everything the report is written from; experiments, or those searched, are the keys of mappings.

    Attributes
    ----------
    counts : pandas.DataFrame
        Images of each class in each part.
    scores, predictions : dict
        Content of ``scores.json`` and ``predictions.parquet``.
    gains, targets : sequence of Gain
        Pre-trained beside from scratch, and multiclass beside multilabel.
    baseline : dict or None
        Scores of the sample-id-only baseline; None when the ids carry no number.
    pretraining : dict
        Content of ``pretrain.json``, as `registered`, `latent`, `attribution`, `sequential` of theirs.
    scatter, descriptors : pandas.DataFrame
        A row per image of the dataset: component scores with material and part; a column per descriptor.
    maps : dict
        Content of ``maps.npz``: the images shown and their maps.
    settings, shipped : dict
        Section name to its plain content: of params.yaml, and of profile `default`.
    panels : pandas.DataFrame
        The stages' latent panels; empty where sequences are not enabled.
    """

    study: str
    data: DataParams
    split: SplitParams
    experiments: Mapping[str, ExperimentParams]
    dataset: Dataset
    counts: pd.DataFrame
    scores: Mapping[str, Scores]
    predictions: Mapping[str, pd.DataFrame]
    gains: Sequence[Gain]
    targets: Sequence[Gain]
    searches: Mapping[str, SearchResult]
    histories: Mapping[str, pd.DataFrame]
    baseline: Scores | None
    pretraining: Mapping[str, Any]
    audit: Audit
    registered: Mapping[str, Any]
    latent: Mapping[str, Any]
    scatter: pd.DataFrame
    correlations: pd.DataFrame
    descriptors: pd.DataFrame
    attribution: Mapping[str, Any]
    maps: Mapping[str, NDArray[Any]]
    runs: Sequence[Run]
    settings: Mapping[str, Any]
    shipped: Mapping[str, Any]
    sequential: Mapping[str, Any]
    panels: pd.DataFrame

    @property
    def simulated(self) -> bool:
        """Whether the images are simulated."""
        return self.data.source == "simulated"

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return self.data.classes

    @property
    def labels(self) -> Labels:
        """Class of each image, int64."""
        return self.dataset.labels(self.classes)

    @property
    def multilabel(self) -> list[str]:
        """Names of the multilabel experiments."""
        return [name for name, entry in self.experiments.items() if entry.target == "multilabel"]

    @cached_property
    def decoded(self) -> dict[str, Scores]:
        """Multilabel experiment to its scores by exact match, part by part."""
        return {
            name: decoded_scores(self.predictions[name], self.labels, self.classes)
            for name in self.multilabel
        }

    @property
    def what(self) -> str:
        """The data set in a few words, for captions."""
        manifest = self.dataset.manifest
        kind = "simulated images" if self.simulated else "images"
        return f"{len(manifest)} {kind} of {manifest['sample_id'].nunique()} samples"
