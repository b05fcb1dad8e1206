"""Stage `register`: the best model of the benchmark becomes a version with a card, and gets alias `best`."""

from tmdscope.audit.record import Audit
from tmdscope.jobs.study import Study
from tmdscope.lifecycle.card import write_card
from tmdscope.params.images import ModelTrackingParams
from tmdscope.record import record_of
from tmdscope.run_record import NO_RUNS, RegisteredVersion, Registration, StageRuns
from tmdscope.scores.task import read_task
from tmdscope.studies.property_transfer.benchmark import NAME, Benchmark
from tmdscope.tracking.registration import read_formula_facts, register_estimator
from tmdscope.tracking.registry import BEST, Version
from tmdscope.tracking.store import connect


def run(study: Study) -> None:
    """Register the model that stage `benchmark` logged; nothing where that was left out."""
    layout, model = study.layout, study.section("tracking", ModelTrackingParams).model
    of, folder = study.of(record_of(layout.split)["data"]), layout.scores.parent
    found = Benchmark.read(folder / "benchmark.json", of)
    runs = StageRuns.read(folder / "benchmark_run.json", of)
    if runs == NO_RUNS:
        Registration(model, "", {}).write(layout.registered, of)
        print(f"not run: benchmark.enabled is false in {layout.settings}")
        return
    client, run_id = connect(), runs.runs[NAME]
    failed = Audit.read(layout.audit, read_task(study.task), of).failed_checks
    facts = read_formula_facts(client, Version(model, 0, run_id, {}))
    version = register_estimator(client, model, found.model_uri, run_id, facts, {"experiment": found.best})
    write_card(client, version)
    client.set_registered_model_alias(model, BEST, str(version.number))
    print(f"{found.best}: {version.uri}, alias {BEST!r}")
    if failed:
        print(f"the study's audit failed: {', '.join(failed)}; the gate lets no version pass")
    listed = {found.best: RegisteredVersion(version.number, version.run_id)}
    Registration(model, found.best, listed).write(layout.registered, of)
