"""Stage `latent`: principal components of the network's embedding, beside descriptors."""

from tmdscope.jobs.images.latent import relate_registered
from tmdscope.jobs.study import Study
from tmdscope.params.images import LatentParams
from tmdscope.studies.growth_temperature.network import network_of
from tmdscope.studies.growth_temperature.params import NetworkParams


def run(study: Study) -> None:
    """Pull the registered network by alias, and relate its embedding."""
    training = study.section("network", NetworkParams).training
    relate_registered(network_of(study), training, study.section("latent", LatentParams))
