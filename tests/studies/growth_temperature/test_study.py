"""The whole study at tiny size: simulated images, no published temperatures."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tmdscope.jobs.check import check_study
from tmdscope.params.reading import ParamsError, load_settings, read_params, write_settings
from tmdscope.profiles import merge_profile
from tmdscope.studies import find_study
from tmdscope.studies.growth_temperature.cohorts import in_paper_test
from tmdscope.studies.growth_temperature.paper import read_paper
from tmdscope.studies.growth_temperature.record import ABSENT, COMPARISON, Comparison
from tmdscope.studies.growth_temperature.sources import SOURCES, source_of
from tmdscope.studies.growth_temperature.study import STUDY
from tmdscope.studies.growth_temperature.tables import FILE_VARIABLE
from tmdscope.studies.published_features.tables import FOLDER_VARIABLE

PARAMS = Path(__file__).parents[3] / "pipelines" / "growth_temperature" / "params.yaml"


def yaml_of(text: str):
    return load_settings(YAML(typ="safe"), text, "here")


KEPT = ("svc", "ridge", "cnn", "cnn_coral")


def write(folder: Path, **changes) -> Path:
    content = read_params(PARAMS)
    content["simulated"] |= {"images": 40, "samples": 30, "size_px": 48, "frame_nm": 500.0}
    models = content["models"] | {"outer_folds": 3, "inner_folds": 2}
    models["searches"] = {name: models["searches"][name] | {"trials": 2} for name in KEPT}
    content["models"] = models
    content["honesty"] |= {"flips": 200, "permutations": 3, "blocks": 3, "held_out": ["svc"]}
    content["leak"]["network"] |= {"hidden": 8, "epochs": 3}
    content["simulated"]["prepare"] |= {"size_px": 48}
    content["network"]["training"] |= {"epochs": 2}
    content["attribution"] |= {"images_per_class": 1}
    content["latent"] |= {"components": 3, "folds": 2}
    content["variants"] |= {"stages": ["blocks.6"], "variance": [0.85], "others": [], "policies": ["aug1"]}
    content["variants"] |= {"copies": 1, "methods": {"svc": content["variants"]["methods"]["svc"]}}
    content["audit"] |= {"draws": 1, "arrangements": 2, "permutations": 19, "folds": 3, "blocks": 3}
    content["scoring"]["bootstrap"] = 100
    content["describe"]["interval_scans"] = 40
    content |= changes
    path = folder / "pipelines" / "growth_temperature" / "params.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(write_settings(content))
    return path


def test_the_projects_settings_agree() -> None:
    assert "16 sections" in check_study(find_study("growth_temperature").at(PARAMS))


@pytest.mark.parametrize("name", ["default", "paper"])
def test_profiles_give_settings_that_agree(name: str) -> None:
    before, text = PARAMS.read_text(), (PARAMS.parent / "profiles" / f"{name}.yaml").read_text()
    after = merge_profile(before, text, name, STUDY.params, STUDY.rules)
    assert (yaml_of(after) == yaml_of(before)) == (name == "default")
    assert merge_profile(after, text, name, STUDY.params, STUDY.rules) == after


def test_every_row_of_the_paper_that_can_be_run_is_in_both_profiles() -> None:
    paper = read_paper()
    asked = [key.split() for table in paper.tables for _, key in table.rows if key]
    for name in ("default", "paper"):
        text = (PARAMS.parent / "profiles" / f"{name}.yaml").read_text()
        content = yaml_of(merge_profile(PARAMS.read_text(), text, name, STUDY.params, STUDY.rules))
        known = {
            f"{framing}.{model}"
            for model, search in content["models"]["searches"].items()
            for framing in search["framings"]
        }
        assert [keys for keys in asked if not known & set(keys)] == []


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("honesty", {"held_out": ["svm"]}, "honesty.held_out: 'svm' is no nominal model.*svc"),
        ("framing", {"edges": [975, 925]}, "must rise"),
        ("framing", {"edges": [925]}, r"edges \[925\.0\] do not part the temperatures 900, 950, 1000"),
        ("audit", {"order": "date"}, "audit.order: 'date'"),
        ("audit", {"nuisance": ["operator"]}, "audit.nuisance: 'operator' is not known here"),
        ("network", {"source": "images"}, "network.source is images, and images.source names none"),
        ("variants", {"source": "images"}, "variants.source is images, and images.source names none"),
        ("framing", {"unit": "banana"}, "framing.unit"),
    ],
)
def test_sections_that_disagree_are_refused(tmp_path: Path, section, change, message) -> None:
    content = read_params(PARAMS)[section] | change
    with pytest.raises(ParamsError, match=message):
        check_study(STUDY.at(write(tmp_path, **{section: content})))


def test_the_settings_that_the_page_gives_for_what_is_not_run_agree(tmp_path: Path) -> None:
    page = (PARAMS.parents[2] / "docs" / "growth.md").read_text()
    given = yaml_of(page.partition("```yaml\n")[2].partition("```")[0])
    content = {name: read_params(PARAMS)[name] | own for name, own in given.items()}
    assert "16 sections" in check_study(STUDY.at(write(tmp_path, **content)))
    for change, message in (
        ({"strategy": "features"}, "strategy: features trains no whole network"),
        ({"checkpoint": "paper"}, "checkpoint: no image is left"),
    ):
        content["variants"]["networks"]["cnn"] |= change
        with pytest.raises(ParamsError, match=f"variants.networks.cnn.{message}"):
            check_study(STUDY.at(write(tmp_path, **content)))


@pytest.mark.slow
def test_the_study_runs_from_nothing_to_a_report(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (FOLDER_VARIABLE, FILE_VARIABLE, "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    study = STUDY.at(write(Path()))
    for verb, *entry in (
        ("check",),
        ("simulate",),
        ("fetch",),
        ("compare", "simulated"),
        ("images",),
        ("compare", "published"),
        ("compare", "images"),
        ("understand", "simulated"),
        ("understand", "published"),
        ("understand", "images"),
        *(("audit", source) for source in SOURCES),
        ("train",),
        ("register",),
        ("latent",),
        ("attribution",),
        ("variants",),
        ("leak",),
        ("report",),
    ):
        study.job(verb)(study, *entry)
    own = source_of(study, "simulated")
    cohort = own.cohort(own)
    found = Comparison.read(own.layout.split.with_name(COMPARISON), own.of(cohort.digest))
    assert set(found.models["nominal"]) == {"svc", "ridge", "cnn"}
    assert set(found.models["ordinal"]) == set(KEPT)
    assert (
        set(found.baselines)
        == {"majority", "constant", "sample_number", "nuisances"}
        == set(found.blocks) - {"svc"}
    )
    assert len(found.pairs) == 10 * 9 / 2
    assert not in_paper_test(cohort).any()
    assert (source_of(study, "published").layout.tables / ABSENT).is_file()
    metrics = json.loads(study.layout.metrics.read_text())
    assert "TMDSCOPE_GROWTH_TEMPERATURES" in metrics["published"]["why_not"]
    own_numbers = metrics["simulated"]
    for framing, name in (("nominal", "svc"), ("ordinal", "cnn_coral"), ("regression", "ridge")):
        scores = own_numbers[framing][name]
        assert 0 <= scores["accuracy"] <= 1
        assert 0 <= scores["balanced_accuracy"] <= 1
        assert scores["rmse"] >= scores["mae"] > 0
    counts = own_numbers["baselines"]["majority"]
    assert counts["balanced_accuracy"] == pytest.approx(1 / 3)
    page = study.layout.page.read_text()
    assert "Simulated data: how well a method does here says nothing about MoS2" in page
    assert "one fold" in page
    registered = metrics["registered"]
    for part in ("held_out_test", "out_of_fold"):
        assert registered[part]["rmse"] >= registered[part]["mae"] > 0
    assert "mos2-growth-temperature version 1" in page
    assert set(metrics["variants"]["depth"]) == {"pool", "pool, 85%", "blocks.6, 85%"}
