"""Profiles of the study: the published tables, and the way back."""

from pathlib import Path

from ruamel.yaml import YAML

from tmdscope.params.reading import read_settings
from tmdscope.profiles import list_profiles, merge_profile, read_profile
from tmdscope.studies.property_transfer.study import STUDY

FOLDER = Path(__file__).parents[3] / "pipelines" / "property_transfer"


def merged(params: str, name: str) -> str:
    text = read_profile(name, FOLDER / "profiles")
    return merge_profile(params, text, name, STUDY.params, STUDY.rules)


def test_the_published_tables_are_a_profile_and_default_leads_back() -> None:
    shipped, yaml = read_settings(FOLDER / "params.yaml"), YAML(typ="safe")
    published = merged(shipped, "published")
    assert yaml.load(published)["tables"]["source"] == "published"
    assert yaml.load(merged(published, "default")) == yaml.load(shipped)
    assert set(list_profiles(FOLDER / "profiles")) == {"default", "published"}
