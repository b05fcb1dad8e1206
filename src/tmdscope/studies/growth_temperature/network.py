"""What the report says of the registered network: its version, scores, embedding, and where it looks."""

from dataclasses import dataclass
from functools import cached_property

from tmdscope.analysis.record import Attribution, ModelLatent, read_maps
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import broken, read_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.report.part import Part
from tmdscope.report.sections.attribution import Attributions
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.run_record import Registration
from tmdscope.scores.scored import Scored
from tmdscope.studies.growth_temperature.described import classes_by_number
from tmdscope.studies.growth_temperature.params import NetworkParams
from tmdscope.studies.growth_temperature.record import NETWORK
from tmdscope.studies.growth_temperature.registered import RegisteredPart
from tmdscope.studies.growth_temperature.study import network_of


@dataclass(frozen=True)
class Network:
    """What its stages left; what is damaged or of other data is refused."""

    study: Study

    @cached_property
    def own(self) -> Study:
        """The study with the network's files."""
        return network_of(self.study)

    @cached_property
    def dataset(self) -> Dataset:
        """The images that it was trained on."""
        return Dataset.load(self.own.layout.prepared)

    @property
    def source(self) -> str:
        """Where they are from."""
        return self.study.section("network", NetworkParams).source

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
        return RegisteredPart(found, registered, self.study.section("scoring", ScoringParams), self.source)

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
            embedding=f"version {model.version} of {model.name} (alias {model.alias}, fold {model.fold}), the "
            f"100 values {'after' if model.after_relu else 'before'} the last ReLU",
            before=f"frozen {before.architecture}, weights {before.weights}",
            what=self.what,
        )

    def _attribution(self) -> Attributions:
        folder = self.own.layout.attribution
        path = folder / "maps.npz"
        found = Attribution.read(folder / "attribution.json", self.own.of(self.dataset.digest), [path])
        return Attributions(found, read_maps(path), self.dataset, self.what)
