"""What the report of the main study is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.record import Attribution, ModelLatent
from tmdscope.audit.record import Audit
from tmdscope.dataset.store import Dataset
from tmdscope.learn.summary import Labels, decoded_scores
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, SplitParams
from tmdscope.report.sections.experiments import Decoded
from tmdscope.report.sections.gains import Gains
from tmdscope.report.sections.provenance import Run
from tmdscope.report.sections.searches import SearchResult
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.task import Task
from tmdscope.sequential.record import SequenceRecord


@dataclass(frozen=True)
class StudyResults:
    """Everything the report is written from; experiments, or those searched, are the keys of mappings.

    Attributes
    ----------
    model, best : str
        The registered model, and the experiment of its version `best`.
    counts : pandas.DataFrame
        Images of each class in each part.
    predictions : dict
        Content of ``predictions.parquet``.
    gains : sequence of Gains
        Pre-trained beside from scratch, and multiclass beside multilabel.
    baseline : dict or None
        Scores of the sample-id-only baseline; None when the ids carry no number.
    scans, r_squared : int, dict
        Of the backbone `simulated`: how many scans it learnt from, and how well it reads each quantity.
    scatter, descriptors : pandas.DataFrame
        A row per image of the dataset: component scores with material and part; a column per descriptor.
    maps : dict
        Content of ``maps.npz``: the images shown and their maps.
    settings, shipped : dict
        Section name to its plain content: of params.yaml, and of profile `default`.
    sequential : SequenceRecord or None
        None where sequences are not enabled.
    """

    study: str
    task: Task
    data: DataParams
    split: SplitParams
    experiments: Mapping[str, ExperimentParams]
    dataset: Dataset
    counts: pd.DataFrame
    scores: Mapping[str, ExperimentScores]
    predictions: Mapping[str, pd.DataFrame]
    gains: Sequence[Gains]
    searches: Mapping[str, SearchResult]
    histories: Mapping[str, pd.DataFrame]
    baseline: Mapping[str, MeanStd] | None
    scans: int
    r_squared: Mapping[str, float]
    audit: Audit
    model: str
    best: str
    latent: ModelLatent
    scatter: pd.DataFrame
    correlations: pd.DataFrame
    descriptors: pd.DataFrame
    attribution: Attribution
    maps: Mapping[str, NDArray[Any]]
    runs: Sequence[Run]
    settings: Mapping[str, Any]
    shipped: Mapping[str, Any]
    sequential: SequenceRecord | None

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
    def decoded(self) -> dict[str, Decoded]:
        """Experiment to its scores by the paper's decoding, part by part."""
        found = {
            name: decoded_scores(table, self.labels, self.classes, self.task)
            for name, table in self.predictions.items()
        }
        return {
            name: {
                part: {key: MeanStd(**score) for key, score in scores.items()}
                for part, scores in parts.items()
            }
            for name, parts in found.items()
        }

    @property
    def what(self) -> str:
        """The data set in a few words, for captions."""
        manifest = self.dataset.manifest
        kind = "simulated images" if self.simulated else "images"
        return f"{len(manifest)} {kind} of {manifest['sample_id'].nunique()} samples"
