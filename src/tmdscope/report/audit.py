"""The section of a report that says what its score is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from tmdscope.report.figures.audit import learning_curve_figure
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table, with_interval
from tmdscope.scores.bootstrap import FEW
from tmdscope.scores.intervals import NO_INTERVAL

_SEES = {
    "features": "features of the images",
    "order": "order of the samples only",
    "nuisance": "what is known of the measurement",
    "statistics": "a few image statistics",
}

Found = Mapping[str, Any]


def audit_section(found: Found) -> Section:
    """Write the section of ``audit.json``: verdict first, then the numbers behind it."""
    return Section(
        "What the score is worth",
        [
            *_verdict(found["verdict"]),
            _confounds(found["confounds"]),
            *_campaigns(found["campaigns"]),
            *_drift(found["drift"]),
            *_curve(found["learning_curve"]),
            _groups(found["groups"]),
            *_folds(found["folds"]),
            *_duplicates(found["duplicates"]),
        ],
    )


def _verdict(verdict: Found) -> list[Block]:
    blocks: list[Block] = [Note(verdict["headline"])]
    for title, key in (
        ("May be claimed", "may"),
        ("May not be claimed", "may_not"),
        ("To measure next", "next"),
    ):
        if verdict[key]:
            rows = [[str(number), claim] for number, claim in enumerate(verdict[key], 1)]
            blocks.append(Table(title, ["No.", "claim"], rows, words_last=True))
    words = {True: "passed", False: "failed", None: "cannot be told"}
    rows = [[check["name"], words[check["passed"]], check["finding"]] for check in verdict["checks"]]
    blocks.append(Table("Checks", ["Check", "result", "found"], rows, words_last=True))
    return blocks


def _confounds(confounds: Sequence[Found]) -> Table:
    rows = []
    for item in confounds:
        test, beyond = item["test"], item["beyond"]
        rows.append(
            [
                _SEES[item["name"]],
                _score(item["score"]),
                with_interval(item["score"]["macro_f1"], item["score"]["macro_f1_ci95"]),
                _score(item["distinct"]),
                "" if test is None else _score(test),
                "" if beyond is None else _points(beyond),
            ]
        )
    images = confounds[0]["score"]["images"], confounds[0]["distinct"]["images"]
    return Table(
        f"The same split, other eyes: {images[0]} images, each predicted by a model that never saw its "
        "sample; "
        f"{images[1]} distinct images; the held-out test by a model of all others. 95 % intervals by sample. "
        "Features: kernel ridge regression; order: the nearest sample; others: random forest",
        ["Sees", "accuracy (%)", "macro F1", "distinct (%)", "test (%)", "features less this (points)"],
        rows,
    )


def _campaigns(campaigns: Sequence[Found]) -> list[Block]:
    if not campaigns:
        return [Note("No order of the samples is known: whether the score is campaign cannot be said.")]
    rows = [
        [
            item["name"],
            f"{item['held_out']['images']} of {item['held_out']['samples']}",
            _score(item["held_out"]),
            _score(item["control"]),
            _points(item["drop"]),
            _score(item["order_held_out"]),
            f"{100 * item['order_control']['accuracy']:.1f}",
            f"{100 * item['chance']:.1f}",
            item["effect"] or NO_INTERVAL,
        ]
        for item in campaigns
    ]
    drawn = {
        item["name"]: tuple(
            100 * v for v in (item["drop"]["accuracy"], *drawable(item["drop"]["accuracy_ci95"]))
        )
        for item in campaigns
    }
    told = " ".join(f"{item['name']}: {item['method']}{_excluded(item['excluded'])}" for item in campaigns)
    blocks: list[Block] = [
        Paragraph(
            "A held-out campaign is predicted by a model that trained on none of its samples, and by matched "
            "controls: as many training samples of each class, the campaign's other samples among them. "
            + told
        ),
        Table(
            "Held-out campaigns, accuracy in %; drop: control less held out, in points, 95 % intervals by "
            "sample "
            "widened by the luck of one training set; chance: the most frequent class",
            [
                "Held out",
                "images of samples",
                "held out",
                "control",
                "drop",
                "order only, held out",
                "order only, control",
                "chance",
                "effect",
            ],
            rows,
        ),
        Figure(
            "What goes with the campaign: control less held out, with 95 % intervals.",
            "Points lost when campaigns are held out: " + ", ".join(drawn) + ".",
            intervals({name: (v[0], v[1], v[2]) for name, v in drawn.items()}, "Accuracy lost (points)"),
        ),
    ]
    return blocks + [_parts(item) for item in campaigns if item["parts"] and "block" in item["name"]]


def _parts(item: Found) -> Table:
    rows = [
        [
            part["name"],
            f"{part['first']:g} - {part['last']:g}",
            str(part["samples"]),
            str(part["images"]),
            *(_percent(part[key]) for key in ("held_out", "control", "order_held_out", "order_control")),
            ", ".join(f"{count} {name}" for name, count in part["excluded"].items()),
        ]
        for part in item["parts"]
    ]
    return Table(
        f"{item['name']}: accuracy in % of each",
        [
            "Part",
            "order",
            "samples",
            "images",
            "held out",
            "control",
            "order only, held out",
            "order only, control",
            "not scored",
        ],
        rows,
    )


def _drift(drift: Sequence[Found]) -> list[Block]:
    if not drift:
        return []
    rows = [
        [
            item["name"],
            f"{item['images']} of {item['samples']}",
            f"{item['split_at']:g}",
            with_interval(item["auc"], item["auc_ci95"]),
            f"{item['null_mean']:.3f}",
            f"{item['null_95']:.3f}",
            f"{item['p_value']:.3f}",
        ]
        for item in drift
    ]
    return [
        Table(
            "Early or late, within one class: area under the ROC curve over samples, cross-validated by "
            "sample, "
            f"beside {drift[0]['permutations']} shuffles of early and late",
            [
                "Class",
                "images of samples",
                "late from",
                "AUC",
                "shuffled, mean",
                "shuffled, 95th percentile",
                "p",
            ],
            rows,
        )
    ]


def _curve(curve: Found) -> list[Block]:
    return [
        Figure(
            "Accuracy against training samples, with a power law; twice the samples with its interval.",
            "Learning curve over samples.",
            learning_curve_figure(curve),
        ),
        Paragraph(_law(curve)),
    ]


def _law(curve: Found) -> str:
    law = curve["law"]
    told = f"Error = {law['floor']:.3f} + {law['scale']:.3f} n^-{law['exponent']:.2f} with n samples"
    if curve["gain_ci95"] is None:
        return (
            f"{told}. Fewer than {FEW} samples are told from most by their errors: the law has no interval, "
            "and nothing follows for more samples."
        )
    gain = with_interval(curve["gain"], curve["gain_ci95"], percent=True)
    return (
        f"{told}, exponent 95 % {curve['exponent_ci95'][0]:.2f} to {curve['exponent_ci95'][1]:.2f}. "
        f"Twice the samples: {with_interval(curve['twice'], curve['twice_ci95'], percent=True)} %, that is "
        f"{gain} points more; new samples of the same campaigns are meant, and the law is not in doubt in "
        f"the interval. A law fitted without the last point foretells {100 * curve['last_foretold']:.1f} % "
        f"there, measured {100 * curve['accuracy'][-1]:.1f} %."
    )


def _groups(groups: Found) -> Table:
    rows = [
        [
            item["name"],
            str(item["images"]),
            str(item["samples"]),
            f"{item['effective_samples']:.1f}",
            str(item["most_images"]),
            "" if item["test_images"] is None else f"{item['test_images']} of {item['test_samples']}",
        ]
        for item in groups["classes"]
    ]
    return Table(
        "What classes rest on; effective: as many samples of equal size weigh alike",
        ["Class", "images", "samples", "effective", "most images of one", "test images of samples"],
        rows,
    )


def _folds(folds: Found) -> list[Block]:
    rows = [
        [
            str(number),
            f"{fold['images']} of {fold['samples']}",
            "/".join(str(count) for count in fold["counts"].values()),
            f"{100 * fold['accuracy']:.1f}",
            _bounds(fold["binomial_ci95"]),
            _bounds(fold["bootstrap_ci95"]),
        ]
        for number, fold in enumerate(folds["outer"])
    ]
    told = "; ".join(
        f"{name}: folds run backwards give {'the same' if same else 'OTHER'} predictions"
        for name, same in folds["order_independent"].items()
    )
    shared = sum(item["samples"] for item in folds["overlaps"] if _apart(item["left"], item["right"]))
    return [
        Table(
            "The audit's own folds: images, classes and accuracy in %; binomial intervals take images for "
            "independent",
            ["Fold", "images of samples", "per class", "accuracy", "binomial", "by sample"],
            rows,
        ),
        Paragraph(
            f"Fold 0 of these lies {folds['z_of_first']:+.1f} standard deviations from the others; "
            f"{100 * folds['share_below_first']:.0f} % of {folds['shuffled_tests']} folds of shuffled "
            f"splits ({100 * folds['shuffled_mean']:.1f} ± {100 * folds['shuffled_std']:.1f} %) score less. "
            f"{_luck(folds['test'])}"
            f"{len(folds['overlaps'])} pairs of parts were compared: {shared} samples are in two that must "
            "not "
            f"share any. {told}"
        ),
    ]


def _luck(test: Found | None) -> str:
    if test is None:
        return ""
    return (
        f"The held-out test of the split ({100 * test['accuracy']:.1f} %, by a model of all others) lies "
        f"{test['z']:+.1f} standard deviations from the folds of other images; "
        f"{100 * test['share_below']:.0f} % of {test['shuffled_tests']} shuffled tests of its size "
        f"({100 * test['shuffled_mean']:.1f} ± {100 * test['shuffled_std']:.1f} %) score less. "
    )


def _duplicates(found: Found) -> list[Block]:
    exact, near = found["exact"], found["near"]
    text = (
        f"{found['images']} images, {found['distinct']} distinct: {exact['pairs']} identical pairs, "
        f"{exact['across_samples']} across samples, {exact['across_classes']} across classes, "
        f"{sum(exact['across_parts'].values())} across parts of the split. "
    )
    if near is None:
        return [Paragraph(text + "Too few pairs of one sample to say what a near duplicate is.")]
    return [
        Paragraph(
            text + f"Near duplicates (cosine above {found['threshold']:.3f}, set by {found['within_pairs']} "
            "pairs of "
            f"distinct images of one sample): {near['pairs']} pairs, {near['across_samples']} across "
            "samples, "
            f"{near['across_classes']} across classes; across parts of the split: "
            + (", ".join(f"{name} {count}" for name, count in near["across_parts"].items()) or "none")
            + "."
        )
    ]


def _apart(left: str, right: str) -> bool:
    return "test" in (left, right) or (left.rpartition("_")[0] == right.rpartition("_")[0] and left != right)


def _excluded(excluded: Mapping[str, int]) -> str:
    if not excluded:
        return ""
    told = ", ".join(f"{count} of {name}" for name, count in excluded.items())
    return f" Not scored, for no sample of their class trains: {told}."


def _score(score: Found) -> str:
    return with_interval(score["accuracy"], score["accuracy_ci95"], percent=True)


def _points(difference: Found) -> str:
    return with_interval(difference["accuracy"], difference["accuracy_ci95"], percent=True)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _bounds(interval: Sequence[float] | None) -> str:
    if interval is None:
        return NO_INTERVAL
    return f"{100 * interval[0]:.1f} - {100 * interval[1]:.1f}"
