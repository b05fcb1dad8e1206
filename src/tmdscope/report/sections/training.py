"""Training curves, and what the backbone learnt to read off simulated scans."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tmdscope.report.figures.training import training_curves
from tmdscope.report.page import Figure, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import readable
from tmdscope.scores.task import Metric


@dataclass(frozen=True)
class Training(Part):
    """Fold-mean curves of every experiment, and of weights `simulated` the share of variance by quantity."""

    metric: Metric
    histories: Mapping[str, pd.DataFrame]
    scans: int
    r_squared: Mapping[str, float]

    def section(self) -> Section:
        """Draw the curves, and write how well each quantity is read."""
        rows = [
            [readable(name.replace("true_", "")), f"{share:.2f}"] for name, share in self.r_squared.items()
        ]
        return Section(
            "Training",
            [
                Figure(
                    "Mean over folds.",
                    f"Loss and {self.metric.title} over epochs for " + ", ".join(self.histories) + ".",
                    training_curves(self.histories, self.metric),
                ),
                Table(
                    f"Weights `simulated`: what the backbone learnt to read off {self.scans} "
                    "simulated scans (share of variance on the held-out tenth)",
                    ["Quantity", "R²"],
                    rows,
                ),
            ],
        )
