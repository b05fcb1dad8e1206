"""Stage `register`: every experiment's fold ensemble becomes a version; the best one gets alias `best`."""

from tmdscope.files import read_json, write_json
from tmdscope.layout import EXPERIMENTS, REGISTERED, SEARCHES
from tmdscope.params.materials_study import TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.search import read_all_experiments
from tmdscope.stage import run_stage
from tmdscope.tracking.registry import BEST, Version, point_alias, register
from tmdscope.tracking.store import connect


def main() -> None:
    """Write which version each experiment has and which is best by mean validation macro F1."""
    tracking = read_section("tracking", TrackingParams)
    client = connect()
    versions: dict[str, Version] = {}
    scores: dict[str, float] = {}
    for name, params in read_all_experiments(SEARCHES).items():
        run = read_json(EXPERIMENTS / name / "run.json")
        summary = read_json(EXPERIMENTS / name / "scores.json")
        scores[name] = summary["val"]["macro_f1"]["mean"]
        tags = {
            "experiment": name,
            "target": params.target,
            "architecture": params.architecture,
            "strategy": params.strategy.value,
            "weights": params.weights,
            "best_fold": str(summary["best_fold"]),
            "val_macro_f1": f"{scores[name]:.4f}",
            "test_macro_f1": f"{summary['test']['macro_f1']['mean']:.4f}",
            "epochs": str(params.epochs),
            "data.sha256": run["data_sha256"],
            "split.sha256": run["split_sha256"],
        }
        versions[name] = register(client, tracking.model, run["model_uri"], run["run_id"], tags)
        print(f"{name}: {versions[name].uri}, validation macro F1 {scores[name]:.3f}")
    best = max(scores, key=lambda name: scores[name])
    point_alias(client, tracking.model, BEST, versions[best].number)
    print(f"alias {BEST!r}: {versions[best].uri} ({best})")
    listed = {name: {"version": v.number, "run_id": v.run_id} for name, v in versions.items()}
    write_json(REGISTERED, {"model": tracking.model, "best": best, "versions": listed})


if __name__ == "__main__":
    run_stage(main)
