"""The sections of the repository's params.yaml are valid; every wrong key or value is named with its path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import (
    FeaturesParams,
)
from tmdscope.params.images import (
    AttributionParams,
    ComputeParams,
    DataParams,
    DescribeParams,
    LatentParams,
    ModelTrackingParams,
    PrepareParams,
    PretrainParams,
    PromotionParams,
    ReportParams,
    SplitParams,
)
from tmdscope.params.reading import Params, ParamsError, parse_section, read_params, read_section
from tmdscope.params.sequential import SequentialParams

ROOT = Path(__file__).parents[2]
SECTIONS: dict[str, type[Params]] = {
    "data": DataParams,
    "prepare": PrepareParams,
    "pretrain": PretrainParams,
    "split": SplitParams,
    "features": FeaturesParams,
    "tracking": ModelTrackingParams,
    "promotion": PromotionParams,
    "audit": ManifestAuditParams,
    "describe": DescribeParams,
    "compute": ComputeParams,
    "latent": LatentParams,
    "attribution": AttributionParams,
    "sequential": SequentialParams,
    "scoring": ScoringParams,
    "report": ReportParams,
}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_of_the_repository_is_valid(name: str) -> None:
    assert isinstance(read_section(name, SECTIONS[name], ROOT / "params.yaml"), SECTIONS[name])


def test_no_section_of_the_repository_is_unread() -> None:
    assert set(read_params(ROOT / "params.yaml")) == {*SECTIONS, "experiments", "searches"}


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("split", "split.fold", 5, r"unknown key 'split\.fold'; did you mean 'folds'"),
        ("data", "data.simulated.image", 5, r"unknown key 'data\.simulated\.image'; did you mean 'images'"),
        ("split", "split.folds", None, r"missing key 'split\.folds'"),
        ("split", "split.folds", 1, r"split\.folds: .*greater than or equal to 2 \(got 1\)"),
        ("split", "split.folds", "5", r"split\.folds: .*valid integer \(got '5'\)"),
        ("split", "split.folds", 5.0, r"split\.folds: .*valid integer"),
        ("split", "split", None, r"no section 'split'"),
        ("data", "data.source", "archives", r"data\.source: .*'simulated', 'folder' or 'archive'"),
        ("data", "data.archive.record", "afm", r"data\.archive\.record: .*'tmd-afm' or 'growth-temperature'"),
        ("split", "split.test", "papers", r"split\.test: .*'folds' or 'paper'"),
        ("data", "data.classes", ["MoS2", "WS2", "MoS2"], r"classes named twice: MoS2"),
        ("data", "data.classes", ["MoS2", "Mos\u2082"], r"classes .* look alike"),
        ("data", "data.classes", ["MoS2"], r"data\.classes: .*at least 2"),
        ("data", "data.classes", ["MoS2", "graphene"], r"simulator does not know 'graphene'; known: MoS2"),
        ("data", "data.simulated.samples", 301, r"300 images cannot come from 301 samples"),
        ("prepare", "prepare.percentiles", [99.5, 0.5], r"percentiles 99\.5, 0\.5 must rise"),
        ("prepare", "prepare.percentiles", [1.0], r"prepare\.percentiles: .*at least 2"),
        ("prepare", "prepare.size_px", 8, r"prepare\.size_px: .*16 \(got 8\)"),
        ("tracking", "tracking.model", "O'Neil", r"tracking\.model: .*call it 'O-Neil'"),
        ("tracking", "tracking.study", "my study", r"tracking\.study: .*call it 'my-study'"),
        ("data", "data.classes", ["MoS2", "=WS2"], r"class '=WS2' begins as a spreadsheet's formula"),
        ("data", "data.classes", ["MoS2", "WS2 "], r"class 'WS2 ' .* spaces around it"),
        (
            "data",
            "data.folder.manifest",
            "../m.csv",
            r"data\.folder\.manifest: .*not inside data\.folder\.path",
        ),
        ("data", "data.folder.manifest", "/m.csv", r"data\.folder\.manifest: .*move it there"),
        ("latent", "latent.alias", "bset", r"latent\.alias: .*'best'"),
        ("attribution", "attribution.stride_px", 16, r"stride_px 16 above patch_px 15 leaves gaps"),
        ("compute", "compute.scheduler", "host:8786", r"compute\.scheduler: .*pattern"),
        ("latent", "latent.folds", 1, r"latent\.folds: .*2 \(got 1\)"),
        ("pretrain", "pretrain.seed", -1, r"pretrain\.seed: .*0 \(got -1\)"),
    ],
)
def test_a_wrong_setting_is_named(
    edited: Callable[[str, Any], Path], section: str, key: str, value: Any, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        read_section(section, SECTIONS[section], edited(key, value))


def test_a_users_classes_may_have_any_name() -> None:
    content = read_params(ROOT / "params.yaml")["data"] | {"source": "folder", "classes": ["brass", "steel"]}
    assert parse_section("data", content, DataParams, "here").classes == ["brass", "steel"]


def test_source_archive_needs_its_section() -> None:
    content = read_params(ROOT / "params.yaml")["data"] | {"source": "archive"}
    assert parse_section("data", content, DataParams, "here").archive is not None
    del content["archive"]
    with pytest.raises(ParamsError, match=r"source 'archive' needs data\.archive"):
        parse_section("data", content, DataParams, "here")
