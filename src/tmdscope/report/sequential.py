"""Sequential transfer: materials added to a classifier one after another, beside the TMD paper's values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from tmdscope.report.figure_4 import ARMS, Outcome, figure_4_blocks, stage_name
from tmdscope.report.figures.embeddings import latent_stages
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table, plus_minus
from tmdscope.scores.intervals import tell_interval
from tmdscope.sequential.outcome import SMALL
from tmdscope.sequential.plan import Arm

_CLAIMS = {
    "sequential - direct": (
        "A sequential model is at least as good as a direct one trained for one stage's epochs"
    ),
    "sequential - direct-equal-budget": (
        "A sequential model is at least as good as a direct one trained for the epochs of all stages so far"
    ),
    "multilabel - multiclass": "Sequential multilabel is at least as good as sequential multiclass",
}
"""What the difference of each question says where it is not below zero."""

_CHANGES = ("backward_transfer", "forgetting")
_MISSING = "no test images"


def sequential_section(
    content: Mapping[str, Any],
    panels: pd.DataFrame,
    classes: Sequence[str],
    note: str | None = None,
) -> Section:
    """Write what was trained, which claims of the paper hold here, Figures 4 and 5 and their tables.

    Parameters
    ----------
    content : mapping
        ``sequential.json`` of a sequence that ran; ValueError for one that did not.
    panels : pandas.DataFrame
        See `tmdscope.sequential.drift.latent_panels`.
    note : str, optional
        What a reader must know of the images before the numbers, such as that they are simulated.
    """
    if not content.get("enabled", True):
        raise ValueError("the sequence did not run: it has no section")
    outcome = Outcome(content)
    blocks: list[Block] = [
        _lead(outcome),
        *([] if note is None else [Note(note)]),
        _claims(outcome),
        _comparisons(outcome),
        *figure_4_blocks(outcome),
        _class_accuracy(outcome),
        _changes(outcome),
        *_leak(outcome),
        *_latent(outcome, panels, classes),
        *_versions(outcome),
    ]
    return Section("Materials added one after another", blocks)


def _lead(outcome: Outcome) -> Paragraph:
    content, settings = outcome.content, outcome.content["settings"]
    members, seeds, epochs = content["members"], settings["seeds"], settings["epochs"]
    drawn = {
        "sample": "whole samples in a random order, so that one sample's images come together",
        "image": "single images in a random order, as in the paper",
    }[settings["reduce_by"]]
    first = " and ".join(content["stages"][0]["classes"])
    return Paragraph(
        f"After Figures 4 and 5 of the TMD paper: a model learns {first}, "
        f"then one more material at each stage: {', '.join(stage['added'] for stage in outcome.added)}. A "
        "sequential model goes on from the stage before at full volume. A direct one is trained anew on all "
        f"materials of its stage, once for the {epochs} epochs of one stage and once, at equal budget, for "
        f"those of all stages so far. {_start(outcome)} A volume counts the images of the added material in "
        f"training and validation together; smaller ones are parts of larger ones, drawn from {drawn}. Older "
        "materials keep all their images, and the test is never reduced. Every number is a mean over "
        f"{members} models: {members // len(seeds)} folds for each of {len(seeds)} "
        f"{'seed' if len(seeds) == 1 else 'seeds'} ({', '.join(map(str, seeds))}). All trainings took "
        f"{_duration(content['seconds'])}."
    )


def _start(outcome: Outcome) -> str:
    settings = outcome.content["settings"]
    start = {
        "fold": "Every fold goes on from its own model of the stage before",
        "paper": "All folds go on from one fold's model of the stage before, as in the paper, which leaks",
    }[settings["start"]]
    multiclass = {
        "grow": "multiclass keeps the weights of known outputs and draws those of the new one",
        "paper": "multiclass draws its last layer anew, as in the paper",
    }[settings["head"]]
    heads = {"multiclass": multiclass, "multilabel": "multilabel has an output for every atom from the start"}
    return f"{start}; {'; '.join(heads[encoding] for encoding in outcome.encodings)}."


def _claims(outcome: Outcome) -> Note:
    found = outcome.content["comparisons"]
    answers = [
        (
            _CLAIMS[question],
            [f"{_verdict(e['all'])} for {e['encoding']}" for e in found if e["question"] == question],
        )
        for question in ("sequential - direct", "sequential - direct-equal-budget")
    ]
    for entry in found:
        if entry["question"] == "multilabel - multiclass":
            parts = [f"{_verdict(entry['all'])} over all volumes"]
            if "small" in entry:
                parts.append(f"{_verdict(entry['small'])} at volumes of up to {SMALL} images")
            answers.append((_CLAIMS[entry["question"]], parts))
    claims = " ".join(
        f"({number}) {claim}: {', '.join(parts)}." for number, (claim, parts) in enumerate(answers, start=1)
    )
    return Note(
        "Do the paper's claims hold here? In brackets the mean difference in test macro F1 and its 95 % "
        f"interval. {claims}"
    )


def _verdict(group: Mapping[str, Any]) -> str:
    return f"{group['verdict']} ({_difference(group['difference'], group['ci95'])})"


def _comparisons(outcome: Outcome) -> Table:
    rows, names = [], {str(arm): words for arm, words in ARMS.items()}
    for entry in outcome.content["comparisons"]:
        left, right = entry["question"].split(" - ")
        for group, volumes in (("all", "all"), ("small", f"up to {SMALL}")):
            if group in entry:
                found = entry[group]
                rows.append(
                    [
                        f"{left} less {names.get(right, right)}",
                        entry.get("encoding", "sequential of both"),
                        volumes,
                        _difference(found["difference"], found["ci95"]),
                        f"{found['points_not_below']} of {found['points']}",
                        found["verdict"],
                    ]
                )
    return Table(
        "Paired differences in test macro F1, mean over stages and volumes, with 95 % intervals: both models "
        "of a pair saw the same images, and intervals draw test samples and models, the same for both. The "
        "claim that a difference is at least zero holds where the interval does not reach below zero, fails "
        "where all of it is below, and is undecided otherwise",
        ["Difference", "encoding", "volumes", "macro F1", "points not below zero", "claim"],
        rows,
    )


def _class_accuracy(outcome: Outcome) -> Table:
    stages = outcome.content["stages"]
    rows = []
    for chain in outcome.content["chains"]:
        for name in stages[-1]["classes"]:
            changes = chain["classes"].get(name)
            rows.append(
                [
                    name,
                    chain["encoding"],
                    *(
                        _percent(known.get(name)) if name in stage["classes"] else ""
                        for stage, known in zip(stages, chain["recall"], strict=True)
                    ),
                    *(_points(changes[key]) if changes else "" for key in _CHANGES),
                ]
            )
        rows.append(
            [
                "Mean of the older",
                chain["encoding"],
                *("" for _ in stages),
                *(_points(chain[key]) for key in _CHANGES),
            ]
        )
    return Table(
        "Share of each material's test images that are named rightly, in %, after each stage at full volume "
        "(sequential, mean over models), and points won or lost. Backward transfer: after the last stage "
        "less when the material came (Lopez-Paz & Ranzato 2017, arXiv:1706.08840). Forgetting: best before "
        "the last stage less after it, so that a gain is negative (Chaudhry et al. 2018, arXiv:1801.10112). "
        "Images of older materials stay in training, unlike in those works",
        [
            "Material",
            "encoding",
            *(f"{len(stage['classes'])} materials" for stage in stages),
            "backward transfer",
            "forgetting",
        ],
        rows,
    )


def _changes(outcome: Outcome) -> Table:
    arms: tuple[Arm, ...] = ("sequential", "direct")
    rows = []
    for place in outcome.places:
        changed = [outcome.point(arm, place)["changed"] for arm in arms]
        rows.append(
            [
                *place.cells,
                *(_points(found["old"]) for found in changed),
                *(_percent(found.get("added")) for found in changed),
            ]
        )
    return Table(
        "What an addition does to the test: mean change of the older materials' accuracy in points, since "
        "the full stage before, and accuracy of the added material in % (mean over models; direct: trained "
        "for one stage's epochs)",
        [
            "Stage",
            "encoding",
            "volume",
            "older, sequential",
            "older, direct",
            "added, sequential",
            "added, direct",
        ],
        rows,
    )


def _leak(outcome: Outcome) -> list[Block]:
    leak = outcome.content["leak"]
    if not leak:
        return []
    seen, val, test = (
        _span([entry[key] for entry in leak], form)
        for key, form in (("seen", _percent), ("val_macro_f1", _signed), ("test_macro_f1", _signed))
    )
    return [
        Paragraph(
            "The paper starts all folds of a stage from one fold's model: that model was trained on "
            f"{seen} % of the images that the folds validate on, and starting so moves validation macro F1 "
            f"by {val} and test macro F1 by {test}."
        ),
        Table(
            "Start from one fold's model less start from each fold's own, full volume, mean over models; "
            "seen: share of validation images that the one fold's model was trained on, mean over folds",
            ["Stage", "encoding", "seen (%)", "val macro F1", "test macro F1 [95 % interval]"],
            [
                [
                    stage_name(_stage_of(outcome, entry)),
                    entry["encoding"],
                    _percent(entry["seen"]),
                    _signed(entry["val_macro_f1"]),
                    _difference(entry["test_macro_f1"], entry["test_macro_f1_ci95"]),
                ]
                for entry in leak
            ],
        ),
    ]


def _latent(outcome: Outcome, panels: pd.DataFrame, classes: Sequence[str]) -> list[Block]:
    shown = ", ".join(dict.fromkeys(panels["encoding"]))
    return [
        Figure(
            "First two principal components of the embedding, stage by stage (as the paper's Figure 5; "
            "sequential, full volume, fold 0 of the first seed, all images). Each panel is laid over the one "
            "before by one rotation or reflection, one scale and one shift. Large marks are class means.",
            f"Scatter of PC1 and PC2 by material, one row of panels for each encoding ({shown}) and one "
            "column for each stage.",
            latent_stages(panels, classes),
        ),
        Table(
            "Drift of the older materials' class means since the stage before, all 100 values, mean ± "
            "standard deviation over folds of the first seed. The unit is the root mean square distance "
            "between class means before, after Procrustes alignment: at 0 every class keeps its place, at 1 "
            "it moves as far as classes lie apart. Direct: a model trained anew beside the same stage before",
            ["Stage", "encoding", "sequential", "direct"],
            [
                [
                    stage_name(_stage_of(outcome, entry)),
                    entry["encoding"],
                    *(plus_minus(entry[arm]) for arm in ("sequential", "direct")),
                ]
                for entry in outcome.content["drift"]
            ],
        ),
    ]


def _versions(outcome: Outcome) -> list[Block]:
    columns = ("name", "number", "encoding", "materials", "volume")
    versions = outcome.content["versions"]
    if not versions:
        return []
    rows = [[str(version[key]) for key in columns] for version in versions]
    return [Table("Registered models of the stages", ["Model", "version", *columns[2:]], rows)]


def _stage_of(outcome: Outcome, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(stage for stage in outcome.added if len(stage["classes"]) == entry["materials"])


def _difference(value: float, interval: Sequence[float] | None) -> str:
    return tell_interval(value, interval, "+.3f")


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _percent(share: float | None) -> str:
    return _MISSING if share is None else f"{share * 100:.1f}"


def _points(share: float) -> str:
    return f"{share * 100:+.1f}"


def _span(values: Sequence[float], form: Callable[[float], str]) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low} to {high}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
