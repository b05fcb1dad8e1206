"""A user's new class: read and prepared as a model's own images, refused where the two do not fit."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tmdscope.alike import plain_name
from tmdscope.dataset.folder import find_class
from tmdscope.dataset.manifest_csv import read_sheet
from tmdscope.dataset.place import check_apart, manifest_file
from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.sources import ingest
from tmdscope.dataset.splits import FoldParts, group_samples, outer_folds
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.names import text_problem
from tmdscope.params.experiments import Strategy
from tmdscope.params.images import DataParams, PrepareParams
from tmdscope.params.sequential import SequentialParams
from tmdscope.stage import say
from tmdscope.tracking.models import Program
from tmdscope.tracking.registry import Version, check_trained_on
from tmdscope.tracking.scale import widths_nm
from tmdscope.vision.published import Weights, normalisation_of


def check_fits(study: Study, version: Version, program: Program, old: Dataset, folds: int) -> None:
    """Refuse a model of other data, another split, or another kind than section `sequential` names."""
    config = program.config
    check_trained_on(version, study.of(old.digest))
    if "epochs" not in version.tags:
        raise UserError(f"{version.uri} does not say its epochs: register it again, `dvc repro register`")
    if config.members != folds:
        raise UserError(
            f"{version.uri} has {config.members} fold models, {study.layout.split} has {folds} folds"
        )
    if config.target not in ("multiclass", "multilabel"):
        raise UserError(f"{version.uri} has {config.target} targets; a class can be added to the others only")
    settings = study.section("sequential", SequentialParams).experiment("multiclass", 0)
    if config.shared_backbone != (settings.strategy is Strategy.FEATURES):
        kind = "heads on frozen features" if config.shared_backbone else "fine-tuned networks"
        wanted = "features" if config.shared_backbone else "finetune"
        raise UserError(
            f"{version.uri} is made of {kind}, sequential.training.strategy is {settings.strategy.value!r}: "
            f"set it to {wanted!r} in params.yaml"
        )
    normalisation = normalisation_of(Weights(settings.weights), settings.architecture)
    if (config.architecture, config.normalisation) != (settings.architecture, normalisation):
        raise UserError(
            f"{version.uri} has architecture {config.architecture}, sequential.training names "
            f"{settings.architecture} with weights {settings.weights}: make them agree in params.yaml"
        )


def own_preparation(wanted: PrepareParams, images: Path, version: Version, program: Program) -> PrepareParams:
    """Say how the model's images were prepared: those of the new class are prepared so, whatever is asked."""
    if program.prepare is None:
        raise UserError(
            f"{version.uri} does not say how its images were prepared: run its experiment anew, "
            "`dvc repro --force`"
        )
    own, asked = (part.model_dump(mode="json") for part in (program.prepare, wanted))
    differing = [f"{name} {own[name]}, not {asked[name]}" for name in own if own[name] != asked[name]]
    if differing:
        say(
            f"{images} is prepared as images of {version.uri} were, not by prepare in params.yaml: "
            + "; ".join(differing)
        )
    return program.prepare


def check_scale(version: Version, program: Program, new: Dataset) -> None:
    """Refuse scans of another width: what tells them from the old classes would be their scale."""
    scale, widths = program.scale, widths_nm(new.manifest, new.images.shape[1])
    if scale is None or not scale.known:
        say(f"{version.uri} does not know how wide in nm its training images were: no scale was compared")
        return
    for image_id, width_nm in zip(new.manifest["image_id"], widths, strict=True):
        if scale.differs(width_nm):
            raise UserError(
                f"{image_id} shows {width_nm:.4g} nm, images of {version.uri} {scale.text}: it would be told "
                "by its scale. Give scans of that width, or cut them to it, and check pixel_size_nm"
            )
    unknown = int(widths.isna().sum())
    if unknown:
        say(f"{unknown} of {len(widths)} new images do not say their width; {version.uri} has {scale.text}")


def read_new(
    study: Study, images: Path, own: PrepareParams, version: Version, known: Sequence[str], old: Dataset
) -> Dataset:
    """Read and prepare a folder's images as the model's own were, in a folder that is removed again."""
    data = study.section("data", DataParams)
    manifest = manifest_file(images, data.folder.manifest)
    check_apart(images, study.layout.root)
    sheet = read_sheet(manifest)
    named = sorted({row[sheet.label].strip() for row in sheet.rows} - {""})
    if len(named) != 1:
        raise UserError(
            f"{manifest} holds classes {', '.join(named) or 'none'}: add one new class at a time, "
            "a folder each"
        )
    if problem := text_problem(named[0]):
        raise UserError(f"{manifest}: {sheet.label} {problem}")
    if (twin := find_class(named[0], known)) is not None:
        raise UserError(f"{manifest}: {version.uri} knows {twin} already; name a new class")
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        raw, prepared = Path(folder) / "raw", Path(folder) / "prepared"
        folder_of = data.folder.model_copy(update={"path": str(images)})
        ingest(data.model_copy(update={"source": "folder", "classes": named, "folder": folder_of}), raw)
        found = prepare(raw, prepared, own)
        new = Dataset(np.array(found.images), found.manifest)
    seen = set(old.manifest["image_sha256"])
    again = new.manifest.loc[new.manifest["image_sha256"].isin(seen), "image_id"]
    if len(again):
        raise UserError(f"{manifest}: {again.iloc[0]} repeats an image of the study: remove it")
    for column in ("image_id", "sample_id"):
        theirs = {plain_name(name): name for name in old.manifest[column]}
        for name in new.manifest[column]:
            if twin := theirs.get(plain_name(name)):
                is_it = "is the study's already" if twin == name else f"looks like {twin!r} of the study"
                raise UserError(f"{manifest}: {column} {name!r} {is_it}: rename it")
    return new


def join_folds(folds: Sequence[FoldParts], new: Dataset, offset: int) -> list[FoldParts]:
    """Cut the new images by sample: one part more than folds, the first of them for the test."""
    sample_ids, hashes = (new.manifest[name].tolist() for name in ("sample_id", "image_sha256"))
    samples = group_samples(sample_ids, hashes)
    try:
        cut = outer_folds([0] * len(samples), samples, len(folds) + 1)
    except UserError as error:
        raise UserError(
            f"{len(set(samples))} samples of {new.classes[0]} cannot fill {len(folds)} folds and a test: "
            f"images of at least {len(folds) + 1} samples are needed"
        ) from error
    test, *vals = (rows + offset for _, rows in cut)
    return [
        FoldParts(
            np.concatenate([fold.train, np.sort(np.concatenate([*vals[:number], *vals[number + 1 :]]))]),
            np.concatenate([fold.val, vals[number]]),
            np.concatenate([fold.test, test]),
        )
        for number, fold in enumerate(folds)
    ]
