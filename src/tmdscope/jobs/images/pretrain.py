"""Stage `pretrain`: a backbone learns physical quantities from simulated scans; gives weights `simulated`."""

from safetensors.torch import save_file

from tmdscope.files import atomic_path
from tmdscope.jobs.study import Study
from tmdscope.learn.pretrain import pretrain, simulate_corpus
from tmdscope.memory import keep_freed_memory
from tmdscope.params.images import PrepareParams, PretrainParams
from tmdscope.scores.records import Pretraining
from tmdscope.vision.features import best_device


def run(study: Study) -> None:
    """Write the backbone and how well it reads each quantity."""
    layout = study.layout
    keep_freed_memory()
    settings = study.section("pretrain", PretrainParams)
    prepare = study.section("prepare", PrepareParams)
    images, truth = simulate_corpus(settings, prepare.percentiles, prepare.levelling.steps)
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
