"""The files of the network behind the registered model."""

from tmdscope.jobs.study import Study
from tmdscope.studies.growth_temperature.params import NetworkParams
from tmdscope.studies.growth_temperature.record import DESCRIBED, NETWORK, PREPARED
from tmdscope.studies.growth_temperature.sources import source_of


def network_of(study: Study) -> Study:
    """Give the study on the source that the network is trained on, with the network's files."""
    whole, own = study.layout, source_of(study, study.section("network", NetworkParams).source)
    folder, layout = whole.experiments.with_name(NETWORK), own.layout
    layout.prepared, layout.pretrained = layout.tables / PREPARED, folder / whole.pretrained.name
    layout.features, layout.experiments = folder / "features", folder
    layout.experiment_plots = folder / "plots"
    layout.attempts = whole.attempts
    layout.descriptors = layout.tables / DESCRIBED
    for name in ("registered", "latent", "latent_table", "latent_plot", "attribution"):
        setattr(layout, name, getattr(whole, name))
    return own
