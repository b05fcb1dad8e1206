"""Training curves, what the backbone learnt to read off simulated scans, and searches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import Categorical, Dimension, Searched, tuned_name
from tmdscope.report.figures.scores import search_histories, training_curves
from tmdscope.report.page import Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import averaged, percent, readable, setting
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, valued


@dataclass(frozen=True)
class TrainingPart(Part):
    """Fold-mean curves of every experiment, and of weights `simulated` the share of variance by quantity."""

    metric: Metric
    histories: Mapping[str, pd.DataFrame]
    scans: int
    r_squared: Mapping[str, float]

    def claim(self) -> Claim:
        """Say what is drawn."""
        return Claim("Scores after every epoch, mean over folds.")

    def section(self) -> Section:
        """Draw the curves, and write how well each quantity is read."""
        return Section(
            "Training",
            [
                Figure(
                    "Mean over folds.",
                    f"Loss and {self.metric.title} over epochs for " + ", ".join(self.histories) + ".",
                    training_curves(self.histories, self.metric),
                ),
                *self._read_off(),
            ],
        )

    def _read_off(self) -> list[Table]:
        """Say what the backbone of weights `simulated` learnt, where there is one."""
        rows = [
            [readable(name.replace("true_", "")), f"{share:.2f}"] for name, share in self.r_squared.items()
        ]
        about = (
            f"Weights `simulated`: what the backbone learnt to read off {self.scans} simulated scans "
            "(share of variance on the held-out tenth)"
        )
        return [Table(about, ["Quantity", "R²"], rows)] if rows else []


_ENDS = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class SearchResult:
    """What a search left: ``search.json`` and ``trials.csv``."""

    found: Searched
    trials: pd.DataFrame


@dataclass(frozen=True)
class Searches(Part):
    """Searches by the experiment that is varied, with all experiments; a metric is what they are led by."""

    metric: Metric
    searches: Mapping[str, SearchResult]
    experiments: Mapping[str, ExperimentParams]
    scores: Mapping[str, ExperimentScores]
    what: str

    def metrics(self) -> dict[str, Any]:
        """Collect what was found, and from how much work."""
        kept = ("value", "epochs", "progress", "settings")
        return {
            "searches": {
                name: {key: getattr(one.found, key) for key in kept} for name, one in self.searches.items()
            }
        }

    def claim(self) -> Claim:
        """Say what was searched, in how many trials."""
        trials = sum(sum(one.found.progress[end] for end in _ENDS) for one in self.searches.values())
        return Claim(f"Settings of {', '.join(self.searches)} were searched in {trials} trials.")

    def section(self) -> Section | None:
        """Write work, settings found and before, their importance, and the tuned experiments' scores."""
        if not self.searches:
            return None
        lead = (
            "Optuna varied the settings below; a trial's score is the mean over folds of "
            f"{self.metric.title} on their validation parts. The held-out test was taken out of the data "
            "before the first trial. The validation score of the best of many trials is too high by "
            "selection. Columns `selection` leave each fold out of the choice of trial and epoch in turn; "
            "the best experiment is chosen so."
        )
        drawn = {name: one.trials for name, one in self.searches.items()}
        return Section(
            "Searches",
            [
                Paragraph(lead),
                self._overview(),
                *(self._settings(name, one.found) for name, one in self.searches.items()),
                Figure(
                    "Score of every complete trial, and the best so far.",
                    "Scores of trials of " + ", ".join(self.searches) + ".",
                    search_histories(drawn, self.metric),
                ),
            ],
        )

    def _overview(self) -> Table:
        rows = []
        for name, one in self.searches.items():
            before, tuned = self.scores[name], self.scores[tuned_name(name)]
            rows.append(
                {
                    "Study": one.found.study,
                    "trials": " / ".join(str(one.found.progress[end]) for end in _ENDS),
                    "epochs": str(one.found.epochs),
                    "best trial, val": valued(self.metric, one.found.value),
                    "found, selection": valued(self.metric, tuned.selection[self.metric.name]),
                    "before, selection": valued(self.metric, before.selection[self.metric.name]),
                    "before, test": averaged(self.metric, before.mean("test", self.metric.name)),
                    "tuned, test": averaged(self.metric, tuned.mean("test", self.metric.name)),
                }
            )
        return Table.of(
            f"{capital(self.metric.title)} ({self.what}): mean ± population standard deviation over folds; "
            "trials complete / pruned / failed",
            rows,
        )

    def _settings(self, name: str, found: Searched) -> Table:
        before = self.experiments[name].model_dump(mode="json")
        rows = [
            [
                readable(key),
                _range(space),
                setting(before[key]),
                setting(found.settings[key]) if key in found.settings else "not drawn",
                f"{percent(found.importance[key], 0)} %" if key in found.importance else "",
            ]
            for key, space in found.space.items()
        ]
        return Table(
            f"Settings of {name}: as they were, as found by trial {found.trial}, and the share of the "
            "score's variance that goes with each (fANOVA, complete trials)",
            ["Setting", "varied over", "before", "found", "importance"],
            rows,
        )


def _range(space: Dimension) -> str:
    if isinstance(space, Categorical):
        return ", ".join(map(setting, space.choices))
    return f"{setting(space.low)} to {setting(space.high)}, {space.kind}"
