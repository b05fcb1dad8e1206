"""Stage `detect`: the registered network as a detector, on frames of conditions that it never saw."""

import numpy as np

from tmdscope.files import write_table
from tmdscope.jobs.study import Study
from tmdscope.lifecycle.naming import Namer
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.run_record import ExperimentRun
from tmdscope.scores.scored import RUN
from tmdscope.stem.confirmed import Confirmed
from tmdscope.studies.stem_defects.data import frames_of
from tmdscope.studies.stem_defects.detectors import FittedDetector, outcomes_of
from tmdscope.studies.stem_defects.params import SimulateParams
from tmdscope.studies.stem_defects.records import CONFIRMED, DETECTOR, NETWORK
from tmdscope.studies.stem_defects.study import windows_of
from tmdscope.tracking.models import load_program
from tmdscope.tracking.store import connect


def run(study: Study) -> None:
    """Keep what became of every object; no frame's condition is one of the network's."""
    frames, crystal = frames_of(study), study.section("simulate", SimulateParams).layer
    logged = ExperimentRun.read(windows_of(study).layout.experiments / NETWORK / RUN)
    connect()
    network = Namer(NETWORK, Predictor(load_program(logged.model_uri), NETWORK))
    detector = FittedDetector(DETECTOR, frames, crystal, Confirmed(chance=network.defect))
    rows = np.arange(len(frames.manifest))
    found = detector.predict_unseen(rows[:0], rows, 0, 0)
    write_table(study.layout.tables / CONFIRMED, outcomes_of([detector], frames))
    print(f"{DETECTOR}: {found[:, 0].sum()} found, {found[:, 1].mean():.2f} false alarms a frame")
