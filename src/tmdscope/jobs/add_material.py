"""A user's new class on top of a registered model, and what it gains against training anew."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_json, write_text
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.new_class import (
    check_fits,
    check_scale,
    join_folds,
    own_preparation,
    read_new,
)
from tmdscope.jobs.sequences import StageModels, train_tracked
from tmdscope.jobs.study import Study
from tmdscope.layout import Layout
from tmdscope.learn.crossval import score_fold
from tmdscope.learn.experiment import files_of, read_features
from tmdscope.learn.fit import FitResult, predict_logits
from tmdscope.learn.resume import Resume
from tmdscope.lifecycle.card import write_card
from tmdscope.materials import atoms_of
from tmdscope.memory import keep_freed_memory
from tmdscope.names import key_of
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy, require_formulae
from tmdscope.params.images import DataParams, ModelTrackingParams, PrepareParams
from tmdscope.params.reading import Params
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.task import Metric, read_task
from tmdscope.sequential.outcome import summarise
from tmdscope.sequential.plan import Known, Plan, Training, make_plan, stage_parts
from tmdscope.sequential.record import AddedRecord
from tmdscope.sequential.run import StageResult
from tmdscope.stage import say
from tmdscope.tracking.models import Program, load_program
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.registration import with_run
from tmdscope.tracking.registry import Version, resolve
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.sequential import TrackedSequences
from tmdscope.tracking.store import Store, connect, open_study
from tmdscope.vision.features import best_device, frozen_backbone, placed, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.stored import place_of
from tmdscope.vision.targets import Multilabel

NAME = "add-material"


def add_material(study: Study, model: str, images: Path) -> tuple[str, Path]:
    """Train a registered model on one more class, compare with training anew, and register the result.

    `model` is ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``; `images` a folder with images of one new
    class and their manifest CSV, named by `data.folder.manifest`, as source `folder` reads it. The new model
    has its number of classes behind the registered name; no alias is moved. Gives the gain, Markdown, and the
    folder that the addition is written to. `UserError` where the images are not of one new class, the model
    is not of this study's data and split, or its kind is not that of section `sequential`.
    """
    keep_freed_memory()
    layout, scoring = study.layout, study.section("scoring", ScoringParams)
    registered = study.section("tracking", ModelTrackingParams).model
    connect()
    tracked = open_study(study.experiment, NAME)
    version = with_run(tracked.client, resolve(tracked.client, model))
    program = load_program(version.uri)
    old, new, own, folds = _read_both(study, version, program, images)
    material, target = str(new.classes[0]), program.config.make_target()
    params = _stage_params(study.section("sequential", SequentialParams), program, material)
    manifest = pd.concat([old.manifest, new.manifest], ignore_index=True)
    dataset = Dataset(np.concatenate([old.images, new.images]), manifest)
    plan = make_plan(params, dataset.classes, Known(target, int(version.tags["epochs"])))
    settings = params.model_dump(mode="json")
    split = sha256_json([[part.tolist() for part in vars(fold).values()] for fold in folds])
    tags = provenance(tracked.name, dataset.digest, {**settings, "model": version.uri})
    tags |= {"experiment": NAME, "material": material, "model": version.uri, "split.sha256": split}
    asked, heads = params.experiment(params.encodings[0], 0), params.strategy is Strategy.FEATURES
    files = files_of(asked, layout.features, layout.pretrained)
    resume = _open_attempt(study, plan, files, tags, version)
    use = DataUse(tracked.name, dataset.digest, str(images), len(dataset.images), NAME)
    task, labels = read_task(target.task), plan.label(manifest["label"].tolist())
    cohort, metric = Cohort.of(task, manifest, labels, plan.order), task.primary
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        features = Path(folder)
        if heads:
            _write_features(layout, asked, old, new, features, dataset.digest)
        origin = f"{study.section('data', DataParams).origin} and {images.name}"
        compiler = Compiler(dataset, folds, own, scoring, origin)
        models = StageModels(params, plan, dataset, features, layout.pretrained, compiler)
        known = _known_stage(models, program, folds, cohort, heads)
        name, before = f"{registered}-{len(plan.order)}", {known.training: version}
        recorder = TrackedSequences(tracked, plan, tags, use, settings, resume, models.package, name, before)
        outcome = train_tracked(recorder, models.setup(folds), [known])
    summary = summarise(plan, [known, *outcome.results], cohort, scoring)
    record = AddedRecord(**vars(summary), model=version.uri, versions=outcome.versions)
    place = layout.added / key_of(material)
    text = _write(record, metric, place, tracked, outcome.runs.values())
    resume.finish()  # last: a repeat of what was killed before goes on with the same runs and version
    return text, place


def _write(record: AddedRecord, metric: Metric, place: Path, store: Store, runs: Iterable[str]) -> str:
    """Write what was found into a folder and to the runs, and the cards of what was registered."""
    text = describe_gain(record, metric)
    record.write(place / "added.json", metric)
    write_text(place / "gain.md", text)
    for run_id in runs:
        store.client.log_artifact(run_id, str(place / "gain.md"))
    for made in record.versions:
        write_card(store.client, resolve(store.client, f"models:/{made.name}/{made.number}"))
    return text


def _read_both(
    study: Study, version: Version, program: Program, images: Path
) -> tuple[Dataset, Dataset, PrepareParams, list[FoldParts]]:
    """Read the study's images and the new ones, how both are prepared, and the folds of all together."""
    old = Dataset.load(study.layout.prepared)
    split = read_split(study.layout.split, old.digest, old.manifest)
    check_fits(study, version, program, old, len(split.folds))
    own = own_preparation(study.section("prepare", PrepareParams), images, version, program)
    new = read_new(study, images, own, version, program.config.classes, old)
    check_scale(version, program, new)
    return old, new, own, join_folds(split.rows(old.image_ids), new, len(old.images))


def _open_attempt(
    study: Study, plan: Plan, files: Mapping[str, Path], tags: Mapping[str, str], version: Version
) -> Resume:
    """Go on with an interrupted addition of the same class to the same model, or begin it."""
    sections: dict[str, type[Params]] = {
        "data": DataParams,
        "prepare": PrepareParams,
        "scoring": ScoringParams,
    }
    layout = study.layout
    determining = identity(
        tags,
        plan.order,
        **files,
        split=tags["split.sha256"],
        model=version.run_id,
        kept=[study.section(name, model).model_dump(mode="json") for name, model in sections.items()],
        registered=study.section("tracking", ModelTrackingParams).model,
    )
    return Resume.open(layout.attempts / f"add-{key_of(plan.order[-1])}", determining, machine(tags))


def describe_gain(record: AddedRecord, metric: Metric) -> str:
    """Say, in Markdown, what an addition gained against training anew; `metric` is the primary one."""
    last = record.stages[-1]
    names = {
        "sequential": f"on top of {record.model}",
        "direct": "anew, the same epochs",
        "direct-equal-budget": "anew, the epochs of both",
    }
    lines = [
        f"# {last.added} added to {record.model}",
        "",
        f"Held-out test: {last.test_images} images of {len(last.classes)} classes.",
        f"Means over {record.members} folds, {metric.title} with its 95 % interval.",
        "",
        f"| training | {metric.title} | share of {last.added} named rightly | old classes, change |",
        "|---|---|---|---|",
    ]
    for point in record.points:
        if point.materials == len(last.classes):
            score = tell_interval(point.test[metric.name].mean, point.ci95, metric.form)
            changed = f"{_share(point.changed.added, '.3f')} | {_share(point.changed.old, '+.3f')}"
            lines.append(f"| {names[point.arm]} | {score} | {changed} |")
    lines.append("")
    for entry in record.comparisons:
        told = tell_interval(entry.all.difference, entry.all.ci95, f"+{metric.form}")
        lines.append(f"Against training {names[entry.sides[1]]}: {metric.title} {told}.")
    lines += ["", *(f"Registered: {entry.name} version {entry.number}." for entry in record.versions)]
    return "\n".join([*lines, "Nothing was promoted.", ""])


def _share(value: float | None, form: str) -> str:
    return "no test images" if value is None else f"{value:{form}}"


def _stage_params(params: SequentialParams, program: Program, material: str) -> SequentialParams:
    classes = program.config.classes
    encoding: Encoding = "multilabel" if program.config.target == "multilabel" else "multiclass"
    if encoding == "multilabel":
        require_formulae([*classes, material], "start from a multiclass model")
        _say_atoms(program, material)
    changes = {
        "order": [*classes, material],
        "first": len(classes),
        "encodings": [encoding],
        "volumes": ["full"],
        "registered": ["full"],
        "measure_leak": False,
        "start": "fold",
        "seeds": params.seeds[:1],
    }
    return SequentialParams.model_validate({**params.model_dump(mode="json"), **changes})


def _say_atoms(program: Program, material: str) -> None:
    target = program.config.make_target()
    if isinstance(target, Multilabel):
        fresh = [atom for atom in atoms_of([*target.classes, material]) if atom not in target.atoms]
        if fresh:
            say(f"{material} brings {', '.join(fresh)}: the outputs {', '.join(target.atoms)} grow by them")


def _write_features(
    layout: Layout, settings: ExperimentParams, old: Dataset, new: Dataset, folder: Path, digest: str
) -> None:
    """Store the features of all images: the study's as they are, those of the new ones made now."""
    stored = read_features(layout.features, settings, old, layout.pretrained)
    size_px, device = new.images.shape[1], best_device()
    backbone = frozen_backbone(settings.weights, settings.architecture, layout.pretrained, size_px)
    precision = resolve_precision(Precision(settings.precision), device)
    fresh = symmetric_features(
        backbone.to(device), new.images, stored.symmetries, settings.batch_size, device, precision
    )
    both = replace(stored, features=np.concatenate([stored.features, fresh]))
    both.write(place_of(folder, settings), digest, layout.pretrained)


def _known_stage(
    models: StageModels, program: Program, folds: Sequence[FoldParts], cohort: Cohort, heads: bool
) -> StageResult:
    """Score the model as it was, as if it were the sequence's first stage."""
    plan = models.plan
    params = plan.params
    training = Training("sequential", params.encodings[0], params.seeds[0], plan.stages[0], "full")
    target = program.config.make_target()
    examples = models.make(training.encoding, target).examples
    parts = stage_parts(training, folds, cohort.targets, cohort.sample_ids, params)
    results, states = [], []
    for number, fold in enumerate(parts):
        member = program.ensemble.member(number)
        model = placed(member.head if heads else member, best_device())
        logits = predict_logits(model, examples.inputs)
        results.append(score_fold(number, FitResult(0, ()), logits, target, examples.labels, fold))
        states.append({name: value.detach() for name, value in model.state_dict().items()})
    return StageResult(training, parts, results, states)
