"""Where the runs of a stage are: its ``run.json``, and the versions that its models are registered as."""

from dataclasses import dataclass, field

from tmdscope.record import JsonRecord


@dataclass(frozen=True, kw_only=True)
class Origin(JsonRecord):
    """Where a stage's runs are and what made them, see `tmdscope.tracking.provenance.whereabouts`."""

    tracking_uri: str
    experiment_id: str
    made_at: str
    provenance: dict[str, str]


@dataclass(frozen=True)
class StageRuns(Origin):
    """The runs of a stage by name, and below them those of outer folds; none where it was left out."""

    runs: dict[str, str]
    outer_runs: list[str] = field(default_factory=list)
    storage: str = ""


NO_RUNS = StageRuns({}, tracking_uri="", experiment_id="", made_at="", provenance={})
"""What a stage that is left out writes."""


@dataclass(frozen=True)
class SearchRun(Origin):
    """The run of a search; `study` is Optuna's, in a `storage`."""

    study: str
    storage: str
    run_id: str


@dataclass(frozen=True)
class ExperimentRun(Origin):
    """Runs of an experiment and its model."""

    VERSION = 2

    experiment: str
    run_id: str
    fold_run_ids: list[str]
    model_uri: str
    data_sha256: str
    split_sha256: str


@dataclass(frozen=True)
class RegisteredVersion:
    """A registered version of an experiment."""

    version: int
    run_id: str


@dataclass(frozen=True)
class Registration(JsonRecord):
    """What stage `register` leaves in ``registered.json``: of each experiment its version, and the best."""

    model: str
    best: str
    versions: dict[str, RegisteredVersion]
