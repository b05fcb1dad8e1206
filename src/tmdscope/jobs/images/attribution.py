"""Stage `attribution`: where in held-out images the registered best model finds its reasons."""

from typing import Any

import numpy as np

from tmdscope.analysis.attribution.maps import Explained
from tmdscope.analysis.attribution.study import AttributionData, explain
from tmdscope.analysis.record import ExplainedModel
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.dataset.truth import simulated_masks
from tmdscope.files import atomic_path
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import AttributionParams, DataParams
from tmdscope.run_record import Registration
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registration import with_run
from tmdscope.tracking.registry import check_trained_on, pull_alias
from tmdscope.tracking.store import connect
from tmdscope.vision.backbones import map_stages
from tmdscope.vision.features import best_device, placed


def run(study: Study) -> None:
    """Write the numbers and the maps of the images that are shown."""
    layout = study.layout
    settings, data = study.section("attribution", AttributionParams), study.section("data", DataParams)
    dataset = Dataset.load(layout.prepared)
    split = read_split(layout.split, dataset.digest, dataset.manifest)
    of = study.of(dataset.digest)
    client, name = connect(), Registration.read(layout.registered, of).model
    version = with_run(client, pull_alias(client, name, settings.alias))
    check_trained_on(version, of)
    fold = int(version.tags.get("best_fold", "0"))
    program, device = load_program(version.uri), best_device()
    classifier = placed(program.ensemble.member(fold), device)
    layer = map_stages(classifier.backbone.network)[-1] if settings.layer == "last" else settings.layer
    explained = Explained(classifier, program.config.make_target(), layer, settings.batch_size, device)
    rows = np.flatnonzero(dataset.manifest["image_id"].isin(split.test))
    held_out = dataset.manifest.iloc[rows]
    size_px = dataset.images.shape[1]
    simulated = data.source == "simulated"
    tested = AttributionData(
        images=np.array(dataset.images[rows]),
        labels=dataset.labels(data.classes)[rows],
        sample_ids=held_out["sample_id"].tolist(),
        masks=simulated_masks(held_out, data.simulated, size_px, settings.tolerance_px) if simulated else {},
    )
    model = ExplainedModel(version.name, version.number, settings.alias, fold)
    asked = settings.model_copy(update={"layer": layer})
    found = explain(explained, tested, asked, study.section("scoring", ScoringParams), model)
    with atomic_path(layout.attribution) as temporary:
        temporary.mkdir()
        image_ids = held_out["image_id"].to_numpy(str)[found.shown]
        arrays: dict[str, Any] = {"image_ids": image_ids, **found.maps}
        np.savez_compressed(temporary / "maps.npz", **arrays)
        found.summary.write(temporary / "attribution.json", of, [temporary / "maps.npz"])
    print(f"{layout.attribution}: {len(rows)} held-out images, {len(image_ids)} of them occluded")
