"""Every stage declares the sections of params.yaml that its script asks for, and no other."""

from pathlib import Path

import pytest

from tests.support.reads import undeclared_params

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["dvc.yaml", "pipelines/published_features/dvc.yaml"])
def test_params_are_declared(name: str) -> None:
    assert undeclared_params(ROOT / name, ROOT) == {}
