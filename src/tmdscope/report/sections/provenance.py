"""Where a report's numbers come from: commit, data, machine, versions, runs; and how to get them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmdscope.report.page import Block, Cell, Claim, Commands, Link, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.run_record import Origin, StageRuns

LOCAL = "http://127.0.0.1:5000"
"""What `make ui` serves."""

_FACTS = {
    "git.commit": "Git commit",
    "git.dirty": "Uncommitted changes",
    "dvc.exp": "DVC experiment",
    "data.sha256": "Data set, SHA-256",
    "split.sha256": "Split, SHA-256",
    "device": "Device",
    "processor": "Processor",
    "threads": "Threads",
    "precision": "Precision",
    "python": "Python",
}
"""Tag of a run to what a reader calls it."""

_WORDS = {
    "git.dirty": {"false": "none", "true": "yes, in no commit"},
    "dvc.exp": {"none": "none: `dvc repro`"},
}
_VERSION = "version."
_ABSENT = object()


@dataclass(frozen=True)
class Run:
    """A tracked run behind the report.

    Attributes
    ----------
    address : str
        Its page in MLflow.
    made_at : str
        When its stage ended, ISO 8601, UTC.
    tags : dict
        Commit, data, machine and versions, see `tmdscope.tracking.provenance.provenance`.
    version : str
        Registered model version of its ensemble; empty where it has none.
    """

    name: str
    run_id: str
    address: str
    made_at: str
    tags: Mapping[str, str]
    version: str = ""

    @classmethod
    def of(cls, origin: Origin, name: str, run_id: str, version: str = "") -> "Run":
        """Take a run of a stage.

        Its page is on the tracking server, or on what `make ui` serves where the store is a file.
        """
        uri = origin.tracking_uri
        server = uri.rstrip("/") if uri.startswith(("http://", "https://")) else LOCAL
        address = f"{server}/#/experiments/{origin.experiment_id}/runs/{run_id}"
        return cls(name, run_id, address, origin.made_at, origin.provenance, version)

    @property
    def commit(self) -> str:
        """Of the code that made it; ``none`` outside of git."""
        return self.tags["git.commit"]

    @property
    def dirty(self) -> bool:
        """Whether something was changed that is in no commit."""
        return self.tags["git.dirty"] == "true"


def read_runs(stage: StageRuns) -> list[Run]:
    """Give the runs of a stage; none where it did nothing."""
    return [Run.of(stage, name, run_id) for name, run_id in stage.runs.items()]


@dataclass(frozen=True)
class Provenance(Part):
    """The runs behind a report, and what they are about."""

    runs: Sequence[Run]
    about: str

    def claim(self) -> Claim:
        """Say how many runs the numbers are from."""
        return Claim(f"{len(self.runs)} runs in MLflow, with their commit, data and versions.")

    def section(self) -> Section:
        """Write the environment, a row per fact with the runs that differ in it, and a row per run."""
        versions = sorted({name for run in self.runs for name in run.tags if name.startswith(_VERSION)})
        names = {**_FACTS, **{name: name.removeprefix(_VERSION) for name in versions}}
        facts = [(words, _shown(self.runs, tag)) for tag, words in names.items()]
        times = sorted(_minute(run) for run in self.runs)
        span = times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"
        rows: list[list[Cell]] = [
            [run.name, run.version or "-", _short(run), Link(run.run_id, run.address), _minute(run)]
            for run in self.runs
        ]
        return Section(
            "Environment and provenance",
            [
                Paragraph(self.about),
                Table(
                    f"What made the {len(self.runs)} runs of this report, {span} (UTC); where runs differ, "
                    "each value says whose it is. A stage that DVC finds unchanged keeps its earlier run",
                    ["Fact", "value"],
                    [[words, value] for words, value in facts if value],
                    words_last=True,
                ),
                Table(
                    f"Runs in MLflow: links lead to what `make ui` serves ({LOCAL}) or to the tracking "
                    "server that holds them; * marks changes that are in no commit",
                    ["Run", "registered version", "commit", "MLflow run", "ended (UTC)"],
                    rows,
                ),
            ],
        )


@dataclass(frozen=True)
class Reproduction(Part):
    """How to get the numbers again: the runs, commands, conditions and changed settings."""

    runs: Sequence[Run]
    command: str
    conditions: str
    changed: Sequence[Block] = ()

    def claim(self) -> Claim:
        """Say which command."""
        return Claim(f"{self.command} gives these numbers again.")

    def section(self) -> Section:
        """Write it; the newest run's commit is checked out: DVC found all older ones valid there."""
        newest = max(self.runs, key=lambda run: run.made_at)
        known = newest.commit != "none"
        blocks: list[Block] = [
            Commands([*([f"git checkout {newest.commit}"] if known else []), self.command]),
            Paragraph(self.conditions),
        ]
        if not known:
            blocks.insert(
                0, Note("The newest run was made outside of git: the code that made it has no name.")
            )
        dirty = [run.name for run in self.runs if run.dirty]
        if dirty:
            note = "These runs were made with changes that are in no commit, so the commit alone may give "
            blocks.insert(0, Note(f"{note}others: {', '.join(dirty)}."))
        commits = {run.commit for run in self.runs}
        if len(commits) > 1:
            blocks.append(
                Paragraph(
                    f"The runs are of {len(commits)} commits; the newest is checked out. DVC kept those of "
                    "older commits as nothing that they depend on had changed since."
                )
            )
        return Section("How to reproduce", [*blocks, *self.changed])


def changed_settings(settings: Mapping[str, Any], shipped: Mapping[str, Any]) -> list[Block]:
    """Name the settings that are not the shipped ones (profile `default`), section by section."""
    here, there = _flat(settings), _flat(shipped)
    rows = [
        [key, _setting(there.get(key, _ABSENT)), _setting(here.get(key, _ABSENT))]
        for key in dict.fromkeys([*here, *there])
        if here.get(key, _ABSENT) != there.get(key, _ABSENT)
    ]
    if not rows:
        return [Paragraph("All settings in params.yaml are those of profile `default`.")]
    return [
        Table(
            "Settings in params.yaml that are not those of profile `default`",
            ["Setting", "default", "this study"],
            rows,
            words_last=True,
        )
    ]


def _shown(runs: Sequence[Run], tag: str) -> str:
    """Write a tag's value, or every value with its runs; empty where no run knows it."""
    words = _WORDS.get(tag, {})
    found: dict[str, list[str]] = {}
    for run in runs:
        if tag in run.tags:
            value = run.tags[tag]
            found.setdefault(words.get(value, value), []).append(run.name)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in found.items())


def _minute(run: Run) -> str:
    return run.made_at[:16].replace("T", " ")


def _short(run: Run) -> str:
    return run.commit[:12] + ("*" if run.dirty else "")


def _flat(content: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{path}{key}.")
        else:
            found[f"{path}{key}"] = value
    return found


def _setting(value: Any) -> str:
    return "-" if value is _ABSENT else str(value)
