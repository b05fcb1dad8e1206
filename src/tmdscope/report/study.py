"""What the report of the main study is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.learn.summary import Labels, decoded_scores
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.materials_study import DataParams, SplitParams
from tmdscope.report.gains import Gain
from tmdscope.report.provenance import Run

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """What a search left.

    Attributes
    ----------
    summary : dict
        Content of ``search.json``.
    trials : pandas.DataFrame
        Content of ``trials.csv``.
    """

    summary: Mapping[str, Any]
    trials: pd.DataFrame


@dataclass(frozen=True)
class StudyResults:
    """Everything the report is written from.

    Attributes
    ----------
    study : str
        Name of the study.
    data : DataParams
        Where the images come from, and the classes in label order.
    split : SplitParams
        How they were split.
    experiments : dict
        Experiment name to its settings.
    dataset : Dataset
        Prepared images.
    counts : pandas.DataFrame
        Images of each class in each part.
    scores : dict
        Experiment name to the content of its ``scores.json``.
    predictions : dict
        Experiment name to the content of its ``predictions.parquet``.
    gains : sequence of Gain
        Pre-trained experiments beside those from scratch.
    targets : sequence of Gain
        Multiclass experiments beside multilabel ones.
    searches : dict
        Experiment that was searched to what was found.
    histories : dict
        Experiment name to its fold-mean training curves.
    baseline : dict or None
        Scores of the sample-id-only baseline; None when the ids carry no number.
    pretraining : dict
        Content of ``pretrain.json``.
    audit : dict
        Content of ``audit.json``: what a score is worth.
    registered : dict
        Content of ``registered.json``.
    latent : dict
        Content of ``latent.json``.
    scatter : pandas.DataFrame
        Component scores with material and part, a row per image of the dataset.
    correlations : pandas.DataFrame
        Every correlation of a descriptor with a component.
    descriptors : pandas.DataFrame
        One column per descriptor, a row per image of the dataset.
    attribution : dict
        Content of ``attribution.json``.
    maps : dict
        Content of ``maps.npz``: the images shown and their maps.
    runs : sequence of Run
        Every tracked run that the report rests on.
    settings, shipped : dict
        Section name to its plain content: of params.yaml, and of profile `default`.
    sequential : dict
        Content of ``sequential.json``: ``enabled``, and what the sequences gave where it is true.
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
    audit: Mapping[str, Any]
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
