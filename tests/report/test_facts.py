"""What a page shows is what its metrics.json says: every table of scores, cell by cell, of both studies."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.report import test_published_study as features
from tests.report.reading import Shown, Written, assert_sound
from tests.report.study import CLASSES, Left, experiment, predictions, study
from tests.report.test_sequential import sequence
from tmdscope.files import write_json
from tmdscope.report.page import write_page
from tmdscope.scores.records import ExperimentScores, StudyScores

Facts = Any
Cell = Callable[[Facts, str], str]
"""The cell of a row, from the facts of metrics.json and the row's name."""

ID_ONLY = "sample id only (sees no image)"

NO_SCORES = (
    *("Images per", "Settings", "What made the", "Runs in MLflow", "May", "To measure next", "Checks"),
    *("Weights `simulated`", "What each search chose", "Registered models"),
)
"""Captions of tables that hold no scores: counts, settings, words, provenance."""


def pm(score: Mapping[str, float], scale: int = 1) -> str:
    digits = 1 if scale == 100 else 3
    return f"{score['mean'] * scale:.{digits}f} ± {score['std'] * scale:.{digits}f}"


def ci(scores: Mapping[str, Any], name: str, scale: int = 1) -> str:
    digits = 1 if scale == 100 else 3
    value, (low, high) = scores[name], scores[f"{name}_ci95"]
    return f"{value * scale:.{digits}f} [{low * scale:.{digits}f}, {high * scale:.{digits}f}]"


def part_of(facts: Facts, row: str) -> Facts:
    name, part = row.split(", ")
    return facts["experiments"][name][part]


def exact(facts: Facts, row: str) -> Facts:
    name, part = row.split(", ")
    return facts["experiments"][name]["exact_match"][part]


def over_folds(part: str, name: str, scale: int) -> Cell:
    return lambda facts, row: pm(
        facts["baseline"]["sample_id_only"][f"{part}_{name}"]
        if row == ID_ONLY
        else facts["experiments"][row][part][name],
        scale,
    )


def chosen(name: str, sign: str) -> Cell:
    return lambda facts, row: (
        "" if row == ID_ONLY else f"{facts['experiments'][row]['selection'][name]:{sign}.3f}"
    )


def of_test(name: str, scale: int) -> Cell:
    return lambda facts, row: (
        "" if row == ID_ONLY else ci(facts["experiments"][row]["ensemble_test"], name, scale)
    )


def pooled(name: str, scale: int, distinct: bool) -> Cell:
    def cell(facts: Facts, row: str) -> str:
        found = facts["experiments"][row]["out_of_fold"]
        return ci(found["distinct"] if distinct else found, name, scale)

    return cell


def seen(part: str, name: str) -> Cell:
    names = {
        "features of the images": "features",
        "order of the samples only": "order",
        "what is known of the measurement": "nuisance",
        "a few image statistics": "statistics",
    }

    def cell(facts: Facts, row: str) -> str:
        found = facts["audit"]["shown"]["confounds"][names[row]]
        return ci(found[part], name, 100 if name == "accuracy" else 1) if part in found else ""

    return cell


AUDIT: dict[str, dict[str, Cell]] = {
    "The same split, other eyes": {
        "accuracy (%)": seen("score", "accuracy"),
        "macro F1": seen("score", "macro_f1"),
        "distinct (%)": seen("distinct", "accuracy"),
        "test (%)": seen("test", "accuracy"),
        "features less this (points)": seen("beyond", "accuracy"),
    },
    "Held-out campaigns": {
        name: (
            lambda facts, row, key=key: ci(facts["audit"]["shown"]["campaigns"][row][key], "accuracy", 100)
        )
        for name, key in (
            ("held out", "held_out"),
            ("control", "control"),
            ("drop", "drop"),
            ("order only, held out", "order_held_out"),
        )
    },
    "Early or late": {"AUC": lambda facts, row: ci(facts["audit"]["shown"]["drift"][row], "auc")},
}

MATERIALS_TABLES: dict[str, dict[str, Cell]] = {
    **AUDIT,
    "Accuracy in % and macro F1 (": {
        "selection macro F1": chosen("macro_f1", ""),
        "optimism": chosen("optimism", "+"),
        "val accuracy": over_folds("val", "accuracy", 100),
        "val macro F1": over_folds("val", "macro_f1", 1),
        "test accuracy": over_folds("test", "accuracy", 100),
        "test macro F1": over_folds("test", "macro_f1", 1),
        "ensemble test accuracy": of_test("accuracy", 100),
        "ensemble test macro F1": of_test("macro_f1", 1),
    },
    "Every part": {
        "accuracy (%)": lambda facts, row: pm(part_of(facts, row)["accuracy"], 100),
        "macro F1": lambda facts, row: pm(part_of(facts, row)["macro_f1"]),
        "weighted F1": lambda facts, row: pm(part_of(facts, row)["weighted_f1"]),
        "loss": lambda facts, row: pm(part_of(facts, row)["loss"]),
    },
    "Recall in % of each class": {
        name: (lambda facts, row, name=name: pm(facts["experiments"][row]["test"]["recall"][name], 100))
        for name in ("MoS2", "WS2")
    },
    "Multilabel, two ways": {
        "exact accuracy": lambda facts, row: pm(exact(facts, row)["accuracy"], 100),
        "exact macro F1": lambda facts, row: pm(exact(facts, row)["macro_f1"]),
        "most probable accuracy": lambda facts, row: pm(part_of(facts, row)["accuracy"], 100),
        "most probable macro F1": lambda facts, row: pm(part_of(facts, row)["macro_f1"]),
        "invalid": lambda facts, row: f"{part_of(facts, row)['invalid']['mean']:.1f}",
    },
    "Pooled: every image": {
        "accuracy (%)": pooled("accuracy", 100, False),
        "macro F1": pooled("macro_f1", 1, False),
        "accuracy (%), distinct": pooled("accuracy", 100, True),
        "macro F1, distinct": pooled("macro_f1", 1, True),
    },
    "How far the fold ensembles": {
        "in the set (%)": lambda f, row: ci(f["experiments"][row]["reliability"], "coverage", 100),
        "classes": lambda f, row: f"{f['experiments'][row]['reliability']['set_size']:.2f}",
        "unfamiliar (%)": lambda f, row: ci(f["experiments"][row]["reliability"], "flagged", 100),
    },
}

PUBLISHED_TABLES: dict[str, dict[str, Cell]] = {
    **AUDIT,
    "Accuracy in % and macro F1, mean": {
        f"{part} {shown}": (
            lambda facts, row, key=f"{part}_{name}", scale=scale: (
                pm(facts["classifiers"][CALLED[row]][key], scale) if row in CALLED else None
            )
        )
        for part, shown, name, scale in (
            ("train", "accuracy", "accuracy", 100),
            ("val", "accuracy", "accuracy", 100),
            ("test", "accuracy", "accuracy", 100),
            ("val", "macro F1", "macro_f1", 1),
            ("test", "macro F1", "macro_f1", 1),
        )
    },
    "Every image predicted by a model": {
        "accuracy (%)": lambda facts, row: ci(facts["pooled"][CALLED[row]], "accuracy", 100),
        "macro F1": lambda facts, row: ci(facts["pooled"][CALLED[row]], "macro_f1"),
        "accuracy (%), distinct": lambda f, row: ci(f["pooled"][CALLED[row]]["distinct"], "accuracy", 100),
        "macro F1, distinct": lambda f, row: ci(f["pooled"][CALLED[row]]["distinct"], "macro_f1"),
    },
}
CALLED = {"svc: L2, standardise, RBF": "svc", "sample id only (sees no image)": "sample_id_only"}


def assert_table(table: Shown, cells: Mapping[str, Cell], facts: Facts) -> None:
    for row in table.rows:
        for column, cell in cells.items():
            expected = cell(facts, row[0])
            if expected is not None:  # a row of the paper
                assert row[table.header.index(column)] == expected, (table.caption, row[0], column)


def numbers(facts: Facts) -> Iterator[float]:
    if isinstance(facts, Mapping):
        facts = facts.values()
    elif isinstance(facts, int | float):
        yield facts
        return
    elif not isinstance(facts, list):
        return
    for value in facts:
        yield from numbers(value)


def strange(page: Written, facts: Facts, paper: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """Decimal numbers in tables of scores that no number of the facts rounds to."""
    known = {
        f"{abs(value) * scale:.{digits}f}"
        for value in numbers(facts)
        for scale in (1, 100)
        for digits in (1, 2, 3)
    }
    return [
        (table.caption[:40], row[0], cell)
        for table in page.tables
        if not table.caption.startswith(NO_SCORES)
        for row in table.rows
        if not paper.search(row[0]) and "published; " not in row[-1]
        for name, cell in zip(table.header[1:], row[1:], strict=True)
        if not paper.search(name) and name != "How it was run"
        for token in re.findall(r"\d+\.\d+", cell)
        if token not in known
    ]


def scattered(content: Any, places: Iterator[int]) -> Any:
    """Every fraction replaced by one of its own, so that no cell is right by chance."""
    if isinstance(content, Mapping):
        return {key: scattered(value, places) for key, value in content.items()}
    if isinstance(content, list):
        return [scattered(value, places) for value in content]
    return round(next(places) * 0.6180339887 % 1, 6) if isinstance(content, float) else content


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda self, stream, **options: stream.write(b"png"))


Results = Left | features.Left


def written(results: Results) -> dict[str, Any]:
    """The scores of a study as they lie on disk."""
    if isinstance(results, features.Left):
        found = StudyScores(dict(results.scores)).to_dict()
        return {name: found[name] for name in results.scores}
    return {name: score.to_dict() for name, score in results.scores.items()}


def scores_of(content: Mapping[str, Any]) -> dict[str, ExperimentScores]:
    return {name: ExperimentScores.parse(one) for name, one in content.items()}


def with_scores(results: Results, content: Mapping[str, Any]) -> Results:
    if isinstance(results, features.Left):
        return replace(results, scores=StudyScores.parse(content).classifiers)
    return replace(results, scores=scores_of(content))


def materials() -> Left:
    settings = {
        "finetune": experiment(),
        "atoms": experiment(target="multilabel"),
        "scratch": experiment("scratch"),
    }
    tables = {
        "finetune": predictions(wrong=[2]),
        "atoms": predictions(wrong=[3, 5], invalid=[1]),
        "scratch": predictions(wrong=[0, 4]),
    }
    results, places = study(settings, tables), count(1)
    found = sequence()
    return replace(
        results,
        scores=scores_of(
            {
                name: {**scattered(score, places), "test_confusion": score["test_confusion"]}
                for name, score in written(results).items()
            }
        ),
        baseline={name: scattered(score, places) for name, score in (results.baseline or {}).items()},
        sequential=replace(found, panels=found.panels[found.panels["label"].isin(CLASSES)]),
    )


def own() -> features.Left:
    results = features.published(descriptors=True)
    return with_scores(results, scattered(written(results), count(1)))


def shown(folder: Path, results: Results) -> Written:
    """The page of a study as it is written, read back."""
    write_page(folder / "index.html", results.report().page())
    return Written.read(folder / "index.html")


def facts_of(folder: Path, results: Results) -> Facts:
    """The metrics.json of a study as it is written, read back."""
    write_json(folder / "metrics.json", results.report().metrics())
    return json.loads((folder / "metrics.json").read_text())


STUDIES = {"materials": (materials, MATERIALS_TABLES), "published": (own, PUBLISHED_TABLES)}


@pytest.mark.parametrize("name", STUDIES)
def test_every_score_of_the_page_is_in_the_metrics(name: str, tmp_path: Path) -> None:
    results, tables = STUDIES[name]
    page, facts = shown(tmp_path, results()), facts_of(tmp_path, results())
    assert_sound(page)
    for start, cells in tables.items():
        assert_table(page.table(start), cells, facts)
    assert strange(page, facts, re.compile("^paper|^Row$")) == []


def changed(content: Any, *path: str) -> Any:
    """A copy with one number moved."""
    first, *rest = path
    return {**content, first: changed(content[first], *rest) if rest else content[first] / 2 + 0.0987}


@pytest.mark.parametrize(
    ("name", "path", "start"),
    [
        ("materials", ("finetune", "val", "accuracy", "mean"), "Accuracy in % and macro F1 ("),
        ("materials", ("scratch", "selection", "optimism"), "Accuracy in % and macro F1 ("),
        ("materials", ("atoms", "ensemble_test", "macro_f1"), "Accuracy in % and macro F1 ("),
        ("materials", ("scratch", "train", "loss", "std"), "Every part"),
        ("materials", ("finetune", "test", "recall", "WS2", "mean"), "Recall in % of each class"),
        ("materials", ("atoms", "out_of_fold", "distinct", "accuracy"), "Pooled: every image"),
        ("materials", ("scratch", "reliability", "coverage"), "How far the fold ensembles"),
        ("published", ("svc", "test_accuracy", "mean"), "Accuracy in % and macro F1, mean"),
        ("published", ("sample_id_only", "pooled", "macro_f1"), "Every image predicted by a model"),
    ],
)
def test_a_changed_number_changes_page_and_metrics_together(
    name: str, path: tuple[str, ...], start: str, tmp_path: Path
) -> None:
    make, tables = STUDIES[name]
    results = make()
    moved = with_scores(results, changed(written(results), *path))
    before, after, page = facts_of(tmp_path, results), facts_of(tmp_path, moved), shown(tmp_path, moved)
    assert before != after
    assert_table(page.table(start), tables[start], after)
    with pytest.raises(AssertionError):
        assert_table(page.table(start), tables[start], before)


def test_a_number_that_the_metrics_lack_is_noticed(tmp_path: Path) -> None:
    page, facts = shown(tmp_path, own()), facts_of(tmp_path, own())
    del facts["audit"]["shown"]["campaigns"]
    assert strange(page, facts, re.compile("^paper|^Row$"))


def test_the_sections_come_in_their_order() -> None:
    titles = [section.title for section in materials().report().page().sections]
    assert titles == [
        *("In short", "Data", "What the score is worth", "Experiments"),
        *("Did pre-training help?", "Is an output for each material better than one for each atom?"),
        *("Training", "Paper beside measured"),
        *("Confusion matrices", "Materials added one after another", "Latent space"),
        *("What the network looks at", "Environment and provenance", "How to reproduce"),
    ]
