"""Stage `register`: the network becomes a version of the registered model, with a card and alias `best`."""

from tmdscope.files import read_table
from tmdscope.jobs.registering import register_experiment
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.params.search import BEST_PARAMS, read_best_params
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.task import DETECTIONS
from tmdscope.studies.stem_defects.outcomes import estimate_detector
from tmdscope.studies.stem_defects.params import DefectTrackingParams
from tmdscope.studies.stem_defects.records import CONFIRMED, DETECTOR, NETWORK
from tmdscope.studies.stem_defects.study import windows_of


def run(study: Study) -> None:
    """Register it to name defects and to find them, and say whether the audit lets it pass."""
    windows, asked = windows_of(study), study.section("tracking", DefectTrackingParams)
    params = read_best_params(windows.layout.searches / NETWORK / BEST_PARAMS)
    outcomes, scoring = read_table(study.layout.tables / CONFIRMED), study.section("scoring", ScoringParams)
    found = estimate_detector(outcomes, DETECTOR, scoring)
    facts = {
        name: tell_interval(found.values[name], found.bounds[name])
        for name in (DETECTIONS.told.name, "false_alarms")
    }
    register_experiment(windows, NETWORK, params, asked.detector, facts)
    register_experiment(windows, NETWORK, params, asked.model)
