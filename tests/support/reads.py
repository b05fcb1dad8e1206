"""Hold a pipeline to its word: what its stages read, import and look up against what dvc.yaml declares."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

MAIN = "src/tmdscope/studies/__main__.py"
"""What does a verb of a study."""

WATCH = Path(__file__).parent / "watch"
IGNORED = (".dvc", ".git", ".venv", "mlruns", "tests")
"""Not data of a stage: tools, tests, and the tracking store, which DVC never holds."""
UNSEEN = (".safetensors", ".db", "checked.txt")
"""Not asked to have been read: compiled readers open them unseen by Python, or they say what comes first."""


@dataclass(frozen=True)
class Gap:
    """What a stage's declaration lacks, and what it declares for nothing."""

    undeclared: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.undeclared or self.unused)


@dataclass(frozen=True)
class Stage:
    """A stage of a dvc.yaml: paths relative to the project, templates as `*`."""

    name: str
    script: str
    arguments: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]

    def is_run_by(self, log: Mapping[str, Any], root: Path) -> bool:
        """Whether a process was this stage: two stages may share a script and differ in its arguments."""
        given = log["arguments"]
        alike = all(map(fnmatchcase, given, self.arguments)) and len(given) == len(self.arguments)
        return alike and Path(log["script"]) == root / self.script


def watching(root: Path, log: Path) -> dict[str, str]:
    """The environment in which every Python process logs into `log` what it reads below `root`."""
    paths = [str(WATCH), str(root / "src"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TMDSCOPE_READS_LOG": str(log),
        "TMDSCOPE_READS_ROOT": str(root.resolve()),
    }


def undeclared(dvc_yaml: Path, log: Path, root: Path) -> dict[str, Gap]:
    """For each stage that ran: reads and imports it does not declare, and deps that it never read."""
    logs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(log.glob("*.json"))]
    gaps = {}
    for stage in read_stages(dvc_yaml, root):
        runs = [item for item in logs if stage.is_run_by(item, root.resolve())]
        if runs:
            used = {name for run in runs for name in (*run["reads"], *run["modules"], stage.script)}
            gaps[stage.name] = _gap(stage, used)
    return {name: gap for name, gap in gaps.items() if gap}


def read_stages(dvc_yaml: Path, root: Path) -> list[Stage]:
    """The stages of a dvc.yaml whose command runs a Python script, or a verb of a study."""
    content = YAML(typ="safe").load(dvc_yaml)
    stages = []
    for name, entry in content["stages"].items():
        body = entry.get("do", entry)
        here = (dvc_yaml.parent / body.get("wdir", ".")).resolve()
        commands = body["cmd"] if isinstance(body["cmd"], list) else [body["cmd"]]
        words = [word for command in commands for word in _pattern(command).split()]
        words = [MAIN if word == "tmdscope.studies" else word for word in words]
        position = next((number for number, word in enumerate(words) if word.endswith(".py")), None)
        if position is not None:
            stages.append(_stage(name, body, _Place(here, root.resolve()), words[position:]))
    return stages


@dataclass(frozen=True)
class _Place:
    here: Path
    root: Path

    def path(self, written: str) -> str:
        absolute = Path(os.path.normpath(self.here / _pattern(written)))
        return Path(os.path.relpath(absolute, self.root)).as_posix()


def _stage(name: str, body: Mapping[str, Any], place: _Place, words: Sequence[str]) -> Stage:
    produced = [path for kind in ("outs", "metrics", "plots") for path in _paths(body.get(kind, []))]
    return Stage(
        name=name,
        script=place.path(words[0]),
        arguments=tuple(words[1:]),
        deps=tuple(map(place.path, _paths(body.get("deps", [])))),
        outs=tuple(map(place.path, produced)),
        params=_params(body.get("params", []), place),
    )


def _params(entries: Iterable[Any], place: _Place) -> dict[str, tuple[str, ...]]:
    params: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        files = entry if isinstance(entry, Mapping) else {"params.yaml": [entry]}
        for file, keys in files.items():
            name = place.path(file)
            params[name] = params.get(name, ()) + tuple(_pattern(key) for key in keys or ())
    return params


def _gap(stage: Stage, used: set[str]) -> Gap:
    asked = {name for name in used if name.split("/")[0] not in IGNORED and not _covered(name, stage.outs)}
    declared = (*stage.deps, *stage.params)
    missing = {name for name in asked if not _covered(name, declared)}
    seen = [dep for dep in stage.deps if not dep.endswith(UNSEEN)]
    unused = {dep for dep in seen if not any(_covered(name, [dep]) for name in used)}
    return Gap(frozenset(missing), frozenset(unused))


def _covered(name: str, declared: Iterable[str]) -> bool:
    return any(fnmatchcase(name, path) or fnmatchcase(name, f"{path}/*") for path in declared)


def _paths(entries: Iterable[Any]) -> list[str]:
    return [path for entry in entries for path in ([entry] if isinstance(entry, str) else entry)]


def _pattern(text: str) -> str:
    return re.sub(r"\$\{[^}]*\}", "*", text)
