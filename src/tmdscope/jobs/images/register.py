"""Stage `register`: every experiment's ensemble becomes a version with a card; the best gets alias `best`."""

from tmdscope.audit.record import Audit
from tmdscope.jobs.study import Study
from tmdscope.learn.selection import choose_best
from tmdscope.lifecycle.card import write_card
from tmdscope.params.images import ModelTrackingParams
from tmdscope.params.search import read_all_experiments
from tmdscope.record import record_of
from tmdscope.run_record import RegisteredVersion, Registration
from tmdscope.scores.scored import Scored
from tmdscope.scores.task import read_task
from tmdscope.sequential.record import SequenceRecord
from tmdscope.tracking.registration import register_model
from tmdscope.tracking.registry import BEST, Version, resolve
from tmdscope.tracking.store import connect


def run(study: Study) -> None:
    """Write which version each experiment has, which is best by its selection score, and all cards."""
    layout = study.layout
    task, tracking = read_task(study.task), study.section("tracking", ModelTrackingParams)
    of = study.of(record_of(layout.split)["data"])
    client, failed = connect(), Audit.read(layout.audit, task, of).failed_checks
    experiments = read_all_experiments(layout.searches, layout.settings)
    scored = {name: Scored.read(layout.experiments / name, of) for name in experiments}
    facts = {name: found.facts for name, found in scored.items()}
    metric = next(iter(facts.values())).task.primary
    best = choose_best({name: one.scores for name, one in facts.items()}, metric)
    versions: dict[str, Version] = {}
    stages, panels = layout.sequential / "sequential.json", layout.sequential / "latent.csv"
    sequential = SequenceRecord.read(stages, panels, of, task.primary)
    for name, params in experiments.items():
        run, own = scored[name].run, facts[name]
        tags = {
            "experiment": name,
            "strategy": params.strategy.value,
            "weights": params.weights,
            "best_fold": str(own.best_fold),
            "epochs": str(params.epochs),
            "split.sha256": run.split_sha256,
        }
        versions[name] = register_model(client, tracking.model, run.model_uri, run.run_id, own, tags)
        print(
            f"{name}: {versions[name].uri}, selection {metric.title} {metric.tell(own.selection)} "
            f"(validation is better by {metric.tell(own.optimism, sign=True)})"
        )
    made = sequential.versions if sequential else []
    of_stages = [resolve(client, f"models:/{stage.name}/{stage.number}") for stage in made]
    for version in (*versions.values(), *of_stages):
        write_card(client, version)
    client.set_registered_model_alias(tracking.model, BEST, str(versions[best].number))
    print(f"alias {BEST!r}: {versions[best].uri} ({best})")
    if failed:
        print(f"the study's audit failed: {', '.join(failed)}; the gate lets no version pass")
    listed = {name: RegisteredVersion(version.number, version.run_id) for name, version in versions.items()}
    Registration(tracking.model, best, listed).write(layout.registered, of)
