"""Hooks of MkDocs: reference pages written from code at every build, and files of the repository as pages.

A page under ``reference/`` exists only in the built site, so it cannot differ from the code behind it.
"""

import ast
import html
import inspect
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import supply  # beside this file: MkDocs looks for a hook's imports there
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from ruamel.yaml import YAML

from tmdscope import limits
from tmdscope.analysis.descriptors.catalogue import data_dictionary
from tmdscope.dataset.records import PAPER_TEST, TEMPERATURE
from tmdscope.dataset.store import RAW_SCHEMA, SCHEMA
from tmdscope.params.settings import IMAGE_SECTIONS, NAMED
from tmdscope.scan.simulate import FLAW_TRUTH, SURFACE_TRUTH, TRUTH

ROOT = Path(__file__).parents[1]

OUTSIDE = (
    "CHANGELOG.md",
    "data/user/README.md",
    "examples/compose.yaml",
    "examples/slurm/search-gpus.sbatch",
    "examples/slurm/search.sbatch",
)
"""Files outside docs/ that pages point to; the site holds them under ``repository/``."""

SOURCES_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "simulated": {**TRUTH, **SURFACE_TRUTH},
    "simulated, with flaws": FLAW_TRUTH,
    "folder": {"channel": "channel of the instrument's file that was read; empty for pictures"},
    "folder, simulated": {"warnings": "why heights are doubtful, each with its name; empty where nothing is"},
    "archive": {
        PAPER_TEST: "whether the authors held the image out as their test",
        TEMPERATURE: "what the sample was grown at, in degrees Celsius (record `growth-temperature`)",
    },
}
"""Further columns of the manifest, by source."""

SETTINGS_INTRODUCTION = """\
Every key of `params.yaml`: what it may be, what it is as shipped, what it means. A key that is unknown,
missing or out of range stops the stage that reads it, with the key's name. *Optional* keys may be left out
and then have the value shown. `tmdscope profile` switches many at once."""

LIMITS_INTRODUCTION = """\
How much is read of anything that others made ([security](../security.md)): constants of `tmdscope/limits.py`.
What meets a limit is refused with a message that names it."""

DICTIONARY_INTRODUCTION = """\
Columns of the tables that the stages write. `data/raw/manifest.parquet` has a row per image that the source
gave, `data/prepared/manifest.parquet` one per prepared image, in the order of `images.npy`. Both are checked
against these rules whenever they are written or read."""

_WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}
_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
_SCHEMA_TYPES = {"string[pyarrow]": "text", "float64": "number"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the files outside docs/."""
    pages = {"commands": commands, "settings": settings, "data-dictionary": dictionary}
    pages |= {"licences": licences, "limits": limit_table}
    for name, write in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=write()))
    for name in OUTSIDE:
        files.append(File.generated(config, f"repository/{name}", abs_src_path=str(ROOT / name)))
    return files


def limit_table() -> str:
    """Write the page of limits: every constant of `tmdscope.limits`, its value and its docstring."""
    body = ast.parse(inspect.getsource(limits)).body
    rows = []
    for place, told in pairwise(body):
        if isinstance(place, ast.Assign):
            names = [node.id for node in ast.walk(place.targets[0]) if isinstance(node, ast.Name)]
            values = ", ".join(f"{getattr(limits, name):,}" for name in names)
            rows.append((", ".join(f"`{name}`" for name in names), values, ast.literal_eval(told.value)))
    return "\n\n".join(["# Limits", LIMITS_INTRODUCTION, _table(["limit", "value", "meaning"], rows)]) + "\n"


def licences() -> str:
    """Write the page of licences: what the metadata of every locked package name."""
    return supply.page(supply.project_table()["optional-dependencies"])


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links that leave docs/ point to where the site holds the file."""
    return re.sub(r"(?<=\]\()([^)#:\s]+)", lambda link: relink(link[1], page.file.src_uri), markdown)


def relink(target: str, uri: str) -> str:
    """Turn a link that holds in the repository into one that holds in the site.

    Parameters
    ----------
    target : str
        A relative path, as the page has it.
    uri : str
        The page, relative to the site's sources.

    Returns
    -------
    str
        The path from that page to what it means.
    """
    inside = uri.removeprefix("repository/")
    origin = inside if inside != uri else f"docs/{uri}"
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
    place = meant.removeprefix("docs/") if meant.startswith("docs/") else f"repository/{meant}"
    return posixpath.relpath(place, posixpath.dirname(uri) or ".")


def commands() -> str:
    """Write the page of commands: what `--help` says of each."""
    asked = [sys.executable, "-m", "typer", "tmdscope.cli", "utils", "docs", "--name", "tmdscope"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    without_lists = re.sub(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n?", "", said)
    return "# Commands\n\nWhat `tmdscope COMMAND --help` says.\n" + html.unescape(
        without_lists.removeprefix("# `tmdscope`")
    )


def settings() -> str:
    """Write the page of settings: every key of `params.yaml`, from its model."""
    shipped: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
    parts = [
        "# Settings",
        SETTINGS_INTRODUCTION,
    ]
    for name, value in shipped.items():
        parts.append(f"## {name}")
        schema = IMAGE_SECTIONS[name].model_json_schema()
        parts += _section(f"{name}.NAME", schema, None) if name in NAMED else _section(name, schema, value)
    return "\n\n".join(parts) + "\n"


def _section(name: str, schema: Mapping[str, Any], shipped: Any) -> list[str]:
    definitions = schema.get("$defs", {})
    rows = list(_rows(name, schema, definitions, shipped))
    listed = shipped is not None
    head = ["key", "may be", *(["shipped"] if listed else []), "meaning"]
    cells = [row if listed else (row[0], row[1], row[3]) for row in rows]
    return [_sentence(schema["description"]), _table(head, cells)]


def _rows(
    name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], shipped: Any
) -> Iterable[tuple[str, str, str, str]]:
    """Walk a model's keys: name, type, value as shipped, meaning."""
    for key, field in schema["properties"].items():
        value = shipped.get(key, field.get("default")) if isinstance(shipped, Mapping) else None
        nested = [_resolve(part, definitions) for part in (field, *field.get("anyOf", []))]
        inner = next((part for part in nested if "properties" in part), None)
        if inner:
            yield f"`{name}.{key}`", "", "", _sentence(inner["description"])
            yield from _rows(f"{name}.{key}", inner, definitions, value)
            continue
        kind = _kind(field, definitions)
        if "default" in field:
            kind = f"{kind}; *optional*" + (f", `{_plain(field['default'])}`" if shipped is None else "")
        yield f"`{name}.{key}`", kind, f"`{_plain(value)}`", field["description"]


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words what a value may be."""
    found = _resolve(field, definitions)
    if "enum" in found:
        return ", ".join(f"`{choice}`" for choice in found["enum"])
    if "const" in found:
        return f"`{found['const']}`"
    for union in ("anyOf", "oneOf"):
        if union in found:
            kinds = [_kind(part, definitions) for part in found[union] if part.get("type") != "null"]
            return " or ".join(kinds)
    if found["type"] == "array":
        return f"list: {_kind(found['items'], definitions)}"
    if found["type"] == "object":
        return "mapping"
    limits = [f"{sign} {found[key]:,}".removesuffix(".0") for key, sign in _LIMITS.items() if key in found]
    return ", ".join([_WORDS[found["type"]], *limits])


def _resolve(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    return definitions[field["$ref"].rsplit("/", 1)[-1]] if "$ref" in field else field


def dictionary() -> str:
    """Write the data dictionary: columns of the manifests, and the descriptors."""
    shared = [(name, column) for name, column in SCHEMA.columns.items()]
    parts = [
        "# Data dictionary",
        DICTIONARY_INTRODUCTION,
        "## Manifest",
        _table(
            ["column", "type", "in", "rule", "meaning"],
            [
                (
                    f"`{name}`",
                    _SCHEMA_TYPES[str(column.dtype)],
                    "raw, prepared" if name in RAW_SCHEMA.columns else "prepared",
                    _rule(column),
                    column.description,
                )
                for name, column in shared
            ],
        ),
        "A sample has one label in all of its rows. Then come the columns that only one source knows:",
        _table(
            ["column", "`data.source`", "meaning"],
            [
                (f"`{name}`", f"`{source}`", meaning)
                for source, columns in SOURCES_COLUMNS.items()
                for name, meaning in columns.items()
            ],
        ),
        "## Descriptors",
        "`data/descriptors.parquet`: `image_id`, then these; [more](../descriptors.md).",
        data_dictionary(),
    ]
    return "\n\n".join(parts) + "\n"


def _rule(column: Any) -> str:
    words = ["unique"] if column.unique else []
    for check in column.checks:
        limits = check.statistics
        if "pattern" in limits:
            words.append("64 hexadecimal digits")
        elif check.name == "str_length":
            words.append("not empty")
        elif check.name == "in_range":
            words.append(f"> {_plain(limits['min_value'])}")
        else:
            raise ValueError(f"{column.name}: no words for check {check.name!r}")
    return ", ".join([*words, *(["may be missing"] if column.nullable else [])])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    """Write a value as `params.yaml` would."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        return f"{value:.1f}"
    if isinstance(value, str) and not re.fullmatch(r"[\w./-]+", value):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_plain(item)}' for key, item in value.items())}}}"
    return "none" if value is None else str(value)


def _sentence(docstring: str) -> str:
    """Give a docstring's first paragraph."""
    return " ".join(docstring.split("\n\n")[0].split())
