"""Stage `register`: the network becomes a version of the registered model, with a card and alias `best`."""

from tmdscope.jobs.registering import register_experiment
from tmdscope.jobs.study import Study
from tmdscope.params.images import ModelTrackingParams
from tmdscope.params.search import BEST_PARAMS, read_best_params
from tmdscope.studies.stem_defects.records import NETWORK
from tmdscope.studies.stem_defects.study import windows_of


def run(study: Study) -> None:
    """Register it, and say whether the audit of its data lets it pass the gate."""
    windows, asked = windows_of(study), study.section("tracking", ModelTrackingParams)
    params = read_best_params(windows.layout.searches / NETWORK / BEST_PARAMS)
    register_experiment(windows, NETWORK, params, asked.model)
