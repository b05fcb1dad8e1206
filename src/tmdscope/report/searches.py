"""The searches of the main study: what each found, from how much work, and what mattered."""

from collections.abc import Mapping
from typing import Any

from tmdscope.params.search import tuned_name
from tmdscope.report.figures.training import search_histories
from tmdscope.report.page import Block, Figure, Paragraph, Section, Table, plus_minus
from tmdscope.report.study import StudyResults


def searches_section(results: StudyResults) -> Section:
    """Write the section on searches; there is at least one.

    For every search its work, the settings found beside those of the experiment, their importance, and the
    score of the tuned experiment.
    """
    blocks: list[Block] = [
        Paragraph(
            "Optuna varied the settings below; a trial's score is the mean over folds of macro F1 on their "
            "validation parts. The held-out test was taken out of the data before the first trial. The "
            "validation score of the best of many trials is too high by selection. Columns `selection` leave "
            "each fold out of the choice of trial and epoch in turn; the best experiment is chosen so."
        ),
        _overview(results),
        *[_settings(results, name) for name in results.searches],
        Figure(
            "Score of every complete trial, and the best so far.",
            "Scores of trials of " + ", ".join(results.searches) + ".",
            search_histories({name: found.trials for name, found in results.searches.items()}),
        ),
    ]
    return Section("Searches", blocks)


def _overview(results: StudyResults) -> Table:
    rows = []
    for name, found in results.searches.items():
        search, tuned = found.summary, results.scores[tuned_name(name)]
        progress = search["progress"]
        rows.append(
            [
                search["study"],
                f"{progress['complete']} / {progress['pruned']} / {progress['failed']}",
                str(search["epochs"]),
                f"{search['value']:.3f}",
                f"{tuned['selection']['macro_f1']:.3f}",
                f"{results.scores[name]['selection']['macro_f1']:.3f}",
                plus_minus(results.scores[name]["test"]["macro_f1"]),
                plus_minus(tuned["test"]["macro_f1"]),
            ]
        )
    return Table(
        f"Macro F1 ({results.what}): mean ± population standard deviation over folds; trials complete / "
        "pruned / failed",
        [
            "Study",
            "trials",
            "epochs",
            "best trial, val",
            "found, selection",
            "before, selection",
            "before, test",
            "tuned, test",
        ],
        rows,
    )


def _settings(results: StudyResults, name: str) -> Table:
    search = results.searches[name].summary
    before = results.experiments[name].model_dump(mode="json")
    rows = [
        [
            key.replace("_", " "),
            _range(space),
            _shown(before[key]),
            _shown(search["settings"][key]) if key in search["settings"] else "not drawn",
            f"{search['importance'][key] * 100:.0f} %" if key in search["importance"] else "",
        ]
        for key, space in search["space"].items()
    ]
    return Table(
        f"Settings of {name}: as they were, as found by trial {search['trial']}, and the share of the "
        "score's variance that goes with each (fANOVA, complete trials)",
        ["Setting", "varied over", "before", "found", "importance"],
        rows,
    )


def _range(space: Mapping[str, Any]) -> str:
    if space["kind"] == "categorical":
        return ", ".join(map(_shown, space["choices"]))
    return f"{_shown(space['low'])} to {_shown(space['high'])}, {space['kind']}"


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
