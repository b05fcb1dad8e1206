"""The tiny study stays a study that the stages accept."""

from pathlib import Path

from benchmarks.noop_repro import shrink
from ruamel.yaml import YAML

from tmdscope.profiles import check_study

ROOT = Path(__file__).parents[2]


def test_the_tiny_study_is_valid_and_has_the_same_stages() -> None:
    yaml = YAML(typ="safe")
    shipped, tiny = yaml.load(ROOT / "params.yaml"), yaml.load(ROOT / "params.yaml")
    shrink(tiny)
    check_study(tiny, "tiny")
    assert list(tiny["experiments"]) == list(shipped["experiments"])
    assert tiny["data"]["simulated"]["images"] < shipped["data"]["simulated"]["images"]
