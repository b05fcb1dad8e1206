"""One experiment becomes a version of a registered model, with a card and alias `best`."""

from collections.abc import Mapping

from tmdscope.audit.record import Audit
from tmdscope.jobs.study import Study
from tmdscope.lifecycle.card import write_card
from tmdscope.params.experiments import ExperimentParams
from tmdscope.record import record_of
from tmdscope.run_record import RegisteredVersion, Registration
from tmdscope.scores.scored import Scored
from tmdscope.scores.task import read_task
from tmdscope.tracking.registration import register_model, version_tags
from tmdscope.tracking.registry import BEST
from tmdscope.tracking.store import connect


def register_experiment(
    study: Study, name: str, params: ExperimentParams, model: str, known: Mapping[str, str] | None = None
) -> None:
    """Register it, and say whether the audit of its data lets it pass the gate.

    What is `known` of it besides becomes tags of the version.
    """
    layout = study.layout
    of = study.of(record_of(layout.split)["data"])
    failed = Audit.read(layout.audit, read_task(study.task), of).failed_checks
    scored, client = Scored.read(layout.experiments / name, of), connect()
    tags = version_tags(name, params, scored)
    version = register_model(client, model, scored.run.model_uri, scored.run.run_id, scored.facts, tags)
    for key, value in (known or {}).items():
        client.set_model_version_tag(model, str(version.number), key, value)
    write_card(client, version)
    client.set_registered_model_alias(model, BEST, str(version.number))
    print(f"alias {BEST!r}: {version.uri}")
    if failed:
        print(f"the study's audit failed: {', '.join(failed)}; the gate lets no version pass")
    listed = {name: RegisteredVersion(version.number, version.run_id)}
    Registration(model, name, listed).write(layout.registered, of)
