"""The docs site builds without a warning, asks nothing of other hosts, and its reference is the code's."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from tmdscope.analysis.descriptors.catalogue import FILM, PAPER, PHYSICAL
from tmdscope.cli import app
from tmdscope.dataset.store import SCHEMA
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.search import SearchParams
from tmdscope.scan.simulate import FLAW_TRUTH, SURFACE_TRUTH, TRUTH

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def rows(page: Path) -> dict[str, list[str]]:
    """Cells of every table row of a page, by the first."""
    found = re.findall(r"<tr>\s*(<td>.*?)</tr>", page.read_text(encoding="utf-8"), re.DOTALL)
    cells = (re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in found)
    plain = [[html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]
    return {row[0]: row[1:] for row in plain}


def leaves(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and f"{path}{key}" != "sequential.training":
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def test_every_page_of_docs_is_there(site: Path) -> None:
    for source in (ROOT / "docs").rglob("*.md"):
        built = site / source.relative_to(ROOT / "docs").with_suffix(".html")
        assert "<h1" in built.read_text(encoding="utf-8")


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loads = re.compile(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="?(?:https?:)?//[^>]*>')
    for page in site.rglob("*.html"):
        assert loads.findall(page.read_text(encoding="utf-8")) == []


def test_links_that_leave_docs_arrive(site: Path) -> None:
    text = (site / "scaling.html").read_text(encoding="utf-8")
    for name in ("examples/slurm/search.sbatch", "examples/compose.yaml"):
        assert f'href="repository/{name}"' in text
        assert (site / "repository" / name).read_bytes() == (ROOT / name).read_bytes()


def test_every_setting_is_in_the_reference_with_its_value_and_a_meaning(site: Path) -> None:
    found = rows(site / "reference" / "settings.html")
    shipped = YAML(typ="safe").load(ROOT / "params.yaml")
    plain = {key: part for key, part in shipped.items() if key not in ("experiments", "searches")}
    for key, value in leaves(plain):
        _, shown, meaning = found[key]
        assert meaning
        if not isinstance(value, Mapping):
            assert YAML(typ="safe").load(shown) == value
    for name, model in (("experiments", ExperimentParams), ("searches", SearchParams)):
        for key in model.model_fields:
            kind, meaning = found[f"{name}.NAME.{key}"]
            assert kind
            assert meaning


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    text = html.unescape((site / "reference" / "commands.html").read_text(encoding="utf-8"))
    commands: dict[str, Any] = dict(typer.main.get_command(app).commands)
    profile = commands.pop("profile")
    commands |= {f"profile {name}": command for name, command in profile.commands.items()}
    for name, command in commands.items():
        section = re.split(rf"<h\d[^>]*><code>tmdscope {name}</code>", text)[1].split("<h")[0]
        for option in (name for parameter in command.params for name in parameter.opts if name[0] == "-"):
            assert f"<code>{option}" in section, (name, option)


def test_every_column_is_in_the_data_dictionary(site: Path) -> None:
    found = rows(site / "reference" / "data-dictionary.html")
    for name in (*SCHEMA.columns, *TRUTH, *SURFACE_TRUTH, *FLAW_TRUTH):
        assert found[name][-1], f"{name} has no meaning"
    for item in (*PAPER, *PHYSICAL, *FILM):
        assert item.formula in found[item.name]
