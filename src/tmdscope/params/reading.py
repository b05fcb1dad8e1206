"""Reading sections of a `params.yaml`: one frozen model per section.

A stage parses only its own sections. Unknown keys are refused with their path and the nearest known
key; every number has a range; nothing here has a default that a user could mistake for a choice made
in `params.yaml`, except switches that profile `paper` leaves off.
"""

import io
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from tmdscope.errors import UserError
from tmdscope.files import read_bytes
from tmdscope.limits import (
    MAX_SETTINGS_BYTES,
    MAX_SETTINGS_DEPTH,
    MAX_SETTINGS_MERGES,
    MAX_SETTINGS_VALUES,
)
from tmdscope.materials import nearest

Seed = Annotated[int, Field(ge=0, lt=2**32, description="of what is drawn at random")]


class ParamsError(UserError):
    """The settings in a `params.yaml` are wrong; the message names each key and what to do."""


class Params(BaseModel):
    """Base of every section: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Section = TypeVar("Section", bound=Params)


def read_params(path: Path) -> dict[str, Any]:
    """Read a whole `params.yaml` without checking its sections."""
    content: dict[str, Any] = load_settings(YAML(typ="safe"), read_settings(path), str(path))
    return content


def read_settings(path: Path) -> str:
    """Read a file of settings as text."""
    try:
        return read_bytes(path, MAX_SETTINGS_BYTES).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ParamsError(f"{path} does not exist; run from the folder that holds it") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path} is not UTF-8 ({error}); save it as UTF-8 in your editor") from error


def load_settings(yaml: YAML, text: str, source: str) -> Any:
    """Load the text of settings, unchecked.

    `ParamsError` where it is not YAML, holds no mapping, or aliases that lead to themselves or to masses.
    """
    if text.count("<<") > MAX_SETTINGS_MERGES:
        raise ParamsError(f"{source} merges more than {MAX_SETTINGS_MERGES} mappings (<<); write them out")
    try:
        content = yaml.load(text)
    except Exception as error:  # numbers, dates and tags raise anything
        where = f"{source} is not YAML: {str(error)[:500] or type(error).__name__}"
        raise ParamsError(f"{where}; mend it, or bring it back: git checkout {source}") from error
    if not isinstance(content, MutableMapping):
        raise ParamsError(f"{source} must hold sections, it holds a {type(content).__name__}")
    _count(content, source, 0, 0)
    return content


def settings_yaml() -> YAML:
    """Make a reader and writer of settings that keeps comments, quotes and order."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def write_settings(content: Mapping[str, Any]) -> str:
    """Give settings as YAML text, with the comments that `settings_yaml` read with them."""
    stream = io.StringIO()
    settings_yaml().dump(content, stream)
    return stream.getvalue()


def _count(value: Any, source: str, depth: int, seen: int) -> int:
    """Count values as often as aliases repeat them: whoever walks over them walks as long."""
    if seen > MAX_SETTINGS_VALUES or depth > MAX_SETTINGS_DEPTH:
        raise ParamsError(f"{source} holds too many values, one in another; write them without aliases")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        seen = _count(each, source, depth + 1, seen)
    return seen + 1


def read_section(name: str, model: type[Section], path: Path = Path("params.yaml")) -> Section:
    """Read and check one section of a `params.yaml`; dots in its name go deeper."""
    content: Any = read_params(path)
    for depth, key in enumerate(name.split(".")):
        known = list(content) if isinstance(content, Mapping) else []
        if key not in known:
            where = ".".join(name.split(".")[: depth + 1])
            raise ParamsError(f"{path} has no section {where!r}; {nearest(key, [str(k) for k in known])}")
        content = content[key]
    return parse_section(name, content, model, path.as_posix())


def parse_section(name: str, content: Any, model: type[Section], source: str) -> Section:
    """Check one section's plain content; the error has every problem, each with the path of its key."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_explain(name, item, model) for item in error.errors()]
        raise ParamsError(f"{source}: " + "; ".join(problems)) from error


def _explain(section: str, item: Any, model: type[BaseModel]) -> str:
    location = item["loc"]
    where = ".".join([section, *map(str, location)])
    if item["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        return f"unknown key {where!r}" + (f"; {nearest(str(location[-1]), known)}" if known else "")
    if item["type"] == "missing":
        return f"missing key {where!r}"
    value = "" if isinstance(item["input"], dict) else f" (got {repr(item['input'])[:200]})"
    return f"{where}: {item['msg']}{value}"


def _keys_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        if str(part) not in model.model_fields:
            return []  # inside a mapping, whose keys are the user's own
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
