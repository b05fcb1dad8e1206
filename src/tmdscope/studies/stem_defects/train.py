"""Stage `train`: the network that is registered, with the settings found, and what it says of strangers."""

import numpy as np

from tmdscope.dataset.audit import read_split
from tmdscope.jobs.study import Study
from tmdscope.jobs.training import Training, cross_validate
from tmdscope.lifecycle.naming import Namer
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.params.search import BEST_PARAMS, SEARCHED, Searched, read_best_params
from tmdscope.scores.scored import Scored
from tmdscope.stem.windows import PER_A
from tmdscope.studies.stem_defects.data import PREPARE, classes_of, windows_dataset
from tmdscope.studies.stem_defects.records import NETWORK, Strangers
from tmdscope.studies.stem_defects.study import windows_of
from tmdscope.tracking.models import load_program

SOURCE = "simulated STEM frames"


def run(study: Study) -> None:
    """Train it on the windows' split, and show it windows whose middle is no site."""
    windows, dataset = windows_of(study), windows_dataset(windows_of(study))
    layout, of = windows.layout, windows.of(dataset.digest)
    folder = layout.searches / NETWORK
    params, found = read_best_params(folder / BEST_PARAMS), Searched.read(folder / SEARCHED, of)
    asked = Training(NETWORK, params, dataset, classes_of(study), PREPARE, SOURCE, found.selection)
    cross_validate(windows, asked)
    program = load_program(Scored.read(layout.experiments / NETWORK, of).run.model_uri)
    test = dataset.rows(read_split(layout.split, dataset.digest, dataset.manifest).test)
    images, name = np.array(dataset.images[test]), Namer(NETWORK, Predictor(program, NETWORK))
    known, moved = (
        {
            str(label): float(share)
            for label, share in name(shown)["label"].value_counts(normalize=True).items()
        }
        for shown in (images, np.roll(images, round(PER_A / 2), axis=2))
    )
    Strangers(len(test), known, moved).write(layout.tables / "strangers.json", of)
    print(f"{len(test)} held-out windows are called {known}, moved off their sites {moved}")
