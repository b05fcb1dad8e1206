"""Stage `pretrain`: a backbone learns physical quantities from simulated scans; gives weights `simulated`."""

from safetensors.torch import save_file

from tmdscope.files import atomic_path, read_json
from tmdscope.jobs.study import Study
from tmdscope.memory import keep_freed_memory
from tmdscope.params.images import PrepareParams, PretrainParams
from tmdscope.scores.records import Pretraining


def run(study: Study) -> None:
    """Write the backbone and how well it reads each quantity, or that no setting asks for it."""
    layout = study.layout
    if not read_json(layout.pretraining_needed)["needed"]:
        layout.pretrained.unlink(missing_ok=True)
        Pretraining("simulated", 0, [], {}).write(layout.pretraining, {}, [])
        print(f"no setting asks for weights `simulated`: {layout.pretraining} says so, nothing was trained")
        return
    from tmdscope.learn.pretrain import pretrain, simulate_corpus
    from tmdscope.vision.features import best_device

    keep_freed_memory()
    settings = study.section("pretrain", PretrainParams)
    prepare = study.section("prepare", PrepareParams)
    levelling = prepare.levelling
    images, truth = simulate_corpus(settings, prepare.percentiles, levelling.steps, levelling.points)
    result = pretrain(
        images,
        truth,
        settings,
        best_device(),
        lambda s: print(f"epoch {s['epoch']:.0f}: loss {s['train_loss']:.3f}, held out {s['val_loss']:.3f}"),
    )
    with atomic_path(layout.pretrained) as temporary:
        save_file(result.state, temporary, metadata={"architecture": settings.architecture})
    found = Pretraining("simulated", len(images), result.history, result.r_squared)
    found.write(layout.pretraining, {}, [layout.pretrained])
