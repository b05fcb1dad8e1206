"""Stage `register`: the network becomes a version of the registered model, with a card and alias `best`."""

from tmdscope.audit.record import Audit
from tmdscope.jobs.study import Study
from tmdscope.lifecycle.card import write_card
from tmdscope.params.images import ModelTrackingParams
from tmdscope.record import record_of
from tmdscope.run_record import RegisteredVersion, Registration
from tmdscope.scores.scored import Scored
from tmdscope.scores.task import read_task
from tmdscope.studies.growth_temperature.network import network_of
from tmdscope.studies.growth_temperature.params import NetworkParams
from tmdscope.studies.growth_temperature.record import NETWORK
from tmdscope.tracking.registration import register_model, version_tags
from tmdscope.tracking.registry import BEST
from tmdscope.tracking.store import connect


def run(study: Study) -> None:
    """Register it, and say whether the audit of its data lets it pass the gate."""
    asked, own = study.section("network", NetworkParams), network_of(study)
    layout, tracking = own.layout, study.section("tracking", ModelTrackingParams)
    of = own.of(record_of(layout.split)["data"])
    failed = Audit.read(layout.audit, read_task(study.task), of).failed_checks
    scored, client = Scored.read(layout.experiments / NETWORK, of), connect()
    tags = version_tags(NETWORK, asked.training, scored)
    version = register_model(
        client, tracking.model, scored.run.model_uri, scored.run.run_id, scored.facts, tags
    )
    write_card(client, version)
    client.set_registered_model_alias(tracking.model, BEST, str(version.number))
    print(f"alias {BEST!r}: {version.uri}")
    if failed:
        print(f"the study's audit failed: {', '.join(failed)}; the gate lets no version pass")
    listed = {NETWORK: RegisteredVersion(version.number, version.run_id)}
    Registration(tracking.model, NETWORK, listed).write(layout.registered, of)
