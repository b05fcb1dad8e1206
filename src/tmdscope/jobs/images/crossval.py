"""Stage `crossval`: one experiment, cross-validated; every fold is an MLflow run."""

from collections.abc import Sequence

from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.jobs.training import Training, cross_validate
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.images import DataParams, PrepareParams
from tmdscope.params.search import BEST_PARAMS, SEARCHED, Searched, read_best_params, tuned_name
from tmdscope.stage import name_of_entry

TUNED_OPTION = "--tuned"


def run(study: Study, *arguments: str) -> None:
    """Run the experiment that the command line or DVC names."""
    name, params, searched = read_arguments(study, arguments)
    if params.strategy is not Strategy.FEATURES:
        keep_freed_memory()  # a head's batches are too small to gain, and what is freed would stay held
    data, prepare = study.section("data", DataParams), study.section("prepare", PrepareParams)
    dataset = Dataset.load(study.layout.prepared)
    cross_validate(study, Training(name, params, dataset, data.classes, prepare, data.origin, searched))


def read_arguments(study: Study, arguments: Sequence[str]) -> tuple[str, ExperimentParams, float | None]:
    """Read which experiment to run, if not DVC names it, and its settings.

    ``--tuned`` takes the settings that its search found; the last value is that search's selection score.
    """
    name = name_of_entry([word for word in arguments if word != TUNED_OPTION], "experiments")
    if TUNED_OPTION not in arguments:
        return name, study.section(f"experiments.{name}", ExperimentParams), None
    settings = read_best_params(study.layout.searches / name / BEST_PARAMS)
    found = study.layout.searches / name / SEARCHED
    score = Searched.read(found).selection
    if score is None:
        raise UserError(f"{found} has no selection score: search again, `dvc repro -f search@{name}`")
    return tuned_name(name), settings, score
