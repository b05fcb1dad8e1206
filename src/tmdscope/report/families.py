"""What the search over families of classifiers found, beside the classifiers whose settings were fixed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tmdscope.report.page import Note, Paragraph, Section, Table, with_interval

_TRANSFORMS = ("power", "l2", "standardise")


def families_metrics(search: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the numbers of ``search.json`` that DVC compares.

    ``accuracy, macro_f1`` and their 95 % intervals, pooled; the same under ``distinct``; ``families`` (in how
    many outer folds each was chosen) and ``trials`` (how many ended how).
    """
    kept = ("accuracy", "macro_f1", "accuracy_ci95", "macro_f1_ci95")
    pooled = search["pooled"]
    return {
        **{key: pooled[key] for key in kept},
        "distinct": {key: pooled["distinct"][key] for key in kept},
        "families": dict(sorted(Counter(fold["family"] for fold in search["folds"]).items())),
        "trials": _trials(search),
    }


def families_section(search: Mapping[str, Any], fixed: Mapping[str, Mapping[str, Any]]) -> Section:
    """Write ``search.json``, beside the pooled scores of each classifier with fixed settings."""
    trials = _trials(search)
    ended = ", ".join(f"{trials[name]} {name}" for name in ("complete", "pruned", "failed"))
    compared = {"searched, nested": search["pooled"], **fixed}
    return Section(
        "A search over families of classifiers",
        [
            Paragraph(search["method"]),
            Note(
                "The ranges that these searches draw from were set by hand, in sight of the same images: "
                "what was chosen inside them is nested, the ranges are not."
            ),
            Table(
                "Pooled over the outer folds: accuracy in % and macro F1 with 95 % intervals bootstrapped by "
                f"sample. All: {search['pooled']['images']} images; distinct: "
                f"{search['pooled']['distinct']['images']} images",
                ["Classifier", "accuracy (%)", "macro F1", "accuracy (%), distinct", "macro F1, distinct"],
                [[name, *_scores(pooled), *_scores(pooled["distinct"])] for name, pooled in compared.items()],
            ),
            Table(
                "What each search chose, by its inner folds alone, and how that does on the outer fold, "
                f"which it never saw; trials of all searches: {ended}",
                [
                    "Outer fold",
                    "family",
                    "transforms",
                    "settings",
                    "inner F1",
                    "images",
                    "accuracy (%)",
                    "F1",
                ],
                [_choice(number, fold) for number, fold in enumerate(search["folds"])],
            ),
        ],
    )


def _trials(search: Mapping[str, Any]) -> dict[str, int]:
    names = ("complete", "pruned", "failed")
    return {name: sum(fold["trials"][name] for fold in search["folds"]) for name in names}


def _scores(pooled: Mapping[str, Any]) -> tuple[str, str]:
    return (
        with_interval(pooled["accuracy"], pooled["accuracy_ci95"], percent=True),
        with_interval(pooled["macro_f1"], pooled["macro_f1_ci95"]),
    )


def _choice(number: int, fold: Mapping[str, Any]) -> list[str]:
    settings = fold["settings"]
    own = {key: value for key, value in settings.items() if key not in _TRANSFORMS}
    return [
        str(number),
        fold["family"],
        ", ".join(
            [
                f"power {settings['power']:.2f}",
                *(["unit length"] if settings["l2"] else []),
                *(["standardised"] if settings["standardise"] else []),
            ]
        ),
        ", ".join(f"{key} {_shown(value)}" for key, value in own.items()),
        f"{fold['inner_macro_f1']:.3f}",
        str(fold["images"]),
        f"{fold['accuracy'] * 100:.1f}",
        f"{fold['macro_f1']:.3f}",
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
