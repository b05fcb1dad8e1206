"""Reading sections of a `params.yaml`: one frozen model per section.

A stage parses only its own sections. Unknown keys are refused with their path and the nearest known
key; every number has a range; nothing here has a default that a user could mistake for a choice made
in `params.yaml`, except switches that profile `paper` leaves off.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tmdscope.materials import nearest
from tmdscope.stage import UserError

Seed = Annotated[int, Field(ge=0, lt=2**32, description="of what is drawn at random")]


class ParamsError(UserError):
    """The settings in a `params.yaml` are wrong; the message names each key and what to do."""


class Params(BaseModel):
    """Base of every section: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Section = TypeVar("Section", bound=Params)


def read_params(path: Path) -> dict[str, Any]:
    """Read a whole `params.yaml` without checking its sections.

    Parameters
    ----------
    path : Path
        The YAML file.

    Returns
    -------
    dict
        Section name to its plain content.

    Raises
    ------
    ParamsError
        The file is missing, is not YAML, or holds no mapping.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise ParamsError(f"{path} does not exist; run from the folder that holds it") from error
    except YAMLError as error:
        raise ParamsError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path} must hold sections, it holds a {type(content).__name__}")
    return content


def read_section(name: str, model: type[Section], path: Path = Path("params.yaml")) -> Section:
    """Read and check one section of a `params.yaml`.

    Parameters
    ----------
    name : str
        Section; dots go deeper (``experiments.finetune-multiclass``).
    model : type
        The section's model.
    path : Path, optional
        The YAML file.

    Returns
    -------
    Params
        The checked, frozen section.

    Raises
    ------
    ParamsError
        The section is missing or wrong; every problem is listed with its key's path.
    """
    content: Any = read_params(path)
    for depth, key in enumerate(name.split(".")):
        known = list(content) if isinstance(content, Mapping) else []
        if key not in known:
            where = ".".join(name.split(".")[: depth + 1])
            raise ParamsError(f"{path} has no section {where!r}; {nearest(key, [str(k) for k in known])}")
        content = content[key]
    return parse_section(name, content, model, path.as_posix())


def parse_section(name: str, content: Any, model: type[Section], source: str) -> Section:
    """Check one section's plain content.

    Parameters
    ----------
    name : str
        Section name, for messages.
    content : Any
        What the YAML held.
    model : type
        The section's model.
    source : str
        File name, for messages.

    Returns
    -------
    Params
        The checked, frozen section.

    Raises
    ------
    ParamsError
        Every problem, each with the path of its key.
    """
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
    value = "" if isinstance(item["input"], dict) else f" (got {item['input']!r})"
    return f"{where}: {item['msg']}{value}"


def _keys_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        if str(part) not in model.model_fields:
            return []  # inside a mapping, whose keys are the user's own
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
