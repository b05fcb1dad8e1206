"""The repository's settings, with one of them changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tmdscope.params.reading import read_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Write the repository's params.yaml with one dotted key set, or removed by None."""

    def edit(key: str, value: Any) -> Path:
        content = read_params(ROOT / "params.yaml")
        *parents, last = key.split(".")
        section = content
        for parent in parents:
            section = section[parent]
        if value is None:
            del section[last]
        else:
            section[last] = value
        path = tmp_path / "params.yaml"
        YAML(typ="safe").dump(content, path)
        return path

    return edit
