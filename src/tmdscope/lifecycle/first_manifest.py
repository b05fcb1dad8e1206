"""`tmdscope init`: a manifest of a folder of files, shown and checked, and the settings that name it."""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from ruamel.yaml.comments import CommentedSeq

from tmdscope.alike import find_alike, plain_name
from tmdscope.dataset.folder import FolderError, ingest_sheet
from tmdscope.dataset.manifest_csv import REQUIRED, read_sheet
from tmdscope.dataset.place import check_apart, nfc, write_new
from tmdscope.errors import UserError
from tmdscope.lifecycle.grouping import choose_scans
from tmdscope.lifecycle.inputs import find_files, passed_over
from tmdscope.limits import PATTERN_BYTES, PATTERN_S
from tmdscope.materials import atoms_of, elements_of, parse_material
from tmdscope.names import cell, shown, text_problem
from tmdscope.params.reading import write_settings

PARTS = frozenset("train training test testing val valid validation".split())
"""Names of folders that are parts of somebody's split, not classes."""

_IN_NAMES = (
    r"([^-_ ./]+)[-_ ][^/]*$",
    r"([^/]+)[-_ ][^-_ ./]+(?:\.[^./]+)?$",
    r"([^/]*\d)[a-z](?:\.[^./]+)?$",
    r"([^/]+)\.\d{3}$",
)
GUESSES = (
    r"^(.+/[^/]+)/[^/]+$",
    r"(?i)(?:sample|wafer|chip|piece)[-_ ]?([^-_ ./]+)",
    *_IN_NAMES,
    *(r"^([^/]+)/(?:.*/)?" + pattern for pattern in _IN_NAMES),
)
"""Where a sample may stand in a path, the first that fits all files: the folder below the class's, behind a
word, before the first or the last separator of the name, before a letter, before Bruker's number; the last
four again, together with the class's folder, where samples of each class are counted anew."""

_SEARCH = """
import json, re, sys
pattern, paths, room = json.load(sys.stdin)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.getrlimit(resource.RLIMIT_AS)[1]))
except (ImportError, ValueError):
    pass
try:
    found = [re.search(pattern, path) for path in paths]
except Exception as error:
    sys.exit(str(error) or type(error).__name__)
json.dump(["" if m is None else "-".join(filter(None, m.groups())) or m.group() for m in found], sys.stdout)
"""

OTHERS = "_others.csv"
"""Ending of the file of what is not proposed, behind the manifest's name."""

FEW = 10
"""A class with fewer samples is told to have few."""

WHAT_IT_IS = (
    "A sample_id names the grown piece that a file was taken from. Images of one sample never fall on both\n"
    "sides of a split, so that a score says how well a new sample is recognised."
)
NONE_KNOWN = (
    "NO SAMPLES ARE KNOWN: no pattern fits the names, so every file is a sample of its own. If several\n"
    "files show one sample, it is on both sides of the split, and scores may be of recognising the sample,\n"
    "not the material. Name the pattern with --sample, or write the samples into the manifest by hand."
)


@dataclass(frozen=True)
class InitRequest:
    """What a manifest, a CSV of that name in the folder, is to be made of.

    `sample` is a regular expression of the sample in a file's path, its groups or all it finds; None:
    guessed. `material` is the same of the class; None: the folders' names, or formulae in the files' names.
    Relative paths in params.yaml start at `root`, the project's folder.
    """

    folder: Path
    manifest: str = "manifest.csv"
    sample: str | None = None
    material: str | None = None
    root: Path = Path()


@dataclass(frozen=True)
class Proposal:
    """A manifest that could be written.

    `rows` hold ``path``, ``sample_id`` and ``label`` of each file, and what `choose_scans` adds; without a
    `pattern` every file is a sample of its own; `left_out` is path to reason, `passed_over` counts what was
    not looked at. `others` could be taken in place of rows, `told` says what was grouped.
    """

    rows: list[dict[str, str]]
    pattern: str | None
    left_out: dict[str, str]
    passed_over: str = ""
    others: list[dict[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """Classes by their first files."""
        return list(dict.fromkeys(row["label"] for row in self.rows))


def make_manifest(request: InitRequest, show: Callable[[str], None], ask: Callable[[str], str] | None) -> str:
    """Propose a manifest, check it as stage `ingest` does, show it, write it, and give the settings to use.

    `ask` puts a question and gives the answer; None: nobody is asked.
    """
    target = request.folder / request.manifest
    if Path(request.manifest).name != request.manifest or target.suffix.lower() != ".csv":
        raise UserError(f"--manifest {request.manifest}: give the name of a CSV in {request.folder}, no path")
    others = target.with_name(f"{target.stem}{OTHERS}")
    for path in (target, others):
        if os.path.lexists(path):
            raise UserError(f"{path} is there already and stays as it is: name another with --manifest")
    check_apart(request.folder, request.root)
    while True:
        proposal = check(request.folder, propose(request))
        chosen = choose_scans(request.folder, proposal.rows)
        proposal = replace(proposal, rows=chosen.rows, others=chosen.others, told=chosen.told)
        show(describe(request.folder, proposal))
        question = f"Write {target}? (y, n, or another pattern of the sample)"
        answer = "y" if ask is None else ask(question).strip()
        if answer.casefold() in ("n", "no", "q"):
            raise UserError("nothing was written; --sample REGEX and --material REGEX say what to look for")
        if answer.casefold() in ("", "y", "yes"):
            break
        request = replace(request, sample=answer)
    write_new(target, as_csv(proposal.rows).encode())
    written = f"written: {target}\n"
    if proposal.others:
        write_new(others, as_csv(proposal.others).encode())
        written += f"written: {others}, what could be taken in place of it: same columns, and why not\n"
    return f"{written}\n" + settings(request, proposal)


def propose(request: InitRequest) -> Proposal:
    """Read class and sample of every file from where it lies and what it is called; not checked yet."""
    if not request.folder.is_dir():
        raise UserError(f"{request.folder} is no folder; name the one that holds your files")
    files = find_files([request.folder])
    found = [nfc(path.relative_to(request.folder).as_posix()) for path in files]
    if twice := [path for path, count in Counter(found).items() if count > 1]:
        told = f"{twice[0]!r} is there in two encodings of its accents; rename one"
        raise UserError(f"{request.folder}: {told}")
    paths = [path for path in found if not any(part.startswith(".") for part in path.split("/"))]
    materials, left_out = _classes(request, paths)
    paths = list(materials)
    if request.sample is not None:
        samples = _find(request.sample, paths, "--sample")
        if missing := [path for path in paths if path not in samples]:
            raise UserError(
                f"--sample {request.sample!r} finds nothing in {len(missing)} of {len(paths)} paths, for "
                f"example {missing[0]!r}; it is looked for in the path below {request.folder}"
            )
        pattern: str | None = request.sample
    else:
        pattern, samples = _guess(paths, materials)
    named = {path: path if cell(path) == path else f"./{path}" for path in paths}  # text to a spreadsheet
    cells = ((named[path], cell(samples[path]), materials[path]) for path in paths)
    rows = [dict(zip(REQUIRED, each, strict=True)) for each in cells]
    return Proposal(rows, pattern, left_out, passed_over([request.folder], files))


def check(folder: Path, proposal: Proposal) -> Proposal:
    """Check a manifest and all its files as stage `ingest` does; files that cannot be used are left out."""
    while True:
        with tempfile.TemporaryDirectory(prefix="tmdscope-") as place:
            written = Path(place) / "manifest.csv"
            written.write_text(as_csv(proposal.rows), encoding="utf-8")
            try:
                ingest_sheet(folder, read_sheet(written), proposal.classes, None)
                return proposal
            except FolderError as error:
                if not error.unusable:
                    told = str(error).replace(str(written), f"{folder}, as proposed")
                    hint = "(--sample REGEX gives samples other names; its groups are joined by -)"
                    raise UserError(f"{told}\n  {hint}") from error
                unusable = error.unusable
        rows = [row for row in proposal.rows if row["path"] not in unusable]
        if not rows:
            raise UserError(f"{folder}: no file can be used; the first: {next(iter(unusable.values()))}")
        proposal = replace(proposal, rows=rows, left_out={**proposal.left_out, **unusable})


def describe(folder: Path, proposal: Proposal) -> str:
    """Say what a manifest would hold: files and samples of each class, examples, what is left out."""
    rows = proposal.rows
    files = Counter(row["label"] for row in rows)
    samples = Counter(name for name, _ in {(row["label"], row["sample_id"]) for row in rows})
    width = max(map(len, (*proposal.classes, "class")))
    lines = [
        f"{folder}: {len(rows)} files of {sum(samples.values())} samples of {len(files)} classes",
        f"  {'class':{width}}  files  samples",
        *(f"  {name:{width}}  {files[name]:5}  {samples[name]:7}" for name in proposal.classes),
    ]
    if proposal.pattern is not None:
        lines.append(f"samples are what the pattern {proposal.pattern!r} finds in a path, for example")
        lines += [f"  {row['path']} -> {row['sample_id']}" for row in rows[:: max(1, len(rows) // 4)][:4]]
    lines += proposal.told
    if proposal.left_out:
        lines.append(f"left out: {len(proposal.left_out)} files")
        lines += [f"  {path}: {why}" for path, why in proposal.left_out.items()]
    lines += [proposal.passed_over] if proposal.passed_over else []
    lines = [shown(line) for line in lines]
    lines += ["", WHAT_IT_IS] if proposal.pattern else ["", WHAT_IT_IS, NONE_KNOWN]
    if few := [name for name in proposal.classes if samples[name] < FEW]:
        lines.append(f"Few samples: {', '.join(few)}; intervals are wide below {FEW} samples of a class.")
    return "\n".join(lines)


def settings(request: InitRequest, proposal: Proposal) -> str:
    """Write section `data` of params.yaml, or for one class how to add it to a model, and what to mind."""
    place, root = request.folder.resolve(), request.root.resolve()
    place = place.relative_to(root) if place.is_relative_to(root) else place
    if len(proposal.classes) == 1:
        command = "tmdscope add-material --model models:/tmd-material-classifier@production --images"
        return f"One class only: add it to a registered model with\n  {command} {shlex.quote(str(place))}"
    classes = CommentedSeq(proposal.classes)
    classes.fa.set_flow_style()
    folder = {"path": place.as_posix(), "manifest": request.manifest}
    told = write_settings({"data": {"source": "folder", "classes": classes, "folder": folder}})
    try:
        atoms_of(proposal.classes)
    except ValueError as error:
        told += "\nLeave out experiments with target: multilabel, their searches, and multilabel in\n"
        told += f"sequential.encodings: {error}.\n"
    if len(proposal.classes) == 2:
        told += "\nTwo classes make no sequence: set sequential.enabled: false.\n"
    return f"In params.yaml:\n{told}\nThen: dvc repro"


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Write a manifest as CSV with a header."""
    return str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


def _classes(request: InitRequest, paths: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Class of each file, and the files that have none."""
    parts = {path: path.split("/")[:-1] for path in paths}
    if {plain_name(names[0]) for names in parts.values() if names} <= PARTS:
        parts = {path: names[1:] for path, names in parts.items()}  # this software makes its own split
    if request.material is not None:
        found, why = _find(request.material, paths, "--material"), "--material finds nothing in it"
    elif found := {path: names[0] for path, names in parts.items() if names}:
        why = "it lies in no class's folder"
    else:
        found, why = _named_classes(paths), "its name holds no class"
    if not found:
        raise UserError(
            f"{request.folder}: classes cannot be told; put the files of each class into a folder of its "
            "name, or give --material REGEX, whose group is the class"
        )
    found = {path: _formula(name) for path, name in found.items()}
    if problem := next(filter(None, map(text_problem, found.values())), None):
        raise UserError(f"{request.folder}: a class cannot be called so: {problem}")
    if alike := find_alike(found.values()):
        told = " and ".join(map(ascii, alike[0]))
        raise UserError(f"{request.folder}: {told} look alike: call them the same")
    return found, {path: why for path in paths if path not in found}


def _named_classes(paths: Sequence[str]) -> dict[str, str]:
    """Classes in the names of a pile of files: formulae, or words that stand first."""
    words = {path: re.split(r"[_\s.,()]+", path) for path in paths}
    formulae = {path: next(filter(_is_formula, found), None) for path, found in words.items()}
    if all(formulae.values()):
        return {path: str(name) for path, name in formulae.items()}
    first = {path: re.split(r"[-_\s.]", path)[0] for path in paths}
    each = Counter(first.values())
    return first if len(each) > 1 and all(n > 1 and w.isalpha() for w, n in each.items()) else {}


def _guess(paths: Sequence[str], materials: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    for pattern in GUESSES:
        found = _find(pattern, paths, "")
        pairs = {(found[path], materials[path]) for path in found}
        fits = len(found) == len(paths) and len({sample for sample, _ in pairs}) == len(pairs) < len(paths)
        classes = Counter(material for _, material in pairs)
        if fits and min(classes.values()) > 1 and not find_alike(sample for sample, _ in pairs):
            return pattern, found
    return None, {path: path.rpartition(".")[0] for path in paths}


def _find(pattern: str, paths: Sequence[str], option: str) -> dict[str, str]:
    """Say what a pattern finds in each path: its groups, or all of it."""
    if option:
        told = dict(zip(paths, _search_apart(pattern, paths, option), strict=True))
    else:
        matches = ((path, re.search(pattern, path)) for path in paths)
        told = {path: "-".join(filter(None, m.groups())) or m.group() for path, m in matches if m}
    return {path: name.strip() for path, name in told.items() if name.strip()}


def _search_apart(pattern: str, paths: Sequence[str], option: str) -> list[str]:
    """Search for a user's pattern in a process that can be ended: some patterns search for years."""
    given = json.dumps([pattern, list(paths), PATTERN_BYTES])
    command = [sys.executable, "-I", "-S", "-c", _SEARCH]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=given, capture_output=True, text=True, timeout=PATTERN_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"{option} {pattern!r} takes longer than {PATTERN_S:g} s to search {len(paths)} paths: "
            "avoid repetitions within repetitions"
        ) from error
    if done.returncode:
        why = done.stderr.strip().rpartition("\n")[2] or "it takes too much memory"
        raise UserError(f"{option} {pattern!r} is no regular expression: {why}")
    return list(json.loads(done.stdout))


def _formula(name: str) -> str:
    try:
        return parse_material(name)
    except ValueError:
        return name.strip()


def _is_formula(word: str) -> bool:
    try:
        return _formula(word) != word or len(elements_of(word)) > 1
    except ValueError:
        return False
