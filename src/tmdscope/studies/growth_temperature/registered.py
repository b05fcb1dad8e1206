"""What the report says of the registered network: its scores as classes and as a number, and its trust."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tmdscope.analysis.record import Attribution, ModelLatent, read_maps
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import broken, read_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.report.answer import scored
from tmdscope.report.page import Claim, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.attribution import Attributions
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.provenance import Run
from tmdscope.run_record import Registration
from tmdscope.scores.intervals import Estimate, estimate, tell_interval
from tmdscope.scores.levels import Levels, levels_of
from tmdscope.scores.scored import PROBABILITY, Scored
from tmdscope.scores.task import Task, quantity
from tmdscope.scores.text import heading, rounded, unit_of
from tmdscope.studies.growth_temperature.described import classes_by_number
from tmdscope.studies.growth_temperature.network import network_of
from tmdscope.studies.growth_temperature.params import NetworkParams
from tmdscope.studies.growth_temperature.record import NETWORK


@dataclass(frozen=True)
class RegisteredPart(Part):
    """The network on its held-out test, and out of fold."""

    found: Scored
    registered: Registration
    scoring: ScoringParams
    source: str

    @property
    def _levels(self) -> Levels:
        return levels_of(self.found.facts.classes)

    @property
    def _numbers(self) -> Task:
        return quantity(self._levels.unit, self._levels.numbers, ".1f")

    @property
    def _name(self) -> str:
        version = self.registered.versions[self.registered.best].version
        return f"{self.registered.model} version {version}"

    def _parts(self) -> dict[str, Estimate]:
        """Judge the expected number of the held-out test, by all folds' mean, and of what a fold held out."""
        predictions, columns = self.found.predictions, [f"{PROBABILITY}{name}" for name in self._classes]
        test = predictions[predictions["part"] == "test"].groupby("image_id", sort=False)
        together = test[columns].mean().join(test[["sample_id", "label"]].first())
        return {
            "held-out test": self._judge(together, columns),
            "out of fold": self._judge(predictions[predictions["part"] == "val"], columns),
        }

    @property
    def _classes(self) -> list[str]:
        return self.found.facts.classes

    @property
    def run(self) -> Run:
        """Its run in MLflow, and its version."""
        own = self.registered.versions[self.registered.best]
        return Run.of(self.found.run, NETWORK, own.run_id, str(own.version))

    def _judge(self, table: pd.DataFrame, columns: list[str]) -> Estimate:
        values = self._levels.values
        true = values[pd.Index(self._classes).get_indexer(table["label"])]
        expected = table[columns].to_numpy() @ values
        draws = self.scoring.bootstrap, self.scoring.seed
        return estimate(self._numbers, true, expected, table["sample_id"].to_numpy(), *draws)

    def metrics(self) -> dict[str, Any]:
        """Collect scores of both parts, and how often the interval holds the true temperature."""
        facts, trust = self.found.facts, self.found.facts.reliability
        classes = {"held-out test": facts.ensemble_test, "out of fold": facts.out_of_fold}
        scores = {
            name.replace(" ", "_").replace("-", "_"): {**own.record(), **classes[name].record()}
            for name, own in self._parts().items()
        }
        told = {"coverage": trust.coverage, "set_size": trust.set_size, "flagged": trust.flagged}
        return {"registered": {**scores, **told, "source": self.source}}

    def claim(self) -> Claim:
        """Say how far the expected temperature is off on held-out images."""
        metric, found = self._numbers.primary, self._parts()["held-out test"]
        off = rounded(metric, found.values[metric.name], found.bounds[metric.name])
        sentence = (
            f"{self._name} is off by {off} {unit_of(metric)} on average on {found.images} held-out "
            f"{self.source} images."
        )
        return Claim(sentence, scored(metric, metric.title, found))

    def section(self) -> Section:
        """Write both parts, and what its intervals and its flag are worth."""
        facts, trust, numbers = self.found.facts, self.found.facts.reliability, self._numbers
        shown = [metric for metric in numbers.metrics if metric.unit]
        classes = {"held-out test": facts.ensemble_test, "out of fold": facts.out_of_fold}
        rows = [
            [
                name,
                str(own.images),
                *(classes[name].tell(metric) for metric in facts.task.metrics),
                *(own.tell(metric) for metric in shown),
            ]
            for name, own in self._parts().items()
        ]
        heads = [heading(metric) for metric in (*facts.task.metrics, *shown)]
        covered = tell_interval(trust.coverage, trust.coverage_ci95)
        flagged = tell_interval(trust.flagged, trust.flagged_ci95)
        told = (
            f"The interval of 90 % holds the true temperature in {covered} of {trust.images} "
            f"held-out images; {flagged} of them are called unfamiliar, though they are not. "
            "`tmdscope predict --model "
            f"models:/{self.registered.model}@production FILE` says class, expected temperature and interval."
        )
        about = f"{self._name}: {facts.architecture}, {facts.encoding} targets, {self.source} images"
        table = Table(f"{about}; 95 % intervals by sample", ["Part", "images", *heads], rows)
        return Section("The registered model", [table, Paragraph(told)])


def read_network(study: Study) -> "Network":
    """Find what was left of it."""
    own, scoring = network_of(study), study.section("scoring", ScoringParams)
    source = study.section("network", NetworkParams).source
    return Network(own, Dataset.load(own.layout.prepared), source, scoring)


@dataclass(frozen=True)
class Network:
    """What its stages left, in its `own` files; what is damaged or of other data is refused."""

    own: Study
    dataset: Dataset
    source: str
    scoring: ScoringParams

    @property
    def what(self) -> str:
        """The data set in a few words."""
        samples = self.dataset.manifest["sample_id"].nunique()
        return f"{len(self.dataset.images)} {self.source} images of {samples} samples"

    @property
    def parts(self) -> list[Part]:
        """Everything in the order of the page."""
        return [self.registered, self._latent(), self._attribution()]

    @cached_property
    def registered(self) -> RegisteredPart:
        """Scores, and the version."""
        layout, of = self.own.layout, self.own.of(self.dataset.digest)
        found = Scored.read(layout.experiments / NETWORK, of)
        registered = Registration.read(layout.registered, of)
        if registered.versions[registered.best].run_id != found.run.run_id:
            raise broken(layout.registered, f"is of another run than {layout.experiments} holds")
        return RegisteredPart(found, registered, self.scoring, self.source)

    def _latent(self) -> LatentSpace:
        layout, of = self.own.layout, self.own.of(self.dataset.digest)
        found = ModelLatent.read(layout.latent, of, [layout.latent_plot, layout.latent_table])
        model, before = found.model, found.before
        return LatentSpace(
            found=found,
            points=read_table(layout.latent_plot),
            table=read_table(layout.latent_table),
            descriptors=read_descriptors(layout.descriptors, self.dataset.manifest),
            images=self.dataset.images,
            classes=classes_by_number(self.dataset),
            embedding=f"version {model.version} of {model.name} (alias {model.alias}, fold {model.fold}), "
            f"the 100 values {'after' if model.after_relu else 'before'} the last ReLU",
            before=f"frozen {before.architecture}, weights {before.weights}",
            what=self.what,
        )

    def _attribution(self) -> Attributions:
        folder = self.own.layout.attribution
        path = folder / "maps.npz"
        found = Attribution.read(folder / "attribution.json", self.own.of(self.dataset.digest), [path])
        return Attributions(found, read_maps(path), self.dataset, self.what)
