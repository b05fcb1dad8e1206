"""Cross-validated experiments: scores, intervals and reliability of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.report.answer import scored
from tmdscope.report.page import Block, Claim, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.classifiers import pooled_table
from tmdscope.report.text import averaged, plus_minus, with_interval
from tmdscope.scores.folds import PARTS, MeanStd
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import capital, estimated, heading, named, unit_of, valued

_CHOSEN = ("val", "test")

Decoded = Mapping[str, Mapping[str, MeanStd]]
"""Part to metric to its value over folds, by the paper's decoding."""


@dataclass(frozen=True)
class Experiments(Part):
    """Experiments of a study; `decoded` are those whose outputs can be read in two ways.

    `baseline` has ``PART_METRIC`` of a classifier that sees the sample's number alone; None where the ids
    carry no number. `what` counts the images.
    """

    task: Task
    scores: Mapping[str, ExperimentScores]
    best: str
    classes: Sequence[str]
    decoded: Mapping[str, Decoded]
    baseline: Mapping[str, MeanStd] | None
    what: str

    def metrics(self) -> dict[str, Any]:
        """Collect the scores of every experiment and of the baseline."""
        experiments = {}
        for name, score in self.scores.items():
            experiments[name] = {key: value for key, value in score.to_dict().items() if key != "version"}
            if name in self.decoded:
                experiments[name]["exact_match"] = {
                    part: {key: asdict(value) for key, value in found.items()}
                    for part, found in self.decoded[name].items()
                }
        base = None if self.baseline is None else {k: asdict(score) for k, score in self.baseline.items()}
        return {
            "best": self.best,
            "experiments": experiments,
            "baseline": {"sample_id_only": base},
        }

    def sentences(self) -> list[str]:
        """Say which is best and how good it is, and the baseline."""
        score, primary = self.scores[self.best], self.task.primary
        ensemble = [
            f"{metric.title} {estimated(metric, score.ensemble_test.all)} {unit_of(metric)}".rstrip()
            for metric in self.task.metrics
        ]
        best = (
            f"{self.best} is the best of {len(self.scores)} experiments by selection {primary.title}, each "
            f"fold left out of what is chosen by it: {valued(primary, score.selection[primary.name])}, where "
            f"validation says {averaged(primary, score.mean('val', primary.name))} over folds. Its fold "
            f"ensemble on the held-out test: {', '.join(ensemble)} (95 % intervals bootstrapped by sample, "
            "as all in brackets here)."
        )
        return [best, self._base_sentence()]

    def claim(self) -> Claim:
        """Say which is best, by what decides."""
        found, metric = self.scores[self.best].ensemble_test.all, self.task.primary
        told = f"{self.best} is the best of {len(self.scores)} experiments; beside, its {metric.title}."
        return Claim(told, scored(metric, self.best, found))

    def _base_sentence(self) -> str:
        """Set the best beside the baseline: no claim, as deviations over folds are no interval."""
        if self.baseline is None:
            return "Sample ids carry no number: what a split by sample alone explains cannot be said."
        plain, unit = self.task.plain, unit_of(self.task.plain)
        own, base = self.scores[self.best].mean("test", plain.name), self.baseline[f"test_{plain.name}"]
        return (
            f"The sample's number alone, without any image, has {plain.title} {averaged(plain, base)} {unit} "
            f"on the held-out test, a model of {self.best} {averaged(plain, own)} {unit} (mean ± standard "
            "deviation over folds, which is no interval)."
        )

    def section(self) -> Section:
        """Write scores, intervals and reliability."""
        pooled = {name: score.out_of_fold for name, score in self.scores.items()}
        about = "Pooled: every image predicted by the fold that validates on it"
        blocks: list[Block] = [
            self._overview(),
            self._parts(),
            *(self._of_classes(metric) for metric in self.task.by_class),
            *self._decoded(),
            pooled_table(self.task, "Experiment", pooled, about, "images"),
            *self._reliability(),
        ]
        return Section("Experiments", blocks)

    def _means(self, score: ExperimentScores, part: str, metrics: Sequence[Metric] = ()) -> list[str]:
        metrics = metrics or self.task.metrics
        return [averaged(metric, score.mean(part, metric.name)) for metric in metrics]

    def _overview(self) -> Table:
        first, metrics = next(iter(self.scores.values())).ensemble_test.all, self.task.metrics
        title = self.task.primary.title
        rows = []
        for name, score in self.scores.items():
            chosen = score.selection
            selection = valued(self.task.primary, chosen[self.task.primary.name])
            optimism = valued(self.task.primary, chosen["optimism"], sign=True)
            over_folds = [mean for part in _CHOSEN for mean in self._means(score, part)]
            ensemble = [estimated(metric, score.ensemble_test.all) for metric in metrics]
            rows.append([name, selection, optimism, *over_folds, *ensemble])
        if self.baseline is not None:
            base = self.baseline
            means = [averaged(one, base[f"{part}_{one.name}"]) for part in _CHOSEN for one in metrics]
            rows.append(["sample id only (sees no image)", "", "", *means, *([""] * len(metrics))])
        return Table(
            f"{capital(named(metrics))} ({self.what}). Selection {title}, by which the best is chosen: each "
            "fold in turn is left out of the choice of epoch, and of settings where a search chose them, and "
            f"scores what the others chose. Optimism: how much better validation {title} is. Mean ± "
            "population standard deviation over folds; "
            f"ensemble: mean of the folds' probabilities on the same {first.images} test images of "
            f"{first.samples} samples, with 95 % intervals bootstrapped by sample.",
            [
                "Experiment",
                f"selection {title}",
                "optimism",
                *(f"{part} {metric.title}" for part in (*_CHOSEN, "ensemble test") for metric in metrics),
            ],
            rows,
        )

    def _parts(self) -> Table:
        shown = (*self.task.metrics, *self.task.also)
        return Table(
            "Every part, without augmentation: mean ± population standard deviation over folds",
            ["Experiment, part", *(heading(metric) for metric in shown), "loss"],
            [
                [f"{name}, {part}", *self._means(score, part, shown), plus_minus(loss.mean, loss.std)]
                for name, score in self.scores.items()
                for part in PARTS
                for loss in [score.mean(part, "loss")]
            ],
        )

    def _of_classes(self, metric: Metric) -> Table:
        def cell(score: ExperimentScores, label: str) -> str:
            found = score.of_class("test", metric.name, label)
            return "none in the test" if found is None else averaged(metric, found)

        test = next(iter(self.scores.values())).ensemble_test.all.images
        return Table(
            f"{capital(named([metric]))} of each class on the held-out test ({test} images): mean ± "
            "population standard deviation over folds",
            ["Experiment", *self.classes],
            [[name, *(cell(score, label) for label in self.classes)] for name, score in self.scores.items()],
        )

    def _decoded(self) -> list[Block]:
        if not self.decoded:
            return []
        metrics = self.task.metrics
        rows = [
            [
                f"{name}, {part}",
                *(averaged(metric, found[part][metric.name]) for metric in metrics),
                *self._means(self.scores[name], part),
                f"{self.scores[name].mean(part, 'invalid').mean:.1f}",
            ]
            for name, found in self.decoded.items()
            for part in PARTS
        ]
        ways = [f"{way} {metric.title}" for way in ("exact", "most probable") for metric in metrics]
        return [
            Table(
                "Multilabel, two ways to read the atoms: exact match takes those above one half and is wrong "
                "where they are no material (the paper's decoding); most probable takes the likeliest "
                "material. Mean ± population standard deviation over folds; invalid: outputs per fold of no "
                "material",
                ["Experiment, part", *ways, "invalid"],
                rows,
            )
        ]

    def _reliability(self) -> list[Block]:
        found = {name: score.reliability for name, score in self.scores.items() if score.reliability}
        if not found:
            return []
        first = next(iter(found.values()))
        rows = [
            [
                name,
                f"{one.ece_before:.3f}, {one.ece_after:.3f}",
                f"{one.nll_before:.3f}, {one.nll_after:.3f}",
                with_interval(one.coverage, one.coverage_ci95, percent=True),
                f"{one.set_size:.2f}",
                with_interval(one.flagged, one.flagged_ci95, percent=True),
            ]
            for name, one in found.items()
        ]
        caption = (
            f"How far the fold ensembles can be trusted, on the held-out test ({first.images} images of "
            f"{first.samples} samples): calibration error (15 bins) and negative log-likelihood before and "
            "after temperature scaling; sets that should hold the true class in 90 % of images; images "
            "called unfamiliar though they are not (at most 5 %). 95 % intervals bootstrapped by sample"
        )
        columns = ["calibration error", "likelihood", "in the set (%)", "classes", "unfamiliar (%)"]
        return [Table(caption, ["Experiment", *columns], rows)]
