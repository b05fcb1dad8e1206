"""Stage `latent`: what the registered best model's embedding has to do with the descriptors."""

import numpy as np
import pandas as pd

from tmdscope.analysis.latent import LatentData, analyse
from tmdscope.analysis.record import Before, LatentModel, ModelLatent
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import sha256_file, write_table
from tmdscope.layout import MAIN
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import LatentParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registration import Registration
from tmdscope.tracking.registry import check_trained_on, pull_alias
from tmdscope.tracking.store import connect
from tmdscope.vision.features import best_device, embed
from tmdscope.vision.stored import StoredFeatures


def main() -> None:
    """Pull the model by alias, embed every image, relate components to descriptors."""
    settings = read_section("latent", LatentParams)
    dataset = Dataset.load(MAIN.prepared)
    split = read_split(MAIN.split, dataset.manifest)
    of = {"data": dataset.digest, "split": sha256_file(MAIN.split)}
    stored = StoredFeatures.read(MAIN.features, dataset, MAIN.pretrained)
    version = pull_alias(connect(), Registration.read(MAIN.registered, of).model, settings.alias)
    check_trained_on(version, of)
    fold = int(version.tags.get("best_fold", "0"))
    classifier = load_program(version.uri).ensemble.member(fold)
    ids = dataset.manifest["image_id"].tolist()
    batch, device = settings.batch_size, best_device()
    data = LatentData(
        embeddings=embed(classifier, dataset.images, ids, batch, device, settings.after_relu),
        before=pd.DataFrame(np.array(stored.features[:, 0]), index=ids),
        descriptors=read_descriptors(MAIN.descriptors, dataset.manifest),
        materials=dataset.manifest["material"].tolist(),
        sample_ids=dataset.manifest["sample_id"].tolist(),
        held_out=np.isin(ids, split.test),
    )
    found = analyse(data, settings, read_section("scoring", ScoringParams))
    experiment = version.tags.get("experiment", "unknown")
    model = LatentModel(version.name, version.number, settings.alias, fold, experiment, settings.after_relu)
    before = Before(stored.architecture, stored.weights)
    write_table(MAIN.latent_table, found.table)
    part = np.where(data.held_out, "test", "train and validation")
    images = pd.DataFrame({"image_id": ids, "material": data.materials, "part": part})
    write_table(MAIN.latent_plot, images.join(found.scores.reset_index(drop=True)))
    record = ModelLatent(**vars(found.summary), model=model, before=before)
    record.write(MAIN.latent, of, [MAIN.latent_table, MAIN.latent_plot])
    described = len(record.described)
    print(f"{version.uri} (@{settings.alias}), fold {fold}: {len(ids)} embeddings, {described} descriptors")


if __name__ == "__main__":
    run_stage(main)
