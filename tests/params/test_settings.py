"""Mistakes that reached training: each one is found by looking at the settings together, all at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tmdscope.params.architectures import LITES, RESNETS, weights_of
from tmdscope.params.reading import ParamsError, read_params
from tmdscope.params.rules import volume_problems
from tmdscope.params.sequential import SequentialParams
from tmdscope.params.settings import check_settings
from tmdscope.studies import study_of
from tmdscope.studies.published_features.study import STUDY
from tmdscope.vision.published import PUBLISHED as WEIGHTS

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "pipelines" / "published_features" / "params.yaml"
FOLDER = {"data.source": "folder", "data.classes": ["graphene", "hBN"]}
FEATURES = "experiments.features-multiclass"
FINETUNE = "experiments.finetune-multiclass"
SPACE = "searches.features-multiclass.space"


def edit(path: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    content = read_params(path)
    for name, value in changes.items():
        *outer, last = name.split("/") if "/" in name else name.split(".")
        place = content
        for key in outer:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return content


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (FOLDER, "set the target of experiments.finetune-multilabel to multiclass"),
    (FOLDER, "none is left to be added; set sequential.enabled to false"),
    ({**FOLDER, "data.classes": ["a", "b", "c"]}, "take multilabel out of sequential.encodings"),
    ({"experiments/my run": {}}, "experiments: 'my run' .* call it 'my-run'"),
    ({"searches/my run": {}}, "searches: 'my run' .* call it 'my-run'"),
    ({"searches.ghost": {}}, "searches.ghost"),
    ({"experiments.sequential": {}}, "'sequential' is the name of a stage"),
    ({"experiments.features-multiclass-tuned": {}}, "is what the search of 'features-multiclass' makes"),
    ({"experiments.FINETUNE-multiclass": {}}, "are one folder on some disks"),
    ({f"{SPACE}.dropout.high": 1.5}, r"searches\.features-multiclass\.space\.dropout.*1\.5"),
    (
        {f"{SPACE}.architecture": {"kind": "categorical", "choices": ["resnet18", "resnet34"]}},
        r"space\.architecture: there are no weights 'imagenet' of resnet34",
    ),
    (
        {f"{SPACE}.architecture": {"kind": "categorical", "choices": ["efficientnet-lite2"]}},
        r"space\.architecture: strategy features of efficientnet-lite2 .*features\.backbones do not hold",
    ),
    (
        {
            f"{SPACE}.architecture": {"kind": "categorical", "choices": ["efficientnet-lite0", "resnet18"]},
            f"{SPACE}.weights": {
                "kind": "categorical",
                "choices": ["micronet", "simulated"],
                "when": {"architecture": ["resnet18"]},
            },
        },
        r"space\.architecture\+weights: strategy features of resnet18 with weights 'micronet', which",
    ),
    ({"sequential.order": ["MoS2", "WS2", "graphene"]}, "the data set has no class 'graphene'"),
    ({"sequential.first": 5}, "none is left to be added"),
    ({"sequential.paper_fold": 5}, r"sequential\.paper_fold is 5, split\.folds gives the folds 0 to 4"),
    ({"split.folds": 2}, r"sequential\.paper_fold is 2"),
    ({"sequential.training.architecture": "efficientnet-lite2"}, "sequential.training: strategy features of"),
    ({"sequential.training.rotations": True}, "sequential.training: rotations true"),
    (
        {"features.backbones": [{"architecture": "resnet50", "weights": "simulated"}]},
        r"features\.backbones\[0\]: weights 'simulated' are of resnet18",
    ),
    (
        {"features.backbones": [{"architecture": "resnet50", "weights": "none"}] * 2},
        r"backbones hold resnet50 with weights none twice",
    ),
    ({"features.flips": False}, f"{FEATURES}: flips true .* features.flips is false"),
    ({f"{FEATURES}.weights": "imagenet-v1"}, f"{FEATURES}: there are no weights 'imagenet-v1' of efficient"),
    ({f"{FEATURES}.weights": "none"}, f"{FEATURES}: strategy features of efficientnet-lite0 .*'none'"),
    ({f"{FEATURES}.rotations": True}, f"{FEATURES}: rotations true with strategy features"),
    ({f"{FINETUNE}.architecture": "resnet50"}, f"{FINETUNE}: there are no weights 'imagenet' of resnet50"),
    ({f"{FINETUNE}.architecture": "resnet5"}, f"{FINETUNE}.architecture: .*did you mean 'resnet50'"),
    ({f"{FINETUNE}.architecture": "timm:vit_tny_patch16_224"}, "did you mean 'timm:vit_tiny_patch16_224'"),
    ({f"{FINETUNE}.architecture": "timm:convnextv2_atto.fcmea"}, "no weights 'fcmea'; did you mean 'fcmae'"),
    ({f"{FINETUNE}.architecture": "timm:hf-hub:a/b"}, "timm has no network 'hf-hub:a/b'"),
    ({f"{FINETUNE}.weights": "imagenet-v2"}, f"{FINETUNE}: there are no weights 'imagenet-v2' of efficient"),
    ({f"{FINETUNE}.weights": "simulated"}, f"{FINETUNE}: weights 'simulated' are of resnet18"),
    (
        {
            "pretrain.architecture": "resnet34",
            f"{FINETUNE}.architecture": "resnet18",
            f"{FINETUNE}.weights": "simulated",
        },
        "weights 'simulated' are of resnet34, not of resnet18",
    ),
    ({"split.test": "paper"}, "split.test is paper, but data.source is simulated"),
    (
        {"prepare.levelling.crop_nm": 2000.0},
        r"prepare\.levelling\.crop_nm is 2000, but data\.simulated\.frame_nm",
    ),
    (
        {"attribution.patch_px": 200},
        r"attribution\.patch_px 200 is larger than an image, prepare\.size_px 96",
    ),
    ({"audit.shares": [0.2, 0.5, 0.4, 1.0]}, "shares .* must rise"),
    ({"latent.alias": "bset"}, r"latent\.alias: .*'best'"),
    ({"split": None}, "section 'split' is missing"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES, ids=[text for _, text in MISTAKES])
def test_a_mistake_is_found(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check_settings(edit(ROOT / "params.yaml", changes), "params.yaml")


def test_all_mistakes_are_told_at_once_and_each_once() -> None:
    alone = [mistake for mistake in MISTAKES if not mistake[0].keys() & {"split", "data.classes"}]
    changes = {name: value for mistake, _ in alone[:10] for name, value in mistake.items()}
    with pytest.raises(ParamsError) as caught:
        check_settings(edit(ROOT / "params.yaml", changes), "params.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == len(set(lines)) >= len(changes)


def test_what_is_switched_off_is_not_asked_for() -> None:
    changes = {**FOLDER, "sequential.enabled": False, "experiments.finetune-multilabel": None}
    study = check_settings(edit(ROOT / "params.yaml", changes), "params.yaml")
    assert "finetune-multilabel" not in study.experiments


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequential.paper_fold": 5}, r"sequential\.paper_fold is 5"),
        ({"sequential.order": ["MoS2", "WS2", "WSe3"]}, "no class 'WSe3'; did you mean 'WSe2'"),
        ({"tracking.study": "a b"}, "call it 'a-b'"),
        ({"audit.shares": [1.0]}, r"audit\.shares"),
        ({"search.space.power": None}, "search.*'power'"),
        ({"latent": None}, "section 'latent' is missing"),
        ({"laten": {}}, "unknown section 'laten'; did you mean 'latent'"),
    ],
)
def test_a_mistake_in_the_published_study_is_found(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check_settings(edit(PUBLISHED, changes), "params.yaml", STUDY.params, STUDY.rules)


@pytest.mark.parametrize("path", [ROOT / "params.yaml", PUBLISHED], ids=["main", "published"])
def test_the_repositorys_own_settings_agree(path: Path) -> None:
    study = study_of(path)
    assert check_settings(read_params(path), "here", study.params, study.rules).sections


def test_weights_that_are_not_for_every_architecture_are_known() -> None:
    for architecture in (*RESNETS, *LITES):
        known = {weights.value for weights, files in WEIGHTS.items() if architecture in files}
        assert set(weights_of(architecture)) == known


def test_a_volume_that_no_fold_can_give_is_named_once() -> None:
    params = SequentialParams.model_validate(read_params(ROOT / "params.yaml")["sequential"])
    images = {"MoS2": (60, 9), "WS2": (60, 9), "WSe2": (13, 3), "MoSe2": (12, 3), "Mo-WSe2": (40, 2)}
    told = volume_problems(params, list(images), images)
    assert [line.partition(" images of ")[2] for line in told] == [
        "MoSe2, of which a fold has 12 and 3: lower or remove this volume",
        "Mo-WSe2, of which a fold has 40 and 2: lower or remove this volume",
    ]
    assert volume_problems(params.model_copy(update={"enabled": False}), [], {}) == []
