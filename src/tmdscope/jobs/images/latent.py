"""Stage `latent`: what the registered best model's embedding has to do with the descriptors."""

import numpy as np
import pandas as pd

from tmdscope.analysis.descriptors.catalogue import without_bounds
from tmdscope.analysis.record import Before, LatentModel, ModelLatent
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.jobs.latent import relate_embedding
from tmdscope.jobs.study import Study
from tmdscope.params.experiments import FeaturesParams
from tmdscope.params.images import LatentParams
from tmdscope.run_record import Registration
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registration import with_run
from tmdscope.tracking.registry import check_trained_on, pull_alias
from tmdscope.tracking.store import connect
from tmdscope.vision.features import best_device, embed
from tmdscope.vision.stored import BackboneName, StoredFeatures, place_of


def run(study: Study) -> None:
    """Look through the first of the frozen backbones before training."""
    settings, features = study.section("latent", LatentParams), study.section("features", FeaturesParams)
    relate_registered(study, features.backbones[0], settings)


def relate_registered(study: Study, before: BackboneName, settings: LatentParams) -> None:
    """Pull the model by alias, embed every image, relate components to descriptors.

    `before` is a backbone that was not trained on them, whose features are stored.
    """
    layout = study.layout
    dataset = Dataset.load(layout.prepared)
    cohort = study.cohort(study)
    split, of = cohort.read_split(layout.split), study.of(dataset.digest)
    stored = StoredFeatures.read(place_of(layout.features, before), dataset, layout.pretrained)
    client, name = connect(), Registration.read(layout.registered, of).model
    version = with_run(client, pull_alias(client, name, settings.alias))
    check_trained_on(version, of)
    fold = int(version.tags.get("best_fold", "0"))
    classifier = load_program(version.uri).ensemble.member(fold)
    ids, batch = dataset.image_ids, settings.batch_size
    embeddings = embed(classifier, dataset.images, ids, batch, best_device(), settings.after_relu)
    untrained = pd.DataFrame(np.array(stored.features[:, 0]), index=ids)
    descriptors = without_bounds(read_descriptors(layout.descriptors, dataset.manifest))
    experiment = version.tags.get("experiment", "unknown")
    model = LatentModel(version.name, version.number, settings.alias, fold, experiment, settings.after_relu)
    about = {"model": model, "before": Before(stored.architecture, stored.weights)}
    seen = embeddings, untrained, descriptors
    found = relate_embedding(study, cohort, split, settings, *seen, ModelLatent, about)
    described = len(found.summary.described)
    print(f"{version.uri} (@{settings.alias}), fold {fold}: {len(ids)} embeddings, {described} descriptors")
