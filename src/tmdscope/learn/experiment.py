"""From one entry of `experiments` in params.yaml to what cross-validation needs."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.params.experiments import ExperimentParams, Strategy, require_formulae
from tmdscope.vision.backbones import bare_backbone, feature_count, layers_before
from tmdscope.vision.classifier import Backbone, Classifier, Ensemble, EnsembleConfig, Head
from tmdscope.vision.features import frozen_backbone
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.published import Normalisation, Weights, normalisation_of
from tmdscope.vision.stored import VALUES, StoredFeatures, place_of
from tmdscope.vision.targets import Multilabel, Target, make_target
from tmdscope.vision.weights import load_weights


@dataclass(frozen=True)
class Trainable:
    """What is trained, and how; `build` makes a fresh model."""

    target: Target
    examples: Examples
    build: Callable[[], nn.Module]
    settings: FitSettings


@dataclass(frozen=True)
class Experiment(Trainable):
    """An experiment ready to run: backbones and heads, or heads alone on stored features as the examples.

    `assemble` puts trained models into one ensemble; `config` is that of a fold's model, an ensemble of one.
    """

    assemble: Callable[[Sequence[nn.Module]], Ensemble]
    config: EnsembleConfig


def make_experiment(
    params: ExperimentParams,
    dataset: Dataset,
    classes: Sequence[str],
    features: Path,
    pretrained: Path,
    device: torch.device,
    target: Target | None = None,
) -> Experiment:
    """Prepare an experiment for `tmdscope.learn.crossval.cross_validate`; classes are in label order.

    `features` is the folder of the features stage, read by strategy `features` only; `pretrained` the
    safetensors file of the pretrain stage, read for weights `simulated` only. A `target` encodes the first of
    the classes, where images of the others are not trained on.
    """
    if target is None and params.target == Multilabel.name:
        require_formulae(list(classes))
    encoding = make_target(params.target, classes) if target is None else target
    weights, size_px = Weights(params.weights), dataset.images.shape[1]
    normalisation = normalisation_of(weights, params.architecture)
    shared = params.strategy is Strategy.FEATURES
    width = feature_count(params.architecture)

    def new_head() -> Head:
        return Head(width, encoding.outputs, params.dropout).to(device)

    whole = None if shared else classifier_maker(params, encoding, size_px, pretrained, device)

    def assemble(models: Sequence[nn.Module]) -> Ensemble:
        if shared:
            seen = frozen_backbone(params.weights, params.architecture, pretrained, size_px).to(device)
            return Ensemble([seen], [m for m in models if isinstance(m, Head)], encoding)
        members = [model for model in models if isinstance(model, Classifier)]
        return Ensemble([m.backbone for m in members], [m.head for m in members], encoding)

    stored = read_features(features, params, dataset, pretrained).features if shared else dataset.images
    inputs = mapped(stored, device)
    labels = torch.from_numpy(dataset.labels(classes)).to(device)
    examples = Examples(inputs[:, 0], labels, inputs) if shared else Examples(inputs, labels)
    config = _config(params.architecture, encoding, size_px, shared, normalisation)
    return Experiment(encoding, examples, whole or new_head, fit_settings(params, device), assemble, config)


def mapped(stored: NDArray[Any], device: torch.device) -> Tensor:
    """Give a mapped file's values to a device; on the CPU they are read from it when they are used."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(stored).to(device)


def classifier_maker(
    params: ExperimentParams, target: Target, size_px: int, pretrained: Path, device: torch.device
) -> Callable[[], Classifier]:
    """Load the weights that whole networks of an experiment begin with; what is given makes one."""
    weights = Weights(params.weights)
    state = load_weights(weights, params.architecture, pretrained, size_px)
    normalisation, width = normalisation_of(weights, params.architecture), feature_count(params.architecture)

    def new_model() -> Classifier:
        head = Head(width, target.outputs, params.dropout).to(device)
        network = bare_backbone(params.architecture, state, size_px, params.dropout)
        frozen = layers_before(network, params.train_from) if params.train_from else []
        backbone = Backbone(network, normalisation, frozen).to(device)
        return Classifier(backbone.to(memory_format=torch.channels_last), head)

    return new_model


def _config(
    architecture: str, encoding: Target, size_px: int, shared: bool, normalisation: Normalisation
) -> EnsembleConfig:
    return EnsembleConfig(
        architecture=architecture,
        target=encoding.name,
        classes=encoding.classes,
        size_px=size_px,
        members=1,
        shared_backbone=shared,
        normalisation=normalisation,
        atoms=encoding.atoms if isinstance(encoding, Multilabel) else None,
        wait=isinstance(encoding, Multilabel) and encoding.wait,
    )


def fit_settings(params: ExperimentParams, device: torch.device) -> FitSettings:
    """Say how an experiment's network is trained on a device."""
    precision = Precision(params.precision)
    if precision is Precision.AUTO and params.strategy is Strategy.FEATURES:
        precision = Precision.FP32  # a head is too small to gain
    return FitSettings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        checkpoint=CheckpointRule(params.checkpoint),
        sampling="weighted",
        seed=params.seed,
        optimiser=params.optimiser,
        weight_decay=params.weight_decay,
        schedule=params.schedule,
        label_smoothing=params.label_smoothing,
        early_stopping=params.early_stopping,
        symmetries=params.symmetries,
        precision=resolve_precision(precision, device),
    )


def read_features(
    folder: Path, params: ExperimentParams, dataset: Dataset, pretrained: Path
) -> StoredFeatures:
    """Read what the features stage stored: every image under at least the symmetries that are asked for."""
    place = place_of(folder, params)
    if folder.is_dir() and not place.is_dir():
        raise UserError(
            f"{folder} holds no features of {params.architecture} with weights {params.weights!r}: add "
            "these to features.backbones in params.yaml and run `dvc repro features`"
        )
    made = StoredFeatures.read(place, dataset, pretrained)
    if made.symmetries < params.symmetries:
        raise UserError(
            f"{place} holds features under {made.symmetries} symmetries, the experiment asks for "
            f"{params.symmetries} (flips make 4, rotations 8): make section 'features' of params.yaml agree "
            "with the experiment and run `dvc repro features`"
        )
    return made


def files_of(params: ExperimentParams, features: Path, pretrained: Path) -> dict[str, Path]:
    """List the files of other stages that an experiment rests on, by what they are."""
    rests = {"weights": pretrained} if params.weights == "simulated" else {}
    if params.strategy is Strategy.FEATURES:
        rests["features"] = place_of(features, params) / VALUES
    return rests
