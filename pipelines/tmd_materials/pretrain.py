"""Stage `pretrain`: a backbone learns physical quantities from simulated scans; gives weights `simulated`."""

from pathlib import Path

from safetensors.torch import save_file

from tmdscope.files import atomic_path
from tmdscope.layout import MAIN
from tmdscope.learn.pretrain import pretrain, simulate_corpus
from tmdscope.memory import keep_freed_memory
from tmdscope.params.images import PrepareParams, PretrainParams
from tmdscope.params.reading import read_section
from tmdscope.record import write_record
from tmdscope.stage import run_stage
from tmdscope.vision.features import best_device

REPORT = Path("data/pretrained/pretrain.json")


def main() -> None:
    """Write the backbone and how well it reads each quantity."""
    keep_freed_memory()
    settings = read_section("pretrain", PretrainParams)
    prepare = read_section("prepare", PrepareParams)
    images, truth = simulate_corpus(settings, prepare.percentiles, prepare.levelling.steps)
    result = pretrain(
        images,
        truth,
        settings,
        best_device(),
        lambda s: print(f"epoch {s['epoch']:.0f}: loss {s['train_loss']:.3f}, held out {s['val_loss']:.3f}"),
    )
    with atomic_path(MAIN.pretrained) as temporary:
        save_file(result.state, temporary, metadata={"architecture": settings.architecture})
    content = {
        "data": "simulated",
        "images": len(images),
        "history": result.history,
        "r_squared": result.r_squared,
    }
    write_record(REPORT, content, {}, [MAIN.pretrained])


if __name__ == "__main__":
    run_stage(main)
