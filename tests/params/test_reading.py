"""Settings are read section by section; every problem is named."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tmdscope.params.experiments import (
    ExperimentParams,
)
from tmdscope.params.images import (
    SplitParams,
)
from tmdscope.params.reading import ParamsError, parse_section, read_params, read_section

ROOT = Path(__file__).parents[2]


def test_a_dotted_name_goes_deeper() -> None:
    name = "experiments.scratch-multiclass"
    assert read_section(name, ExperimentParams, ROOT / "params.yaml").weights == "none"


def test_every_problem_is_listed() -> None:
    with pytest.raises(ParamsError, match=r"here: .*split\.test_folds.*; .*split\.fold.*"):
        parse_section("split", {"test_folds": 1, "folds": 5, "fold": 5}, SplitParams, "here")


def test_a_chain_of_merges_is_refused_before_it_is_built(tmp_path: Path) -> None:
    chain = "k0: &k0 {a: 1}\n" + "".join(f"k{n}: &k{n} {{<<: *k{n - 1}, x{n}: 1}}\n" for n in range(1, 3000))
    (tmp_path / "params.yaml").write_text(chain)
    with pytest.raises(ParamsError, match="merges more than 100 mappings"):
        read_params(tmp_path / "params.yaml")


def test_settings_are_frozen() -> None:
    settings = read_section("split", SplitParams, ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        settings.folds = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "does not exist"), ("a: [", "is not YAML"), ("- 1\n", "must hold sections, it holds a list")],
    ids=["missing", "not YAML", "a list"],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ParamsError, match=rf"params\.yaml.*{message}"):
        read_params(path)
