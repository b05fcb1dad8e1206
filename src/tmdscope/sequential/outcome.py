"""What a sequence amounts to: scores of every stage, what was gained and forgotten, and paired differences.

A *member* of a training is one fold of one seed. Members of two trainings are paired: they saw the same
images and drew the same numbers. Intervals draw test samples and members with replacement, the same for both;
where few samples tell anything they are those of `tmdscope.scores.bootstrap.interval_over_samples`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tmdscope.dataset.splits import FoldParts
from tmdscope.params.common import ScoringParams
from tmdscope.params.sequential import Encoding, Volume
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.folds import PARTS, MeanStd, mean_std
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.paired import PER_CLASS
from tmdscope.scores.task import Metric
from tmdscope.sequential.drawing import Cell, Drawn, draw_cells, mean_drawn, members_of
from tmdscope.sequential.drift import measure_latent_drift
from tmdscope.sequential.plan import Arm, Plan
from tmdscope.sequential.record import (
    Chain,
    Changed,
    ClaimState,
    Differences,
    Leak,
    Point,
    PointDifference,
    Shares,
    StageSummary,
    Summary,
    Together,
    Transfer,
)
from tmdscope.sequential.run import StageResult

SMALL = 16
"""Volumes up to this many images are called small."""

_CONTROLS: tuple[Arm, ...] = ("direct", "direct-equal-budget")

_Pairs = Mapping[tuple[int, Volume], tuple[Cell, Cell]]
"""Number of a stage, and volume, to the two cells that are compared there."""


def summarise(plan: Plan, results: Sequence[StageResult], cohort: Cohort, scoring: ScoringParams) -> Summary:
    """Summarise a sequence; the cohort's targets are in the order of the classes' coming."""
    scored = _Scored(plan, results, cohort, scoring)
    return Summary(
        stages=scored.stages(),
        members=len(members_of(next(iter(scored.cells.values())))),
        points=[scored.point(cell) for cell in scored.cells],
        chains=[scored.chain(encoding) for encoding in plan.params.encodings],
        comparisons=scored.comparisons(),
        leak=scored.leak() if plan.params.measure_leak else [],
        drift=measure_latent_drift(plan, results, cohort.targets),
    )


def say_claims(found: Summary, metric: Metric) -> list[str]:
    """Say what the comparisons of `summarise`, in the primary metric, have shown, a line for each."""
    lines = []
    for entry in found.comparisons:
        name = " ".join(filter(None, (entry.question, entry.encoding)))
        for where, group in entry.groups.items():
            told = f"{tell_interval(group.difference, group.ci95, f'+{metric.form}')}, mean of {group.points}"
            lines.append(f"{name}, {where} volumes: test {metric.title} {told}: {group.verdict}")
    return lines


def verdict(interval: Sequence[float] | None) -> ClaimState:
    """Say whether a difference is at least zero; undecided where its interval holds zero, or is none."""
    if interval is None:
        return "undecided"
    low, high = interval
    if low >= 0:
        return "holds"
    return "fails" if high < 0 else "undecided"


def seen_share(parts: Sequence[FoldParts], before: Sequence[FoldParts], fold: int) -> float:
    """Give the mean share of validation images of a stage that one fold's earlier model was trained on.

    It is the model of the stage before that all folds start from.
    """
    return float(np.mean([np.isin(part.val, before[fold].train).mean() for part in parts]))


class _Scored:
    """Trainings by cell, one for each seed, with draws of the test and shares of its classes."""

    def __init__(
        self, plan: Plan, results: Sequence[StageResult], cohort: Cohort, scoring: ScoringParams
    ) -> None:
        self.plan = plan
        self.metrics, self.metric = cohort.task.metrics, cohort.task.primary
        self.cells: dict[Cell, list[StageResult]] = {}
        for result in results:
            training = result.training
            cell = Cell(training.arm, training.encoding, training.stage.number, training.volume)
            self.cells.setdefault(cell, []).append(result)
        self.drawn = draw_cells(self.cells, cohort, scoring)
        self.shares = {cell: self._shares(cell) for cell in self.cells}

    def stages(self) -> list[StageSummary]:
        """Describe every stage."""
        images = {cell.stage: len(found[0].parts[0].test) for cell, found in self.cells.items()}
        return [
            StageSummary(list(stage.classes), stage.added, images[stage.number]) for stage in self.plan.stages
        ]

    def point(self, cell: Cell) -> Point:
        """Score a cell."""
        members = members_of(self.cells[cell])
        scores = {
            part: {
                metric.name: MeanStd(**mean_std([fold.scores[f"{part}_{metric.name}"] for fold in members]))
                for metric in self.metrics
            }
            for part in PARTS
        }
        return Point(
            cell.arm,
            cell.encoding,
            self._materials(cell.stage),
            cell.volume,
            **scores,
            ci95=self.drawn[cell].interval(self._mean(cell)),
            shares=self.shares[cell],
            changed=self._changed(cell),
        )

    def chain(self, encoding: Encoding) -> Chain:
        """Measure backward transfer (Lopez-Paz & Ranzato 2017) and forgetting (Chaudhry et al. 2018).

        Both over the classes that were there before the last stage, at full volume. Old classes' images stay
        in training, so this is no continual learning without memory.
        """
        stages = [
            self.shares[Cell("sequential", encoding, stage.number, "full")] for stage in self.plan.stages
        ]
        classes = {}
        for name in stages[-2]:
            course = [stage[name] for stage in stages if name in stage]
            classes[name] = Transfer(course[-1] - course[0], max(course[:-1]) - course[-1])
        return Chain(
            encoding,
            stages,
            classes,
            float(np.mean([entry.backward_transfer for entry in classes.values()])),
            float(np.mean([entry.forgetting for entry in classes.values()])),
        )

    def comparisons(self) -> list[Differences]:
        """Compare sequences with both controls, and encodings where there are two."""
        encodings, stages = self.plan.params.encodings, self.plan.stages[1:]
        points = [(stage.number, volume) for stage in stages for volume in self.plan.params.volumes]
        found = [
            self._compare(
                f"sequential - {control}",
                {p: (Cell("sequential", encoding, *p), Cell(control, encoding, *p)) for p in points},
                encoding,
            )
            for control in _CONTROLS
            for encoding in encodings
        ]
        if {"multiclass", "multilabel"} <= set(encodings):
            pairs: _Pairs = {
                p: (Cell("sequential", "multilabel", *p), Cell("sequential", "multiclass", *p))
                for p in points
            }
            found.append(self._compare("multilabel - multiclass", pairs))
        return found

    def leak(self) -> list[Leak]:
        """Say what starting all folds from one fold's model changes, against starting each from its own."""
        arms: list[Arm] = ["other-start", "sequential"]
        leaking, clean = arms if self.plan.params.start == "fold" else reversed(arms)
        found = []
        for encoding in self.plan.params.encodings:
            for stage in self.plan.stages[1:]:
                one = Cell(leaking, encoding, stage.number, "full")
                other = one._replace(arm=clean)
                before = Cell("sequential", encoding, stage.number - 1, "full")
                parts, earlier = (self.cells[cell][0].parts for cell in (other, before))
                gained = self._gain(one, other)
                found.append(
                    Leak(
                        encoding,
                        len(stage.classes),
                        seen=seen_share(parts, earlier, self.plan.params.paper_fold),
                        val=self._gain(one, other, "val"),
                        test=gained,
                        ci95=self._drawn_gain(one, other).interval(gained),
                    )
                )
        return found

    def _compare(self, question: str, pairs: _Pairs, encoding: Encoding | None = None) -> Differences:
        """Compare at every point, over all of them, and over those with a small volume if there are any."""
        gains = {point: self._gain(*pair) for point, pair in pairs.items()}
        draws = {point: self._drawn_gain(*pair) for point, pair in pairs.items()}
        small = [point for point in pairs if point[1] != "full" and point[1] <= SMALL]

        def together(points: Sequence[tuple[int, Volume]]) -> Together:
            own = [gains[point] for point in points]
            difference = float(np.mean(own))
            interval = mean_drawn([draws[point] for point in points]).interval(difference)
            not_below = sum(value >= 0 for value in own)
            return Together(difference, interval, verdict(interval), len(own), not_below)

        return Differences(
            question,
            [
                PointDifference(self._materials(p[0]), p[1], gains[p], draws[p].interval(gains[p]))
                for p in pairs
            ],
            all=together(list(pairs)),
            small=together(small) if small else None,
            encoding=encoding,
        )

    def _materials(self, stage: int) -> int:
        return len(self.plan.stages[stage].classes)

    def _mean(self, cell: Cell, part: str = "test") -> float:
        return float(
            np.mean([fold.scores[f"{part}_{self.metric.name}"] for fold in members_of(self.cells[cell])])
        )

    def _gain(self, cell: Cell, other: Cell, part: str = "test") -> float:
        return self.metric.gain(self._mean(cell, part), self._mean(other, part))

    def _drawn_gain(self, cell: Cell, other: Cell) -> Drawn:
        one, two = self.drawn[cell], self.drawn[other]
        return one.less(two) if self.metric.higher_is_better else two.less(one)

    def _shares(self, cell: Cell) -> Shares:
        """Share of every class's test images, mean over members; a class without any is left out."""
        members = members_of(self.cells[cell])
        keys = {name: f"test_{PER_CLASS[0].name}.{name}" for name in self.plan.stages[cell.stage].classes}
        return {
            name: float(np.mean([fold.scores[key] for fold in members]))
            for name, key in keys.items()
            if key in members[0].scores
        }

    def _changed(self, cell: Cell) -> Changed:
        """Share of the added class, and mean change of the others since the sequence's stage before."""
        if cell.stage == 0:
            return Changed()
        chain: Arm = cell.arm if cell.arm == "other-start" and cell.stage > 1 else "sequential"
        before = self.shares[Cell(chain, cell.encoding, cell.stage - 1, "full")]
        changes = [self.shares[cell][name] - value for name, value in before.items()]
        return Changed(float(np.mean(changes)), self.shares[cell].get(self.plan.stages[cell.stage].added))
