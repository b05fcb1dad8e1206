"""A user's new class on top of a registered model, and what it gains against training anew."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from tmdscope.alike import plain_name
from tmdscope.dataset.audit import read_split
from tmdscope.dataset.folder import find_class
from tmdscope.dataset.manifest_csv import read_sheet
from tmdscope.dataset.place import check_apart, manifest_file
from tmdscope.dataset.prepare import prepare
from tmdscope.dataset.sources import ingest
from tmdscope.dataset.splits import group_samples, outer_folds
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import sha256_file, sha256_json, write_json, write_text
from tmdscope.jobs.compiler import Compiler
from tmdscope.layout import ADDED, ATTEMPTS, FEATURES, PREPARED, PRETRAINED, SPLIT
from tmdscope.learn.crossval import FoldParts, score_fold
from tmdscope.learn.experiment import Experiment, fold_parts, make_experiment, read_features
from tmdscope.learn.fit import FitResult, predict_logits
from tmdscope.learn.resume import Resume
from tmdscope.materials import atoms_of
from tmdscope.names import key_of, text_problem
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy, require_formulae
from tmdscope.params.materials_study import DataParams, PrepareParams
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.scores.intervals import tell_interval
from tmdscope.sequential.drawing import Held
from tmdscope.sequential.outcome import summarise
from tmdscope.sequential.plan import Known, Plan, Training, make_plan, stage_parts
from tmdscope.sequential.run import Bench, StageResult
from tmdscope.stage import say
from tmdscope.tracking.dossier import Dossier
from tmdscope.tracking.models import Program, load_program
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.registry import Version, check_trained_on, resolve
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.scale import widths_nm
from tmdscope.tracking.sequential import gather, track_sequences
from tmdscope.tracking.store import connect, open_study
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone, Ensemble
from tmdscope.vision.features import best_device, placed, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.targets import Multilabel, Target
from tmdscope.vision.weights import Weights, load_weights

NAME = "add-material"


@dataclass(frozen=True)
class AddRequest:
    """What is to be added to which model.

    `model` is ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``; `images` a folder with images of one new
    class and their manifest CSV, named by `data.folder.manifest`, as source `folder` reads it; `study` the
    MLflow experiment. The new model has its number of classes behind the name `registered`. Where `prepare`
    is not the model's own, which alone is used, this is said.
    """

    model: str
    images: Path
    study: str
    registered: str
    data: DataParams
    prepare: PrepareParams
    sequential: SequentialParams
    scoring: ScoringParams
    root: Path = Path()


@dataclass(frozen=True)
class Addition:
    """What an addition gave.

    `found` is as `tmdscope.sequential.outcome.summarise`; `text` is the gain in words and a table,
    Markdown.
    """

    material: str
    versions: list[dict[str, Any]]
    found: Mapping[str, Any]
    text: str


def add_material(request: AddRequest) -> Addition:
    """Train a registered model on one more class, compare with training anew, and register the result.

    The addition is written to ``data/added/MATERIAL`` too; no alias is moved. `UserError` where the images
    are not of one new class, the model is not of this study's data and split, or its kind is not that of
    section `sequential`.
    """
    connect()
    tracked = open_study(request.study)
    version = resolve(tracked.client, request.model)
    program = load_program(version.uri)
    root = request.root
    old = Dataset.load(root / PREPARED)
    split = read_split(root / SPLIT, old.manifest)
    _check_model(request, version, program, old, len(split.folds))
    own = _own_preparation(request, version, program)
    new = _read_new(request, own, program.config.classes, old)
    _check_scale(version, program, new)
    material = str(new.classes[0])
    params = _stage_params(request.sequential, program, material)
    dataset = Dataset(
        np.concatenate([old.images, new.images]), pd.concat([old.manifest, new.manifest], ignore_index=True)
    )
    target = program.config.make_target()
    plan = make_plan(params, dataset.classes, Known(target, int(version.tags["epochs"])))
    folds = _join_folds(fold_parts(split, old), new, len(old.images))
    settings = params.model_dump(mode="json")
    tags = {
        **provenance(request.study, dataset.digest, {**settings, "model": version.uri}),
        "experiment": NAME,
        "material": material,
        "model": version.uri,
        "split.sha256": sha256_json([[part.tolist() for part in vars(fold).values()] for fold in folds]),
    }
    stored = {"features": root / FEATURES / "features.npy"} if params.strategy is Strategy.FEATURES else {}
    determining = identity(
        tags,
        plan.order,
        **stored,
        split=tags["split.sha256"],
        weights=root / PRETRAINED,
        model=version.run_id,
        kept=[part.model_dump(mode="json") for part in (request.data, request.prepare, request.scoring)],
        registered=request.registered,
    )
    resume = Resume.open(root / ATTEMPTS / f"add-{key_of(material)}", determining, machine(tags))
    data = DataUse(request.study, dataset.digest, str(request.images), len(dataset.images), NAME)
    labels = plan.label(dataset.manifest["material"].tolist())
    samples = dataset.manifest["sample_id"].to_numpy()
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        origin = f"{request.data.origin} and {request.images.name}"
        compiler = Compiler(dataset, folds, own, request.scoring, origin)
        maker = _Maker(request, params, dataset, plan, Path(folder), new, compiler)
        bench = Bench(maker.make, folds, samples, maker.heads, maker.settings.dropout)
        known = _known_stage(plan, maker, program, folds, labels, samples)
        outcome = track_sequences(
            tracked,
            plan,
            bench,
            tags,
            data,
            settings,
            resume,
            maker.package,
            f"{request.registered}-{len(plan.order)}",
            [known],
            {known.training: version},
        )
    scoring = request.scoring
    found = summarise(plan, [known, *outcome.results], Held(labels, samples, scoring.bootstrap, scoring.seed))
    text = describe_gain(found, version.uri, outcome.versions)
    place = root / ADDED / key_of(material)
    write_json(place / "added.json", {"model": version.uri, "versions": outcome.versions, **found})
    write_text(place / "gain.md", text)
    for run_id in outcome.sequences.values():
        tracked.client.log_artifact(run_id, str(place / "gain.md"))
    resume.finish()
    return Addition(material, outcome.versions, found, text)


def describe_gain(found: Mapping[str, Any], model: str, versions: Sequence[Mapping[str, Any]]) -> str:
    """Say, in Markdown, what an addition gained against training anew.

    `found` is as `tmdscope.sequential.outcome.summarise`, `model` the address of the model that was
    added to.
    """
    last = found["stages"][-1]
    names = {
        "sequential": f"on top of {model}",
        "direct": "anew, the same epochs",
        "direct-equal-budget": "anew, the epochs of both",
    }
    lines = [
        f"# {last['added']} added to {model}",
        "",
        f"Held-out test: {last['test_images']} images of {len(last['classes'])} classes.",
        f"Means over {found['members']} folds, macro F1 with its 95 % interval.",
        "",
        f"| training | macro F1 | accuracy on {last['added']} | old classes, change |",
        "|---|---|---|---|",
    ]
    for point in found["points"]:
        if point["materials"] == len(last["classes"]):
            score = tell_interval(point["test"]["macro_f1"]["mean"], point["test_macro_f1_ci95"])
            changed = point["changed"]
            lines.append(
                f"| {names[point['arm']]} | {score} | {changed['added']:.3f} | {changed['old']:+.3f} |"
            )
    lines.append("")
    for entry in found["comparisons"]:
        other, gained = entry["question"].removeprefix("sequential - "), entry["all"]
        told = tell_interval(gained["difference"], gained["ci95"], "+.3f")
        lines.append(f"Against training {names[other]}: macro F1 {told}.")
    lines += ["", *(f"Registered: {entry['name']} version {entry['number']}." for entry in versions)]
    return "\n".join([*lines, "Nothing was promoted.", ""])


def _check_model(request: AddRequest, version: Version, program: Program, old: Dataset, folds: int) -> None:
    root, config = request.root, program.config
    check_trained_on(version, {"data": old.digest, "split": sha256_file(root / SPLIT)})
    if "epochs" not in version.tags:
        raise UserError(f"{version.uri} does not say its epochs: register it again, `dvc repro register`")
    if config.members != folds:
        raise UserError(f"{version.uri} has {config.members} fold models, {root / SPLIT} has {folds} folds")
    if config.target not in ("multiclass", "multilabel"):
        raise UserError(f"{version.uri} has {config.target} targets; a class can be added to the others only")
    settings = request.sequential.experiment("multiclass", 0)
    if config.shared_backbone != (settings.strategy is Strategy.FEATURES):
        kind = "heads on frozen features" if config.shared_backbone else "fine-tuned networks"
        wanted = "features" if config.shared_backbone else "finetune"
        raise UserError(
            f"{version.uri} is made of {kind}, sequential.training.strategy is {settings.strategy.value!r}: "
            f"set it to {wanted!r} in params.yaml"
        )
    normalisation = Weights(settings.weights).source.normalisation
    if (config.architecture, config.normalisation) != (settings.architecture, normalisation):
        raise UserError(
            f"{version.uri} has architecture {config.architecture}, sequential.training names "
            f"{settings.architecture} with weights {settings.weights}: make them agree in params.yaml"
        )


def _own_preparation(request: AddRequest, version: Version, program: Program) -> PrepareParams:
    """Say how the model's images were prepared: those of the new class are prepared so, whatever is asked."""
    if program.prepare is None:
        raise UserError(
            f"{version.uri} does not say how its images were prepared: run its experiment anew, "
            "`dvc repro --force`"
        )
    own, asked = (part.model_dump(mode="json") for part in (program.prepare, request.prepare))
    differing = [f"{name} {own[name]}, not {asked[name]}" for name in own if own[name] != asked[name]]
    if differing:
        say(
            f"{request.images} is prepared as images of {version.uri} were, not by prepare in params.yaml: "
            + "; ".join(differing)
        )
    return program.prepare


def _check_scale(version: Version, program: Program, new: Dataset) -> None:
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


def _read_new(request: AddRequest, own: PrepareParams, known: Sequence[str], old: Dataset) -> Dataset:
    """Read and prepare the images as the model's own were, in a folder that is removed again."""
    manifest = manifest_file(request.images, request.data.folder.manifest)
    check_apart(request.images, request.root)
    named = sorted({row["material"].strip() for row in read_sheet(manifest).rows} - {""})
    if len(named) != 1:
        raise UserError(
            f"{manifest} holds materials {', '.join(named) or 'none'}: add one new class at a time, "
            "a folder each"
        )
    if problem := text_problem(named[0]):
        raise UserError(f"{manifest}: material {problem}")
    if (twin := find_class(named[0], known)) is not None:
        raise UserError(f"{manifest}: {request.model} knows {twin} already; name a new class")
    with tempfile.TemporaryDirectory(prefix="tmdscope-") as folder:
        raw, prepared = Path(folder) / "raw", Path(folder) / "prepared"
        source = {"path": str(request.images), "manifest": request.data.folder.manifest}
        ingest(
            request.data.model_copy(
                update={
                    "source": "folder",
                    "classes": named,
                    "folder": request.data.folder.model_copy(update=source),
                }
            ),
            raw,
        )
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


def _join_folds(folds: Sequence[FoldParts], new: Dataset, offset: int) -> list[FoldParts]:
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
    parts = [rows + offset for _, rows in cut]
    joined = []
    for number, fold in enumerate(folds):
        train = np.sort(np.concatenate([part for k, part in enumerate(parts[1:]) if k != number]))
        joined.append(
            FoldParts(
                np.concatenate([fold.train, train]),
                np.concatenate([fold.val, parts[1 + number]]),
                np.concatenate([fold.test, parts[0]]),
            )
        )
    return joined


class _Maker:
    """Prepares what is trained on old and new images together."""

    def __init__(
        self,
        request: AddRequest,
        params: SequentialParams,
        dataset: Dataset,
        plan: Plan,
        folder: Path,
        new: Dataset,
        compiler: Compiler,
    ) -> None:
        self.request = request
        self.params = params
        self.dataset = dataset
        self.compiler = compiler
        self.plan = plan
        self.folder = folder
        self.device = best_device()
        self.settings = params.experiment(params.encodings[0], params.seeds[0])
        self.heads = self.settings.strategy is Strategy.FEATURES
        self.made: dict[tuple[str, ...], Experiment] = {}
        if self.heads:
            self._write_features(self.settings, new)

    def make(self, _: Encoding, target: Target) -> Experiment:
        """Prepare the experiment of some classes."""
        if target.classes not in self.made:
            rest = [name for name in self.dataset.classes if name not in self.plan.order]
            self.made[target.classes] = make_experiment(
                self.settings,
                self.dataset,
                [*self.plan.order, *rest],
                self.folder,
                self.request.root / PRETRAINED,
                self.device,
                target,
            )
        return self.made[target.classes]

    def package(self, result: StageResult) -> Dossier | None:
        """Compile what is kept with the model of the first seed's sequential arm."""
        training = result.training
        if training.arm != "sequential" or training.seed != self.params.seeds[0]:
            return None
        trained = gather(self.made[training.stage.classes], result)
        return self.compiler.compile(trained, self.params.model_dump(mode="json"))

    def _write_features(self, settings: ExperimentParams, new: Dataset) -> None:
        """Store the features of all images: the study's as they are, those of the new ones made now."""
        root = self.request.root
        stored = read_features(root / FEATURES, settings, Dataset.load(root / PREPARED), root / PRETRAINED)
        weights = Weights(settings.weights)
        network = bare_backbone(
            settings.architecture, load_weights(weights, settings.architecture, root / PRETRAINED)
        )
        backbone = Backbone(network, weights.source.normalisation).to(self.device).eval()
        precision = resolve_precision(Precision(settings.precision), self.device)
        fresh = symmetric_features(
            backbone, new.images, stored.symmetries, settings.batch_size, self.device, precision
        )
        both = replace(stored, features=np.concatenate([stored.features, fresh]))
        both.write(self.folder, self.dataset.digest, root / PRETRAINED)


def _known_stage(
    plan: Plan,
    maker: _Maker,
    program: Program,
    folds: Sequence[FoldParts],
    labels: np.ndarray[Any, np.dtype[np.int64]],
    samples: np.ndarray[Any, np.dtype[Any]],
) -> StageResult:
    """Score the model as it was, as if it were the sequence's first stage."""
    params = plan.params
    training = Training("sequential", params.encodings[0], params.seeds[0], plan.stages[0], "full")
    target = program.config.make_target()
    one = maker.make(training.encoding, target)
    parts = stage_parts(training, folds, labels, samples, params)
    results, states = [], []
    for number, fold in enumerate(parts):
        model = placed(_member(program.ensemble, number, maker.heads), maker.device)
        logits = predict_logits(model, one.examples.inputs)
        results.append(score_fold(number, FitResult(0, ()), logits, target, one.examples.labels, fold))
        states.append({name: value.detach() for name, value in model.state_dict().items()})
    return StageResult(training, parts, results, states)


def _member(ensemble: Ensemble, fold: int, heads: bool) -> nn.Module:
    member = ensemble.member(fold)
    return member.head if heads else member
