"""Run all benchmarks, or those named: `python -m benchmarks [NAME ...]`, one JSON object per line.

`python -m benchmarks hostile [KIND ...]` times nothing: it tries hostile inputs, see docs/security.md.
`python -m benchmarks gpu` measures a CUDA device in eight minutes at most.
"""

import argparse
import json
import os

import torch

from benchmarks import (
    audit_seeds,
    batched_heads,
    descriptor_truth,
    descriptors_224,
    descriptors_stream,
    features_224,
    film_truth,
    ingest_mixed,
    level_512,
    level_layers_512,
    levelling_truth,
    noop_repro,
    predict_224,
    prepare_1026,
    reliability,
    scale,
    search_vs_grid,
    serving,
    simulate_128,
    tracking_share,
    train_resnet18,
)
from benchmarks.harness import run
from benchmarks.worker import stop_workers

BENCHMARKS = {
    benchmark.NAME: benchmark
    for benchmark in (
        noop_repro,
        simulate_128,
        prepare_1026,
        level_512,
        level_layers_512,
        levelling_truth,
        descriptors_224,
        *train_resnet18.BENCHMARKS,
        features_224,
        predict_224,
        serving,
        batched_heads,
        tracking_share,
        search_vs_grid,
        reliability,
        descriptor_truth,
        film_truth,
        descriptors_stream,
        scale,
        audit_seeds,
        ingest_mixed,
    )
}

HOSTILE = "hostile"
GPU = "gpu"
"""Not run unless named."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when none")
    names = parser.parse_args().names or list(BENCHMARKS)
    if names[0] == HOSTILE:
        from benchmarks.hostile.main import run as try_hostile

        raise SystemExit(not try_hostile(names[1:]))
    if names == [GPU]:
        names = _measure_gpu()
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    for name in names:
        print(json.dumps(run(BENCHMARKS[name])), flush=True)
        stop_workers()


def _measure_gpu() -> list[str]:
    if not torch.cuda.is_available():
        raise SystemExit("python -m benchmarks gpu: PyTorch finds no CUDA device on this machine")
    from benchmarks import gpu

    for line in gpu.run(gpu.Work(loaders=len(os.sched_getaffinity(0)))):
        print(json.dumps(line), flush=True)
    return []


if __name__ == "__main__":
    main()
