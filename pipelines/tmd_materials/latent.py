"""Stage `latent`: what the registered best model's embedding has to do with the descriptors."""

import pandas as pd

from tmdscope.analysis.embeddings import embed
from tmdscope.analysis.relations import normalise_descriptors, principal_components, relate, summarise
from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset
from tmdscope.files import read_json, write_json, write_table
from tmdscope.layout import DESCRIPTORS, LATENT, LATENT_PLOT, PREPARED, REGISTERED, SPLIT
from tmdscope.params.materials_study import LatentParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage
from tmdscope.tracking.models import load_program
from tmdscope.tracking.registry import pull_alias
from tmdscope.tracking.store import connect
from tmdscope.vision.features import best_device


def main() -> None:
    """Pull the model by alias, embed every image, relate components to descriptors."""
    settings = read_section("latent", LatentParams)
    dataset, split = Dataset.load(PREPARED), Split.read(SPLIT)
    version = pull_alias(connect(), read_json(REGISTERED)["model"], settings.alias)
    fold = int(version.tags.get("best_fold", "0"))
    classifier = load_program(version.uri).ensemble.member(fold)
    ids = dataset.manifest["image_id"].tolist()
    embeddings = embed(classifier, dataset.images, ids, settings.batch_size, best_device())
    pca = principal_components(embeddings, settings.components)
    with DESCRIPTORS.open("rb") as stream:
        measured = pd.read_parquet(stream).set_index("image_id").loc[ids]
    truth = dataset.manifest.set_index("image_id").filter(like="true_")
    descriptors, left_out = normalise_descriptors(measured.join(truth))
    relations = relate(pca.scores, descriptors)
    model = {"name": version.name, "version": version.number, "alias": settings.alias, "fold": fold}
    model["experiment"] = version.tags.get("experiment", "unknown")
    write_json(LATENT, {"model": model, "left_out": left_out, **summarise(pca, relations)})
    held_out = pd.Series(ids).isin(split.test).map({True: "test", False: "train and validation"})
    scatter = pd.DataFrame({"image_id": ids, "material": dataset.manifest["material"], "part": held_out})
    write_table(LATENT_PLOT, scatter.join(pca.scores.reset_index(drop=True)))
    print(
        f"{version.uri} (@{settings.alias}), fold {fold}: {len(ids)} embeddings, {len(relations)} descriptors"
    )


if __name__ == "__main__":
    run_stage(main)
