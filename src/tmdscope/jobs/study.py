"""A study: what it is made of, declared once; the verbs in this room do the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tmdscope.dataset.splits import Split, make_split
from tmdscope.errors import UserError
from tmdscope.files import sha256_file
from tmdscope.layout import Layout
from tmdscope.params.common import FoldsParams, TrackingParams
from tmdscope.params.reading import Params, read_section
from tmdscope.params.rules import Rule
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import Task

Section = TypeVar("Section", bound=Params)


class Written(Protocol):
    """A report: its numbers, and the page that a person opens."""

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers that DVC compares."""

    def page(self) -> Any:
        """Write the page."""


def grouped_folds(study: "Study", cohort: Cohort) -> Split:
    """Hold out a test and cut folds as section `split` says: stratified, and no part shares a sample."""
    asked = study.section("split", FoldsParams)
    ids = cohort.image_ids.tolist()
    return make_split(cohort.stratum, cohort.groups.tolist(), ids, asked.test_folds, asked.folds)


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes
    ----------
    name : str
        Of the study.
    params : mapping
        Every section of its settings, and its model.
    layout : Layout
        Where its settings and files are.
    source : Path
        What the cohort is read from.
    cohort : callable
        Reads the images, or rows, that the study is about.
    task : Task
        What is predicted of them.
    sections : callable
        Gives the report on what the verbs have left.
    methods : callable
        Names what is cross-validated, see `tmdscope.models.tabular.Method`; by default, what section
        `methods` names.
    folds : callable
        Cuts the cohort.
    rules : sequence
        What sections say against one another.
    verbs : sequence of str
        Packages whose modules are verbs of its own, ``run(study)`` each.
    """

    name: str
    params: Mapping[str, type[Params]]
    layout: Layout
    source: Path
    cohort: Callable[["Study"], Cohort]
    task: Task
    sections: Callable[["Study"], Written]
    methods: Callable[["Study", Cohort], Mapping[str, Any]]
    folds: Callable[["Study", Cohort], Split] = grouped_folds
    rules: Sequence[Rule] = ()
    verbs: Sequence[str] = ()

    def section(self, name: str, model: type[Section]) -> Section:
        """Read and check a section of the study's settings."""
        return read_section(name, model, self.layout.settings)

    @property
    def experiment(self) -> str:
        """Name of its MLflow experiment."""
        return self.section("tracking", TrackingParams).study

    def of(self, digest: str) -> dict[str, str]:
        """Say what a result is of: the data set of a digest, and the split."""
        return {"data": digest, "split": sha256_file(self.layout.split)}

    def job(self, verb: str) -> Callable[["Study"], None]:
        """Find what does a verb, of its own or of all studies."""
        for package in (*self.verbs, "tmdscope.jobs"):
            if verb.isidentifier() and find_spec(f"{package}.{verb}"):
                job: Callable[[Study], None] = import_module(f"{package}.{verb}").run
                return job
        raise UserError(f"no stage of study {self.name} is called {verb!r}")
