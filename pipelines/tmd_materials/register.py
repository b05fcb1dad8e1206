"""Stage `register`: every experiment's ensemble becomes a version with a card; the best gets alias `best`."""

from tmdscope.files import read_json, write_json
from tmdscope.layout import AUDIT, EXPERIMENTS, REGISTERED, SEARCHES, SEQUENTIAL
from tmdscope.learn.selection import choose_best
from tmdscope.lifecycle.card import write_card
from tmdscope.params.materials_study import TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.search import read_all_experiments
from tmdscope.stage import run_stage
from tmdscope.tracking.registration import FAILED_AUDITS, NO_AUDITS, register_model
from tmdscope.tracking.registry import BEST, Version, point_alias, resolve
from tmdscope.tracking.runs import FACTS
from tmdscope.tracking.store import connect


def main() -> None:
    """Write which version each experiment has, which is best by its selection score, and all cards."""
    tracking = read_section("tracking", TrackingParams)
    client, failed = connect(), read_json(AUDIT)["failed_checks"]
    experiments = read_all_experiments(SEARCHES)
    all_facts = {name: read_json(EXPERIMENTS / name / FACTS) for name in experiments}
    best = choose_best({name: facts["scores"] for name, facts in all_facts.items()})
    versions: dict[str, Version] = {}
    for name, params in experiments.items():
        run, facts = read_json(EXPERIMENTS / name / "run.json"), all_facts[name]
        tags = {
            "experiment": name,
            "strategy": params.strategy.value,
            "weights": params.weights,
            "best_fold": str(facts["scores"]["best_fold"]),
            "epochs": str(params.epochs),
            "split.sha256": run["split_sha256"],
            FAILED_AUDITS: ", ".join(failed) or NO_AUDITS,
        }
        uri, run_id = run["model_uri"], run["run_id"]
        versions[name] = register_model(client, tracking.model, uri, run_id, facts, tags)
        selection = facts["scores"]["selection"]
        print(
            f"{name}: {versions[name].uri}, selection macro F1 {selection['macro_f1']:.3f} (validation less "
            f"this: {selection['optimism']:+.3f})"
        )
    stages = read_json(SEQUENTIAL / "sequential.json").get("versions", [])
    of_stages = [resolve(client, f"models:/{stage['name']}/{stage['number']}") for stage in stages]
    for version in (*versions.values(), *of_stages):
        write_card(client, version)
    point_alias(client, tracking.model, BEST, versions[best].number)
    print(f"alias {BEST!r}: {versions[best].uri} ({best})")
    listed = {name: {"version": v.number, "run_id": v.run_id} for name, v in versions.items()}
    write_json(REGISTERED, {"model": tracking.model, "best": best, "versions": listed})


if __name__ == "__main__":
    run_stage(main)
