"""What a verb of a study is made of: the modules it leads to, and the sections of settings it asks for."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tmdscope.jobs.study import Later, Study

TRACKING = Path(__file__).parents[2] / "src" / "tmdscope" / "tracking"
HOOKS = ("cohort", "methods", "folds", "sections")
"""What a verb may call of a study."""
WHOLE = {
    "read_experiments": {"experiments"},
    "read_search": {"searches.*", "experiments.*"},
    "read_searches": {"searches"},
    "read_all_experiments": {"experiments", "searches"},
}
"""Readers of sections whose entries a person names."""


@dataclass
class Reach:
    """Modules, ``tmdscope.x.y``, and sections of params.yaml; `*` stands for what is not written out."""

    modules: set[str] = field(default_factory=set)
    sections: set[str] = field(default_factory=set)


@cache
def _tree(module: str) -> ast.Module | None:
    spec = find_spec(module)
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else None


def imports_of(tree: ast.AST) -> set[str]:
    """Modules of the package that a piece of code imports, but for types alone."""
    found = set[str]()
    for node in _nodes(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tmdscope"):
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                found.add(name if _is_module(name) else str(node.module))
    return found


@cache
def _is_module(name: str) -> bool:
    parent = find_spec(name.rpartition(".")[0])
    return bool(parent and parent.submodule_search_locations and find_spec(name))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but for what only a checker of types sees."""
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from _nodes(child)


def reach_of(study: Study, verb: str, hidden: frozenset[str] = frozenset()) -> Reach:
    """Follow a verb and what it calls of its study; rooms that are `hidden` are not entered."""
    found, declaration = Reach(), find_declaration(study)
    todo: list[Any] = [study.job(verb).__module__, declaration]
    while todo:
        item = todo.pop()
        module = item if isinstance(item, str) else ""
        if module and (module in found.modules or _room(module) in hidden):
            continue
        tree = _tree(module) if module else ast.parse(textwrap.dedent(inspect.getsource(item)))
        if tree is None:
            continue
        if module:
            found.modules.add(module)
        todo += imports_of(tree)
        if not module or (_room(module) in ("jobs", "studies") and module != declaration):
            for node in _nodes(tree):
                todo += _called(node, study, found)
    known = {*study.params, *(name for name in found.sections if "." in name)}
    found.sections &= known
    return found


@cache
def beyond_tracking() -> frozenset[str]:
    """Modules that those of `tracking` lead to."""
    todo = [f"tmdscope.tracking.{path.stem}" for path in TRACKING.glob("*.py") if path.stem != "__init__"]
    found = set[str]()
    while todo:
        module = todo.pop()
        if module not in found and (tree := _tree(module)) is not None:
            found.add(module)
            todo += imports_of(tree)
    return frozenset(found)


def find_declaration(study: Study) -> str:
    """Name the module that declares a study of the package."""
    return f"tmdscope.studies.{study.name}.study"


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _called(node: ast.AST, study: Study, found: Reach) -> list[Any]:
    match node:
        case ast.Attribute(value=ast.Name(id="study"), attr=name) if name in HOOKS:
            hook = getattr(study, name)
            return [] if hook is None else [hook.module if isinstance(hook, Later) else hook]
        case ast.Attribute(value=ast.Name(id="study"), attr="experiment"):
            found.sections.add("tracking")
        case ast.Call(func=ast.Attribute(value=ast.Name(id="study"), attr="section"), args=[section, *_]):
            found.sections.add(_literal(section))
        case ast.Call(func=ast.Name(id="check_settings")):
            found.sections |= set(study.params)
        case ast.Call(func=ast.Name(id="read_study_settings")):
            found.sections |= set(study.params) - {"compute", "promotion"}
        case ast.Call(func=ast.Name(id=name)) if name in WHOLE:
            found.sections |= WHOLE[name]
    return []


def _literal(name: ast.expr) -> str:
    match name:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_literal(part) for part in parts)
    return "*"
