"""Whether the networks that settings name can do what is asked of them, before anything is trained."""

import io
import json
import zipfile
from collections.abc import Iterator

import torch

from tmdscope.params.architectures import TIMM
from tmdscope.params.images import AttributionParams, PrepareParams, PretrainParams
from tmdscope.params.rules import Settings, backbones, uses_simulated
from tmdscope.tracking.model_graph import GRAPH, check_graph
from tmdscope.vision.backbones import bare_backbone, map_stages, on_paper, size_problem, stages_of
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.published import GREY_NORMALISATION


def network_problems(settings: Settings) -> Iterator[str]:
    """Find networks of timm's that take no such images or cannot be kept, and stages that no network has."""
    size_px = settings.get("prepare", PrepareParams).size_px
    pretrain = settings.get("pretrain", PretrainParams)
    used: dict[str, str] = {}
    for where, entry in backbones(settings):
        used.setdefault(entry.architecture, where)
    for architecture, where in used.items():
        if architecture.startswith(TIMM):
            problem = size_problem(architecture, size_px) or _export_problem(architecture, size_px)
            if problem:
                yield f"{where}: {architecture}: {problem}"
    if uses_simulated(settings) and (problem := size_problem(pretrain.architecture, pretrain.size_px)):
        yield f"pretrain: {pretrain.architecture}: {problem.replace('prepare.', 'pretrain.')}"
    layer = settings.get("attribution", AttributionParams).layer
    for where, entry in settings.trainings():
        network = on_paper(entry.architecture)
        known, maps = stages_of(network), map_stages(network)
        has = f"it has {', '.join(known)}" if known else "timm names none of it: take another architecture"
        if entry.train_from is not None and entry.train_from not in known:
            yield f"{where}.train_from: {entry.architecture} has no stage {entry.train_from!r}; {has}"
        if layer not in (maps and ("last", *maps)):
            yield (
                f"attribution.layer: {entry.architecture} ({where}) has no maps of a stage {layer!r}; it has "
                f"those of {', '.join(maps) or 'none: take another'}; `last` is each network's own"
            )


def _export_problem(architecture: str, size_px: int) -> str | None:
    """Say why a network cannot be kept as a program of known operators; None where it can."""
    backbone = Backbone(bare_backbone(architecture, size_px=size_px), GREY_NORMALISATION).eval()
    example, written = torch.zeros(2, size_px, size_px, dtype=torch.uint8), io.BytesIO()
    try:
        batch = {0: torch.export.Dim.DYNAMIC}
        torch.export.save(torch.export.export(backbone, (example,), dynamic_shapes=(batch,)), written)
        with zipfile.ZipFile(written) as archive:
            name = next(name for name in archive.namelist() if name.endswith(GRAPH))
            check_graph(json.loads(archive.read(name)))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200]
        return f"its models could not be kept ({reason}): take another architecture"
    return None
