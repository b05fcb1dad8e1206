"""Profiles: named sets of settings that are merged into `params.yaml`.

Mappings merge key by key, so that a profile names only what it changes; `experiments` and `searches` are
replaced as a whole, so that a profile says exactly which experiments and searches run.
"""

import difflib
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.params.reading import Params, load_settings, read_settings, settings_yaml, write_settings
from tmdscope.params.rules import RULES, Rule
from tmdscope.params.settings import IMAGE_SECTIONS, NAMED, check_settings


def list_profiles(folder: Path) -> dict[str, str]:
    """Map the profiles of a folder, in alphabetical order, to the first line of their header comments."""
    found = {path.stem: _headline(path) for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise UserError(f"{folder} holds no profile; run from the folder that holds params.yaml")
    return found


def read_profile(name: str, folder: Path) -> str:
    """Read a profile's YAML text, comments included."""
    known = list_profiles(folder)
    if name not in known:
        raise UserError(f"{folder} has no profile {name!r}; {nearest(name, list(known))}")
    return read_settings(folder / f"{name}.yaml")


_WHOLE = {*NAMED, "models.searches"}
"""What a profile replaces as a whole: entries that a person names."""


def merge_profile(
    params: str,
    profile: str,
    source: str,
    models: Mapping[str, type[Params]] = IMAGE_SECTIONS,
    rules: Sequence[Rule] = RULES,
) -> str:
    """Merge a profile into a `params.yaml`, whose comments and order stay, and check all of the result.

    `models` and `rules` are those of the study, see `check_settings`.
    """
    yaml = settings_yaml()
    merged = load_settings(yaml, params, "params.yaml")
    _merge(merged, load_settings(yaml, profile, source))
    text = write_settings(merged)
    check_settings(load_settings(YAML(typ="safe"), text, source), source, models, rules)
    return text


def diff_params(before: str, after: str, name: str) -> str:
    """Compare two texts as `diff -u` does; empty when they are equal."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(lines)


def _merge(params: MutableMapping[str, Any], profile: Mapping[str, Any], path: str = "") -> None:
    for key, value in profile.items():
        inside = f"{path}{key}"
        current = params.get(key)
        if inside not in _WHOLE and isinstance(value, Mapping) and isinstance(current, MutableMapping):
            _merge(current, value, f"{inside}.")
        elif isinstance(value, list) and isinstance(current, list):
            current.clear()  # a list of another style in its place would swallow the line's end
            current.extend(value)
        else:
            params[key] = value


def _headline(path: Path) -> str:
    first = read_settings(path).partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
