"""The registered network: what its search found, how it names held-out windows, and how far to trust it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.params.search import Searched
from tmdscope.report.page import Claim, Gauge, Paragraph, Reading, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.provenance import Run
from tmdscope.report.text import percent
from tmdscope.run_record import Registration
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.scored import PROBABILITY, Scored, classes_of_predictions
from tmdscope.scores.task import CLASSES
from tmdscope.stem.crystal import PRISTINE
from tmdscope.stem.intensity import UNKNOWN
from tmdscope.studies.stem_defects.records import NETWORK, Strangers
from tmdscope.studies.stem_defects.sections.naming import ALIKE, named

POSTER = {
    (1.6e-5, 0.2): (0.85, 0.88),
    (1.6e-5, 0.4): (0.74, 0.80),
    (3.4e-4, 0.2): (0.97, 0.96),
    (3.4e-4, 0.4): (0.92, 0.93),
    (4.7e-3, 0.2): (0.88, 0.90),
    (4.7e-3, 0.4): (0.75, 0.80),
}
"""The poster's grid: learning rate and dropout to training and validation score, on its leaky split."""


@dataclass(frozen=True)
class Registered(Part):
    """The network on held-out conditions; `noise` is that of every window, by its id, `usual` one of them."""

    found: Scored
    registered: Registration
    searched: Searched
    trials: pd.DataFrame
    strangers: Strangers
    noise: pd.Series
    usual: float

    @property
    def _name(self) -> str:
        return f"{self.registered.model} version {self.registered.versions[NETWORK].version}"

    @property
    def run(self) -> Run:
        """Its run in MLflow, and its version."""
        own = self.registered.versions[NETWORK]
        return Run.of(self.found.run, NETWORK, own.run_id, str(own.version))

    @cached_property
    def by_noise(self) -> dict[float, dict[str, float]]:
        """Shares of held-out windows named right by all folds' mean, see `named`."""
        test = self.found.predictions[self.found.predictions["part"] == "test"]
        classes = classes_of_predictions(test)
        together = test.groupby("image_id", sort=False)[[f"{PROBABILITY}{name}" for name in classes]].mean()
        said = np.array(classes, dtype=object)[together.to_numpy().argmax(axis=1)]
        own = test.groupby("image_id", sort=False)[["label"]].first().assign(predicted=said)
        levels = self.noise.reindex(own.index)
        return {float(level): named(part) for level, part in own.groupby(levels)}

    def metrics(self) -> dict[str, Any]:
        """Collect its scores at usual noise, what its sets and its rejection are worth, and the search."""
        trust, own = self.found.facts.reliability, self.by_noise[self.usual]
        told = {
            **{key: own[key] for key in ("six", "merged", "seven")},
            "coverage": trust.coverage,
            "set_size": trust.set_size,
            "calibration_error": trust.ece_after,
            "called_as_they_are": self.strangers.known,
            "called_off_site": self.strangers.moved,
        }
        search = {
            "settings": self.searched.settings,
            "trials": len(self.trials),
            "value": self.searched.value,
        }
        return {"registered": {"model": self._name, **told, "search": search}}

    def claim(self) -> Claim:
        """Say how many are named right."""
        own = self.by_noise[self.usual]
        told = f"{self._name} names {percent(own['six'], 0)} of 100 defects of held-out conditions right"
        readings = [Reading("six kinds", own["six"], f"{percent(own['six'])} %")]
        return Claim(f"{told} at noise {self.usual:g}.", Gauge(0.0, 1.0, readings))

    def section(self) -> Section:
        """Write its scores, its trust, and the search beside the poster's grid."""
        trust = self.found.facts.reliability
        scores = [
            {
                "noise": f"{level:g}",
                "six kinds": percent(own["six"]),
                f"{'+'.join(ALIKE)} merged": percent(own["merged"]),
                "with pristine": percent(own["seven"]),
            }
            for level, own in self.by_noise.items()
        ]
        ours = [
            {
                "learning rate": f"{row.learning_rate:.2g}",
                "dropout": f"{row.dropout:.2f}",
                f"mean validation {CLASSES.primary.title}": f"{row.value:.3f}"
                if np.isfinite(row.value)
                else "",
                "state": str(row.state).lower(),
            }
            for row in self.trials.itertuples()
        ]
        grid = [
            {
                "learning rate": f"{rate:.2g}",
                "dropout": f"{dropout:g}",
                "training": f"{fitted:.2f}",
                "validation": f"{seen:.2f}",
            }
            for (rate, dropout), (fitted, seen) in POSTER.items()
        ]
        covered = tell_interval(trust.coverage, trust.coverage_ci95)
        moved, unknown = self.strangers.moved, self.strangers.known.get(UNKNOWN, 0.0)
        told, rejected = moved.get(UNKNOWN, 0.0), moved.get(UNKNOWN, 0.0) + moved.get(PRISTINE, 0.0)
        return Section(
            "The registered network",
            [
                Table.of(f"{self._name}: per cent named right on held-out conditions", scores),
                Paragraph(
                    f"Sets that should hold the true kind 9 times in 10 do in {covered} of {trust.images} "
                    f"held-out windows, with {trust.set_size:.2f} kinds on average; calibration error "
                    f"{trust.ece_before:.3f} as it is, {trust.ece_after:.3f} after temperature scaling. "
                    f"Unknown are called {percent(unknown)} % of them. Moved off "
                    "their sites by half a lattice constant, as a false place would be, "
                    f"{percent(rejected)} % are called pristine or unknown "
                    f"({percent(told)} % unknown)."
                ),
                Table.of("Optuna's trials, on training conditions alone", ours),
                Table.of(
                    "The poster's grid, whose points lie within that space: shares named right, as published",
                    grid,
                ),
            ],
        )
