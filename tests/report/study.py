"""A tiny study whose report can be written: two materials, eight images, two folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.report.attributions import ATTRIBUTION, attribution_maps
from tests.report.numbers import (
    MEAN,
    POOLED,
    RELATIONS,
    RELIABILITY,
    audited,
    component_scores,
    correlations,
    made_run,
)
from tmdscope.analysis.record import Attribution, ModelLatent
from tmdscope.dataset.store import Dataset
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, SplitParams
from tmdscope.params.reading import parse_section, read_params
from tmdscope.report.sections.gains import PRETRAINING, TARGETS, Gains, find_gains
from tmdscope.report.sections.searches import SearchResult
from tmdscope.report.study import StudyResults
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.scored import IDENTITY
from tmdscope.scores.task import CLASSES as TASK

CLASSES = ["MoS2", "WS2"]
PARTS = (["test"] * 2 + ["train"] * 3 + ["val"] * 3, ["test"] * 2 + ["val"] * 3 + ["train"] * 3)
ROOT = Path(__file__).parents[2]
SCORING = ScoringParams(bootstrap=100, seed=1)


def data_params(source: str = "simulated", **changes: Any) -> DataParams:
    section = read_params(ROOT / "params.yaml")["data"] | {"source": source, "classes": CLASSES} | changes
    return parse_section("data", section, DataParams, "params.yaml")


def experiment(strategy: str = "finetune", **changes: Any) -> ExperimentParams:
    entry = {
        "strategy": strategy,
        "target": "multiclass",
        "architecture": "resnet18",
        "weights": "none" if strategy == "scratch" else "simulated",
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 1e-4,
        "dropout": 0.0,
        "flips": True,
        "checkpoint": "improves-both",
        "seed": 1,
    }
    return parse_section("experiments.x", entry | changes, ExperimentParams, "params.yaml")


def dataset() -> Dataset:
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(8)],
            "sample_id": ["s0", "s0", "s1", "s1", "s2", "s3", "s3", "s3"],
            "material": ["MoS2", "WS2"] * 4,
            "image_sha256": [f"{k:064x}" for k in range(8)],
            "duplicate_of": [None] * 7 + ["i6"],
        }
    )
    return Dataset(np.zeros((8, 16, 16), np.uint8), manifest)


def predictions(wrong: Sequence[int] = (), invalid: Sequence[int] = ()) -> pd.DataFrame:
    """Every fold is wrong on some images, and its output stands for no class on others."""
    labels = dataset().labels(CLASSES)
    guess = np.where(np.isin(np.arange(8), wrong), 1 - labels, labels)
    decoded = ["" if k in invalid else CLASSES[label] for k, label in enumerate(guess)]
    share = np.eye(2)[guess] * 0.8 + 0.1
    tables = [
        pd.DataFrame(
            {
                "fold": fold,
                **dataset().manifest[list(IDENTITY)],
                "part": part,
                "decoded": decoded,
                "p_MoS2": share[:, 0],
                "p_WS2": share[:, 1],
            }
        )
        for fold, part in enumerate(PARTS)
    ]
    return pd.concat(tables, ignore_index=True)


def scores() -> dict[str, Any]:
    means = dict.fromkeys(("loss", "accuracy", "macro_f1", "weighted_f1", "exact_accuracy", "invalid"), MEAN)
    return {
        **{part: {**means, "recall": dict.fromkeys(CLASSES, MEAN)} for part in ("train", "val", "test")},
        "best_fold": 1,
        "selection": {"macro_f1": 0.6, "optimism": 0.15},
        "out_of_fold": POOLED,
        "ensemble_test": POOLED,
        "reliability": RELIABILITY,
        "test_confusion": [[3, 1], [0, 4]],
    }


def study(
    experiments: Mapping[str, ExperimentParams] | None = None,
    predicted: Mapping[str, pd.DataFrame] | None = None,
    data: DataParams | None = None,
    searches: Mapping[str, SearchResult] | None = None,
) -> StudyResults:
    """Results of some experiments; one fine-tuned network on simulated images unless told otherwise."""
    settings = experiments or {"finetune": experiment()}
    tables = predicted or {name: predictions() for name in settings}
    columns = ["epoch", "train_loss", "train_macro_f1", "val_loss", "val_macro_f1"]
    best = next(iter(settings))
    return StudyResults(
        study="study",
        task=TASK,
        data=data or data_params(),
        split=SplitParams(test_folds=4, folds=2),
        experiments=settings,
        dataset=dataset(),
        counts=pd.DataFrame({"test": [2, 2]}, index=CLASSES),
        scores={name: ExperimentScores.parse(scores()) for name in settings},
        predictions=tables,
        gains=[
            Gains(asked, find_gains(asked, settings, tables, CLASSES, SCORING), TASK)
            for asked in (PRETRAINING, TARGETS)
        ],
        searches=searches or {},
        histories={name: pd.DataFrame([[1, 1.0, 0.5, 1.0, 0.5]], columns=columns) for name in settings},
        baseline={
            f"{part}_{m}": MeanStd(**MEAN) for part in ("val", "test") for m in ("accuracy", "macro_f1")
        },
        scans=48,
        r_squared={"true_coverage": 0.5},
        audit=audited(),
        model="m",
        best=best,
        latent=ModelLatent.parse(
            {
                **RELATIONS,
                "model": {
                    "name": "m",
                    "version": 3,
                    "alias": "best",
                    "fold": 1,
                    "experiment": best,
                    "after_relu": False,
                },
                "before": {"architecture": "resnet18", "weights": "simulated"},
                "left_out": {"true_gap": "known for 2 images of 2 samples only"},
            }
        ),
        scatter=component_scores(dataset().manifest["material"]),
        correlations=correlations(),
        descriptors=pd.DataFrame({"grain_density": np.linspace(0, 1, 8)}),
        attribution=Attribution.parse(ATTRIBUTION),
        maps=attribution_maps(["i0", "i3"], 16),
        runs=[made_run(name, version=str(k)) for k, name in enumerate(settings, start=3)],
        settings={"report": {"images_per_class": 2}},
        shipped={"report": {"images_per_class": 4}},
        sequential=None,
    )
