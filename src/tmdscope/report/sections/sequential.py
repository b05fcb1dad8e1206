"""Classes added to a classifier one after another, of every study that has sequences."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tmdscope.progress import duration
from tmdscope.report.answer import difference
from tmdscope.report.figures.embeddings import latent_stages
from tmdscope.report.page import Block, Claim, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.arms import ARMS, Arms, PublishedSequences, stage_name
from tmdscope.report.text import decided, percent, plus_minus
from tmdscope.scores.intervals import Bounds, tell_interval
from tmdscope.scores.paired import PER_CLASS
from tmdscope.scores.task import Metric
from tmdscope.sequential.outcome import SMALL
from tmdscope.sequential.plan import Arm
from tmdscope.sequential.record import Chain, LatentDrift, Leak, SequenceRecord, Together, Transfer

_BUDGET = "sequential - direct-equal-budget"
_CLAIMS = {
    "sequential - direct": (
        "A sequential model is at least as good as a direct one trained for one stage's epochs"
    ),
    _BUDGET: (
        "A sequential model is at least as good as a direct one trained for the epochs of all stages so far"
    ),
    "multilabel - multiclass": "Sequential multilabel is at least as good as sequential multiclass",
}
"""What the difference of each question says where it is not below zero."""

_DRAWN = {
    "sample": "whole samples in a random order, so that one sample's images come together",
    "image": "single images in a random order, as in the paper",
}
_STARTS = {
    "fold": "Every fold goes on from its own model of the stage before",
    "paper": "All folds go on from one fold's model of the stage before, as in the paper, which leaks",
}
_HEADS = {
    "grow": "multiclass keeps the weights of known outputs and draws those of the new one",
    "paper": "multiclass draws its last layer anew, as in the paper",
}
_ATOMS = "multilabel has an output for every atom from the start"
_COMPARED: tuple[Arm, ...] = ("sequential", "direct")


@dataclass(frozen=True)
class SequencesPart(Part):
    """What sequences gave, None where they are left out, told by the task's primary metric.

    `published` stands beside; `note` is what a reader must know of the images before the numbers.
    """

    found: SequenceRecord | None
    metric: Metric
    classes: Sequence[str]
    published: PublishedSequences | None = None
    note: str = ""

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers that the section shows.

        ``enabled``, and where it is true: ``comparisons`` (question, encoding where there are several, all or
        small volumes), ``points`` (per encoding, stage, volume and arm), ``chains`` (per encoding), ``leak``
        and ``drift`` (per encoding and stage).
        """
        if self.found is None:
            return {"sequential": {"enabled": False}}
        return {"sequential": {"enabled": True, **_Shown(self.found, self.metric, self.published).numbers()}}

    def sentences(self) -> list[str]:
        """Say whether going on from a model beats training anew for as many epochs; none if nothing ran."""
        parts = [
            f"{entry.encoding or 'both encodings'} "
            f"{tell_interval(entry.all.difference, entry.all.ci95, self.metric.form)}: "
            + decided(entry.all.ci95, "sequential is better", "training anew is better")
            for entry in (self.found.comparisons if self.found else [])
            if entry.question == _BUDGET
        ]
        lead = (
            "Materials added one after another less a model trained anew for as many epochs, test "
            f"{self.metric.title} over stages and volumes: "
        )
        return [lead + "; ".join(parts) + "."] if parts else []

    def claim(self) -> Claim | None:
        """Say of one encoding whether going on beats training anew; None if nothing ran."""
        asked = [one for one in (self.found.comparisons if self.found else []) if one.question == _BUDGET]
        if not asked:
            return None
        found, sign = asked[0].all, 1 if self.metric.higher_is_better else -1
        bounds = found.ci95 and sorted(sign * bound for bound in found.ci95)
        better, worse = "helps against training anew for as long", "does worse than training anew for as long"
        says = decided(bounds, better, worse)
        said = says if says in (better, worse) else f"against training anew for as long: {says}"
        label = f"{asked[0].encoding or 'both encodings'}, going on less anew"
        gauge = difference(label, found.difference, found.ci95, self.metric)
        return Claim(f"Going on from a model of fewer materials {said}.", gauge)

    def section(self) -> Section | None:
        """Write what was trained, which claims of the paper hold here, its Figures 4 and 5, and tables."""
        if self.found is None:
            return None
        shown = _Shown(self.found, self.metric, self.published)
        return Section("Materials added one after another", shown.blocks(self.classes, self.note))


@dataclass(frozen=True)
class _Shown(Arms):
    """Sequences that ran."""

    def numbers(self) -> dict[str, Any]:
        record, test = self.record, f"test_{self.metric.name}"
        chains = {
            chain.encoding: {
                **_pick(chain, "backward_transfer", "forgetting"),
                "classes": {name: vars(changes) for name, changes in chain.classes.items()},
                PER_CLASS[0].name: chain.shares,
            }
            for chain in record.chains
        }
        points = (
            (
                (point.encoding, f"{point.materials}-materials", str(point.volume), point.arm),
                {
                    test: point.test[self.metric.name].mean,
                    f"{test}_ci95": point.ci95,
                    "changed": {
                        key: value for key, value in vars(point.changed).items() if value is not None
                    },
                },
            )
            for point in record.points
        )
        comparisons = (
            (
                (*filter(None, (entry.question, entry.encoding)), name),
                _pick(group, "difference", "ci95", "verdict"),
            )
            for entry in record.comparisons
            for name, group in entry.groups.items()
        )
        leak = {"seen": "seen", f"val_{self.metric.name}": "val", test: "test", f"{test}_ci95": "ci95"}
        return {
            "comparisons": _nested(comparisons),
            "chains": chains,
            "points": _nested(points),
            "leak": _nested(
                (_stage_key(entry), {key: getattr(entry, name) for key, name in leak.items()})
                for entry in record.leak
            ),
            "drift": _nested(
                (_stage_key(entry), {arm: _pick(getattr(entry, arm), "mean", "std") for arm in _COMPARED})
                for entry in record.drift
            ),
        }

    def blocks(self, classes: Sequence[str], note: str) -> list[Block]:
        return [
            self._lead(),
            *([Note(note)] if note else []),
            self._claims(),
            self._comparisons(),
            *self.compared(),
            self._class_shares(),
            self._changes(),
            *self._leak(),
            *self._latent(classes),
            *self._versions(),
        ]

    def _lead(self) -> Paragraph:
        record, settings = self.record, self.record.settings
        members, seeds = record.members, settings.seeds
        heads = {"multiclass": _HEADS[settings.head], "multilabel": _ATOMS}
        start = "; ".join([_STARTS[settings.start], *(heads[encoding] for encoding in self.encodings)])
        first = " and ".join(record.stages[0].classes)
        seeds_of = f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'} ({', '.join(map(str, seeds))})"
        return Paragraph(
            f"After Figures 4 and 5 of the TMD paper: a model learns {first}, then one more material at each "
            f"stage: {', '.join(stage.added for stage in record.added)}. A sequential model goes on from the "
            "stage before at full volume. A direct one is trained anew on all materials of its stage, once "
            f"for the {settings.epochs} epochs of one stage and once, at equal budget, for those of all "
            f"stages so far. {start}. A volume counts the images of the added material in training and "
            "validation together; smaller ones are parts of larger ones, drawn from "
            f"{_DRAWN[settings.reduce_by]}. Older materials keep all their images, and the test is never "
            f"reduced. Every number is a mean over {members} models: {members // len(seeds)} folds for each "
            f"of {seeds_of}. All trainings took {duration(record.seconds)}."
        )

    def _claims(self) -> Note:
        answers: list[str] = []
        for question, claim in _CLAIMS.items():
            parts = []
            for entry in (entry for entry in self.record.comparisons if entry.question == question):
                where = "over all volumes" if entry.encoding is None else f"for {entry.encoding}"
                parts.append(f"{self._verdict(entry.all)} {where}")
                if entry.encoding is None and entry.small is not None:
                    parts.append(f"{self._verdict(entry.small)} at volumes of up to {SMALL} images")
            if parts:
                answers.append(f"({len(answers) + 1}) {claim}: {', '.join(parts)}.")
        return Note(
            f"Do the paper's claims hold here? In brackets the mean difference in test {self.metric.title} "
            f"and its 95 % interval. {' '.join(answers)}"
        )

    def _verdict(self, group: Together) -> str:
        return f"{group.verdict} ({self._difference(group.difference, group.ci95)})"

    def _difference(self, value: float, interval: Bounds) -> str:
        return tell_interval(value, interval, f"+{self.metric.form}")

    def _comparisons(self) -> Table:
        names = {str(arm): words for arm, words in ARMS.items()}
        volumes = {"all": "all", "small": f"up to {SMALL}"}
        title = self.metric.title
        rows = [
            {
                "Difference": f"{left} less {names.get(right, right)}",
                "encoding": entry.encoding or "sequential of both",
                "volumes": volumes[group],
                title: self._difference(found.difference, found.ci95),
                "points not below zero": f"{found.points_not_below} of {found.points}",
                "claim": found.verdict,
            }
            for entry in self.record.comparisons
            for left, right in [entry.sides]
            for group, found in entry.groups.items()
        ]
        return Table.of(
            f"Paired differences in test {title}, mean over stages and volumes, with 95 % intervals: both "
            "models of a pair saw the same images, and intervals draw test samples and models, the same for "
            "both. The claim that a difference is at least zero holds where the interval does not reach "
            "below zero, fails where all of it is below, and is undecided otherwise",
            rows,
        )

    def _class_shares(self) -> Table:
        rows, stages = [], self.record.stages

        def row(
            name: str, encoding: str, shares: Sequence[str], won: Transfer | Chain | None
        ) -> dict[str, str]:
            return {
                "Material": name,
                "encoding": encoding,
                **{f"{len(of.classes)} materials": one for of, one in zip(stages, shares, strict=True)},
                "backward transfer": "" if won is None else _points(won.backward_transfer),
                "forgetting": "" if won is None else _points(won.forgetting),
            }

        for chain in self.record.chains:
            for name in stages[-1].classes:
                shares = [
                    _share(known.get(name)) if name in stage.classes else ""
                    for stage, known in zip(stages, chain.shares, strict=True)
                ]
                rows.append(row(name, chain.encoding, shares, chain.classes.get(name)))
            rows.append(row("Mean of the older", chain.encoding, [""] * len(stages), chain))
        return Table.of(
            "Share of each material's test images that are named rightly, in %, after each stage at full "
            "volume (sequential, mean over models), and points won or lost. Backward transfer: after the "
            "last stage less when the material came (Lopez-Paz & Ranzato 2017, arXiv:1706.08840). "
            "Forgetting: best before the last stage less after it, so that a gain is negative (Chaudhry et "
            "al. 2018, arXiv:1801.10112). Images of older materials stay in training, unlike in those works",
            rows,
        )

    def _changes(self) -> Table:
        caption = (
            "What an addition does to the test: mean change, in points, of the share of the older materials' "
            "images that are named rightly, since the full stage before, and that share of the added "
            "material in % (mean over models; direct: trained for one stage's epochs)"
        )
        rows = []
        for place in self.places():
            changed = {arm: self.point(arm, place).changed for arm in _COMPARED}
            older = {f"older, {arm}": _points(one.old) for arm, one in changed.items()}
            rows.append(
                {**place.cells, **older, **{f"added, {k}": _share(of.added) for k, of in changed.items()}}
            )
        return Table.of(caption, rows)

    def _leak(self) -> list[Block]:
        leak, metric = self.record.leak, self.metric
        if not leak:
            return []

        def signed(value: float) -> str:
            return metric.tell(value, sign=True)

        seen = _span([entry.seen for entry in leak], percent)
        val, test = (_span([getattr(entry, part) for entry in leak], signed) for part in ("val", "test"))
        rows = [
            {
                **self._stage(entry),
                "seen (%)": percent(entry.seen),
                f"val {metric.title}": signed(entry.val),
                f"test {metric.title} [95 % interval]": self._difference(entry.test, entry.ci95),
            }
            for entry in leak
        ]
        lead = (
            "The paper starts all folds of a stage from one fold's model: that model was trained on "
            f"{seen} % of the images that the folds validate on, and starting so moves validation "
            f"{metric.title} by {val} and test {metric.title} by {test}."
        )
        caption = (
            "Start from one fold's model less start from each fold's own, full volume, mean over models; "
            "seen: share of validation images that the one fold's model was trained on, mean over folds"
        )
        return [Paragraph(lead), Table.of(caption, rows)]

    def _latent(self, classes: Sequence[str]) -> list[Block]:
        shown = ", ".join(dict.fromkeys(self.record.panels["encoding"]))
        moved = [
            {
                **self._stage(entry),
                "sequential": plus_minus(entry.sequential.mean, entry.sequential.std),
                "direct": plus_minus(entry.direct.mean, entry.direct.std),
            }
            for entry in self.record.drift
        ]
        return [
            Figure(
                "First two principal components of the embedding, stage by stage (as the paper's Figure 5; "
                "sequential, full volume, fold 0 of the first seed, all images). Each panel is laid over the "
                "one before by one rotation or reflection, one scale and one shift. Large marks are class "
                "means.",
                f"Scatter of PC1 and PC2 by material, one row of panels for each encoding ({shown}) and one "
                "column for each stage.",
                latent_stages(self.record.panels, classes),
            ),
            Table.of(
                "Drift of the older materials' class means since the stage before, all 100 values, mean ± "
                "standard deviation over folds of the first seed. The unit is the root mean square distance "
                "between class means before, after Procrustes alignment: at 0 every class keeps its place, "
                "at 1 it moves as far as classes lie apart. Direct: a model trained anew beside the same "
                "stage before",
                moved,
            ),
        ]

    def _versions(self) -> list[Block]:
        rows = [
            {
                "Model": one.name,
                "version": str(one.number),
                "encoding": one.encoding,
                "materials": str(one.materials),
                "volume": str(one.volume),
            }
            for one in self.record.versions
        ]
        return [Table.of("Registered models of the stages", rows)] if rows else []

    def _stage(self, entry: Leak | LatentDrift) -> dict[str, str]:
        stage = next(of for of in self.record.added if len(of.classes) == entry.materials)
        return {"Stage": stage_name(stage), "encoding": entry.encoding}


def _share(share: float | None) -> str:
    return "no test images" if share is None else percent(share)


def _points(share: float | None) -> str:
    return "" if share is None else percent(share, sign=True)


def _span(values: Sequence[float], form: Callable[[float], str]) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low} to {high}"


def _stage_key(entry: Leak | LatentDrift) -> tuple[str, str]:
    return entry.encoding, f"{entry.materials}-materials"


def _pick(entry: object, *names: str) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in names}


def _nested(leaves: Iterable[tuple[Sequence[str], Any]]) -> dict[str, Any]:
    """Build nested objects from leaves, each with the keys that lead to it."""
    found: dict[str, Any] = {}
    for (*path, last), leaf in leaves:
        place = found
        for key in path:
            place = place.setdefault(key, {})
        place[last] = leaf
    return found
