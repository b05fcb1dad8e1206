"""A warning: what layers carried over from fold to fold do to validation scores."""

from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.report.page import Claim, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import averaged
from tmdscope.scores.task import Task
from tmdscope.scores.text import capital, named, unit_of, valued
from tmdscope.studies.published_features.layers import Carryover


@dataclass(frozen=True)
class CarryoverPart(Part):
    """Both series of every seed, and of how many held-out images the test is; told by the plain metric."""

    task: Task
    found: Carryover
    test_images: int

    def metrics(self) -> dict[str, Any]:
        """Collect both series of every seed, and the gain."""
        found = self.found
        if not found.enabled:
            return {"carryover": {"enabled": False}}
        trials = {
            str(one.seed): {key: value for key, value in asdict(one).items() if key != "seed"}
            for one in found.trials
        }
        gain = {name: asdict(score) for name, score in found.gain.items()}
        return {"carryover": {"enabled": True, "trials": trials, "gain": gain}}

    def claim(self) -> Claim:
        """Say what it warns of."""
        return Claim("A slip made on purpose: what it does to the scores of validation.")

    def section(self) -> Section | None:
        """Write the warning, for every seed."""
        if not self.found.enabled:
            return None
        plain, trials = self.task.plain, self.found.trials
        folds = range(len(trials[0].fresh[f"val_{plain.name}"].folds))
        val, test = (
            valued(plain, self.found.gain[f"{part}_{plain.name}"].mean, sign=True) for part in ("val", "test")
        )
        unit = "points" if plain.percent else unit_of(plain)
        rows = [
            [
                str(trial.seed),
                series,
                *(valued(plain, value) for value in scores[f"val_{plain.name}"].folds),
                *(averaged(plain, scores[f"{part}_{plain.name}"]) for part in ("val", "test")),
            ]
            for trial in trials
            for series, scores in trial.series.items()
        ]
        return Section(
            "A warning: layers carried over from fold to fold",
            [
                Note(
                    "The slip of this section is made on purpose. It moves validation "
                    f"{plain.title} by {val} {unit} and test {plain.title} by {test}, mean of {len(trials)} "
                    "seeds."
                ),
                Paragraph(
                    "The same network twice: `fresh` is new in every fold; `carried` keeps the hidden layers "
                    "that the fold before ended with and renews the last layer and the optimiser, as the "
                    "paper's released code does with its backbone. The fold before was trained on this "
                    "fold's validation images, all of them, so only fold 0 is an honest score. No other "
                    "number of this page is made so."
                ),
                Table(
                    f"{capital(named([plain]))}: validation of each fold, then mean ± population standard "
                    f"deviation over {len(folds)} folds; test: {self.test_images} images",
                    ["Seed", "series", *(f"fold {k}" for k in folds), "val", "test"],
                    rows,
                ),
            ],
        )
