"""Stage `register`: the network becomes a version of the registered model, with a card and alias `best`."""

from tmdscope.jobs.registering import register_experiment
from tmdscope.jobs.study import Study
from tmdscope.params.images import ModelTrackingParams
from tmdscope.studies.growth_temperature.network import network_of
from tmdscope.studies.growth_temperature.params import NetworkParams
from tmdscope.studies.growth_temperature.record import NETWORK


def run(study: Study) -> None:
    """Register it, and say whether the audit of its data lets it pass the gate."""
    asked, model = study.section("network", NetworkParams), study.section("tracking", ModelTrackingParams)
    register_experiment(network_of(study), NETWORK, asked.training, model.model)
