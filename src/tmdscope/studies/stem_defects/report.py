"""The report: detectors, classes, the leak, and what a movie gave."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from tmdscope.files import broken, open_array, read_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.params.search import SEARCHED, Searched
from tmdscope.report.part import Report
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, read_runs
from tmdscope.run_record import Registration, StageRuns
from tmdscope.scores.records import StudyScores
from tmdscope.scores.scored import Scored
from tmdscope.stem.crystal import PRISTINE
from tmdscope.studies.stem_defects.params import SimulateParams
from tmdscope.studies.stem_defects.records import (
    ATTENTION,
    ATTENTION_RUN,
    CONFIRMED,
    MOVIE,
    NETWORK,
    RATES,
    RUN,
    TRACKS,
    TRUTH,
    Attention,
    Leak,
    Rates,
    Strangers,
)
from tmdscope.studies.stem_defects.sections.detection import Detection
from tmdscope.studies.stem_defects.sections.following import Following
from tmdscope.studies.stem_defects.sections.leaky import Leaky
from tmdscope.studies.stem_defects.sections.naming import Naming
from tmdscope.studies.stem_defects.sections.reasons import Reasons
from tmdscope.studies.stem_defects.sections.registered import Registered
from tmdscope.studies.stem_defects.study import MANIFEST, windows_of

SIMULATED = "All data are simulated; nothing here was measured on a microscope."


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    cohort, windows, folder = study.cohort(study), windows_of(study), study.layout.tables
    of, of_windows = study.of(cohort.digest), windows.of(windows.cohort(windows).digest)
    scoring = study.section("scoring", ScoringParams)
    outcomes = [read_table(folder / name) for name in ("detections.parquet", CONFIRMED)]
    detection = Detection(pd.concat(outcomes, ignore_index=True), scoring)
    predictions = read_table(windows.layout.tables / "predictions.parquet")
    scores = StudyScores.read(windows.layout.scores, of_windows)
    following = Following(
        Rates.read(folder / RATES, of, [folder / TRACKS, folder / TRUTH]),
        read_table(folder / TRACKS),
        np.asarray(open_array(folder / MOVIE)),
        (*study.section("simulate", SimulateParams).layer.names, PRISTINE),
        scoring,
    )
    registered = _registered(windows, of_windows, detection.usual)
    runs = [
        registered.run,
        *_called("detector", StageRuns.read(study.layout.run, of)),
        *_called("windows", StageRuns.read(windows.layout.run, of_windows)),
        *read_runs(StageRuns.read(folder / ATTENTION_RUN, of_windows)),
        *read_runs(StageRuns.read(folder / "leak_run.json", of)),
        *read_runs(StageRuns.read(folder / RUN, of)),
    ]
    return Report(
        title="Defects in STEM movies",
        lead="Found, named and followed on simulated frames of a single layer.",
        answer=detection.answer(),
        parts=[
            *(detection, Naming(predictions, scores, detection.usual), registered),
            Reasons(Attention.read(folder / ATTENTION, of_windows)),
            *(Leaky(Leak.read(folder / "leak.json", of)), following),
            Provenance(runs, f"Frames: SHA-256 {cohort.digest}."),
            Reproduction(runs, "make stem", SIMULATED),
        ],
        note=SIMULATED,
    )


def _registered(windows: Study, of: Mapping[str, str], usual: float) -> Registered:
    layout, folder = windows.layout, windows.layout.searches / NETWORK
    found = Scored.read(layout.experiments / NETWORK, of)
    registration = Registration.read(layout.registered, of)
    if registration.versions[NETWORK].run_id != found.run.run_id:
        raise broken(layout.registered, f"is of another run than {layout.experiments} holds")
    trials = folder / "trials.csv"
    return Registered(
        found,
        registration,
        Searched.read(folder / SEARCHED, of, [trials]),
        read_table(trials),
        Strangers.read(layout.tables / "strangers.json", of),
        read_table(layout.raw / MANIFEST).set_index("image_id")["noise"],
        usual,
    )


def _called(what: str, stage: StageRuns) -> list[Run]:
    return [replace(run, name=f"{what} {run.name}") for run in read_runs(stage)]
