"""Stage `register`: every experiment's ensemble becomes a version with a card; the best gets alias `best`."""

from tmdscope.audit.record import Audit
from tmdscope.files import sha256_file
from tmdscope.layout import AUDIT, EXPERIMENTS, REGISTERED, SEARCHES, SEQUENTIAL, SPLIT
from tmdscope.learn.selection import choose_best
from tmdscope.lifecycle.card import write_card
from tmdscope.params.materials_study import TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.search import read_all_experiments
from tmdscope.record import record_of, write_record
from tmdscope.scores.scored import Scored
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.record import SequenceRecord
from tmdscope.stage import run_stage
from tmdscope.tracking.registration import register_model
from tmdscope.tracking.registry import BEST, Version, point_alias, resolve
from tmdscope.tracking.store import connect


def main() -> None:
    """Write which version each experiment has, which is best by its selection score, and all cards."""
    tracking = read_section("tracking", TrackingParams)
    of = {**record_of(SPLIT), "split": sha256_file(SPLIT)}
    client, failed = connect(), Audit.read(AUDIT, CLASSES, of).failed_checks
    experiments = read_all_experiments(SEARCHES)
    scored = {name: Scored.read(EXPERIMENTS / name, of) for name in experiments}
    best = choose_best({name: one.facts["scores"] for name, one in scored.items()})
    versions: dict[str, Version] = {}
    stages, panels = SEQUENTIAL / "sequential.json", SEQUENTIAL / "latent.csv"
    sequential = SequenceRecord.read(stages, panels, of, CLASSES.primary)
    for name, params in experiments.items():
        run, facts = scored[name].run, scored[name].facts
        tags = {
            "experiment": name,
            "strategy": params.strategy.value,
            "weights": params.weights,
            "best_fold": str(facts["scores"]["best_fold"]),
            "epochs": str(params.epochs),
            "split.sha256": run["split_sha256"],
        }
        uri, run_id = run["model_uri"], run["run_id"]
        versions[name] = register_model(client, tracking.model, uri, run_id, facts, tags)
        selection = facts["scores"]["selection"]
        print(
            f"{name}: {versions[name].uri}, selection macro F1 {selection['macro_f1']:.3f} (validation less "
            f"this: {selection['optimism']:+.3f})"
        )
    made = sequential.versions if sequential else []
    of_stages = [resolve(client, f"models:/{stage.name}/{stage.number}") for stage in made]
    for version in (*versions.values(), *of_stages):
        write_card(client, version)
    point_alias(client, tracking.model, BEST, versions[best].number)
    print(f"alias {BEST!r}: {versions[best].uri} ({best})")
    if failed:
        print(f"the study's audit failed: {', '.join(failed)}; the gate lets no version pass")
    listed = {name: {"version": v.number, "run_id": v.run_id} for name, v in versions.items()}
    write_record(REGISTERED, {"model": tracking.model, "best": best, "versions": listed}, of)


if __name__ == "__main__":
    run_stage(main)
