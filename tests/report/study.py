"""A tiny study whose report can be written: two materials, eight images, two folds."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

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
    experiment_run,
    run_record,
    search_run,
)
from tmdscope.analysis.record import Attribution, ModelLatent
from tmdscope.audit.record import Audit
from tmdscope.dataset.splits import Fold, Split
from tmdscope.dataset.store import Dataset
from tmdscope.layout import MAIN
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, ModelTrackingParams, ReportParams, SplitParams
from tmdscope.params.reading import parse_section, read_params
from tmdscope.report.part import Part, Report
from tmdscope.report.sections.training import SearchResult
from tmdscope.run_record import NO_RUNS, RegisteredVersion, Registration
from tmdscope.scores.records import ExperimentScores, Pretraining
from tmdscope.scores.scored import IDENTITY
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.tmd_materials import report as materials

CLASSES = ["MoS2", "WS2"]
PARTS = (["test"] * 2 + ["train"] * 3 + ["val"] * 3, ["test"] * 2 + ["val"] * 3 + ["train"] * 3)
ROOT = Path(__file__).parents[2]
PartKind = TypeVar("PartKind", bound=Part)
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
            "label": ["MoS2", "WS2"] * 4,
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


@dataclass(frozen=True)
class Left:
    """What the stages of a study on images left, as they read it; `report` is made of it."""

    data: DataParams
    experiments: Mapping[str, ExperimentParams]
    dataset: Dataset
    scores: Mapping[str, ExperimentScores]
    predictions: Mapping[str, pd.DataFrame]
    searches: Mapping[str, SearchResult]
    baseline: Mapping[str, dict[str, float]] | None
    latent: ModelLatent
    audit: Audit
    settings: Mapping[str, Any]
    sequential: SequenceRecord | None = None

    def report(self, shown: int = 2) -> Report:
        """The report, without files: every reader gives what is held here."""
        sections = {
            "data": self.data,
            "split": SplitParams(test_folds=4, folds=2),
            "report": ReportParams(images_per_class=shown),
            "scoring": SCORING,
            "tracking": ModelTrackingParams(study="study", model="m"),
        }
        study: Any = SimpleNamespace(
            task=TASK.record(), layout=MAIN, section=lambda name, _: sections[name], of=lambda digest: {}
        )
        with ExitStack() as stack:
            for name, given in self._readers().items():
                stack.enter_context(patch.object(materials, name, given))
            return materials.report_of(study)

    def _readers(self) -> dict[str, Any]:
        ids = self.dataset.image_ids
        held = [
            [tuple(ids[k] for k, of in enumerate(parts) if of == p) for p in ("train", "val")]
            for parts in PARTS
        ]
        counts = pd.DataFrame({"test": [2, 2]}, index=pd.Index(CLASSES, name="label"))
        columns = ["epoch", "train_loss", "train_macro_f1", "val_loss", "val_macro_f1"]
        tables = {
            MAIN.split_counts: counts.reset_index(),
            MAIN.latent_plot: component_scores(self.dataset.manifest["label"]),
            MAIN.latent_table: correlations(),
            **{
                MAIN.experiment_plots / name / "history.csv": pd.DataFrame(
                    [[1, 1.0, 0.5, 1.0, 0.5]], columns=columns
                )
                for name in self.experiments
            },
            **{MAIN.searches / name / "trials.csv": one.trials for name, one in self.searches.items()},
        }
        listed = {name: RegisteredVersion(k, 32 * "a") for k, name in enumerate(self.experiments, start=3)}
        scored = {
            name: SimpleNamespace(
                scores=self.scores[name], predictions=self.predictions[name], run=experiment_run(name)
            )
            for name in self.experiments
        }
        first = self.settings, {"report": {"images_per_class": 4}}
        return {
            "Dataset": SimpleNamespace(load=lambda _: self.dataset),
            "read_split": lambda *_: Split(tuple(ids[:2]), tuple(Fold(*parts) for parts in held)),
            "count_parts": lambda *_: counts,
            "read_all_experiments": lambda *_: self.experiments,
            "read_searches": lambda *_: self.searches,
            "read_table": lambda path, *_: tables[path],
            "Registration": SimpleNamespace(read=lambda *_: Registration("m", next(iter(listed)), listed)),
            "Pretraining": SimpleNamespace(
                read=lambda *_, **__: Pretraining("simulated", 48, [], {"true_coverage": 0.5})
            ),
            "StageRuns": SimpleNamespace(read=lambda *_: NO_RUNS),
            "SearchRun": SimpleNamespace(read=lambda path, *_: search_run(path.parent.name)),
            "Scored": SimpleNamespace(read=lambda folder, *_: scored[folder.name]),
            "Searched": SimpleNamespace(read=lambda path, *_: self.searches[path.parent.name].found),
            "SequenceRecord": SimpleNamespace(read=lambda *_: self.sequential),
            "Audit": SimpleNamespace(read=lambda *_: replace(self.audit, **run_record())),
            "ModelLatent": SimpleNamespace(read=lambda *_: self.latent),
            "Attribution": SimpleNamespace(read=lambda *_: Attribution.parse(ATTRIBUTION)),
            "read_maps": lambda _: attribution_maps(["i0", "i3"], 16),
            "read_descriptors": lambda *_: pd.DataFrame({"grain_density": np.linspace(0, 1, 8)}),
            "sample_id_baseline": lambda *_: self.baseline,
            "read_study_settings": lambda path: first[path == materials.SHIPPED],
        }

    def part(self, kind: type[PartKind]) -> PartKind:
        """The report's part of a kind."""
        (found,) = (part for part in self.report().parts if isinstance(part, kind))
        return found


def study(
    experiments: Mapping[str, ExperimentParams] | None = None,
    predicted: Mapping[str, pd.DataFrame] | None = None,
    data: DataParams | None = None,
    searches: Mapping[str, SearchResult] | None = None,
) -> Left:
    """What some experiments left; one fine-tuned network on simulated images unless told otherwise."""
    settings = experiments or {"finetune": experiment()}
    model = {"name": "m", "version": 3, "alias": "best", "fold": 1, "after_relu": False}
    latent = {
        **RELATIONS,
        "model": {**model, "experiment": next(iter(settings))},
        "before": {"architecture": "resnet18", "weights": "simulated"},
        "left_out": {"true_gap": "known for 2 images of 2 samples only"},
    }
    return Left(
        data=data or data_params(),
        experiments=settings,
        dataset=dataset(),
        scores={name: ExperimentScores.parse(scores()) for name in settings},
        predictions=predicted or {name: predictions() for name in settings},
        searches=searches or {},
        baseline={f"{part}_{m}": MEAN for part in ("val", "test") for m in ("accuracy", "macro_f1")},
        latent=ModelLatent.parse(latent),
        audit=audited(),
        settings={"report": {"images_per_class": 2}},
    )
