"""A study: what it is made of, declared once; the verbs in this room do the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from tmdscope.errors import UserError
from tmdscope.files import broken, sha256_file
from tmdscope.layout import Layout
from tmdscope.materials import nearest
from tmdscope.params.common import TrackingParams
from tmdscope.params.reading import Params, read_section
from tmdscope.params.rules import Rule

if TYPE_CHECKING:
    from tmdscope.dataset.splits import Split
    from tmdscope.scores.cohort import Cohort

Section = TypeVar("Section", bound=Params)

_RUN = "\ndef run("
"""Where a module defines a verb."""


class Written(Protocol):
    """A report: its numbers, and the page that a person opens."""

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers that DVC compares."""

    def page(self) -> Any:
        """Write the page."""


@dataclass(frozen=True)
class Later:
    """A function of some module, which is imported when it is called: other verbs do not depend on it."""

    module: str
    name: str

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return getattr(import_module(self.module), self.name)(*arguments)


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes
    ----------
    task : mapping
        What is predicted, as `tmdscope.scores.task.read_task` reads it.
    sections : callable, optional
        Gives the report on what the verbs have left; that of a table of features is known.
    methods : callable, optional
        Names what is cross-validated, see `tmdscope.models.tabular.Method`; else section `methods` does.
    folds : callable, optional
        Cuts the cohort; else stratified folds that share no sample.
    audited : sequence of str
        Methods that run in another order of folds for the audit; else all.
    """

    name: str
    params: Mapping[str, type[Params]]  # every section of its settings, and its model
    layout: Layout
    source: Path  # what the cohort is read from
    cohort: Callable[["Study"], "Cohort"]
    task: Mapping[str, Any]
    sections: Callable[["Study"], Written] | None = None
    methods: Callable[["Study", "Cohort"], Mapping[str, Any]] | None = None
    folds: Callable[["Study", "Cohort"], "Split"] | None = None
    audited: Sequence[str] = ()
    rules: Sequence[Rule] = ()  # what sections say against one another
    verbs: Sequence[str] = ()  # packages whose modules are verbs of its own, ``run(study)`` each

    def at(self, settings: Path) -> Self:
        """Give the study in the project that other settings are in, where its own are in this one."""
        *folders, _ = self.layout.settings.parts  # none, or pipelines and its name
        root = settings.parent.joinpath(*(".." for _ in folders))
        return replace(self, layout=Layout("".join(folders[1:]), root, settings))

    def section(self, name: str, model: type[Section]) -> Section:
        """Read and check a section of the study's settings."""
        return read_section(name, model, self.layout.settings)

    @property
    def experiment(self) -> str:
        """Name of its MLflow experiment."""
        tracking = self.section("tracking", self.params["tracking"])
        assert isinstance(tracking, TrackingParams)
        return tracking.study

    def of(self, digest: str) -> dict[str, str]:
        """Say what a result is of: the data set of a digest, and the split."""
        if not self.layout.split.is_file():
            raise broken(self.layout.split, "does not exist")
        return {"data": digest, "split": sha256_file(self.layout.split)}

    def job(self, verb: str) -> Callable[..., None]:
        """Find what does a verb, of its own or of all studies."""
        modules = self._modules()
        if verb not in modules:
            told = nearest(verb, [*modules])
            raise UserError(f"no stage of study {self.name} is called {verb!r}; {told}")
        job: Callable[..., None] = import_module(modules[verb]).run
        return job

    def _modules(self) -> dict[str, str]:
        """Name the module of each verb, of its own packages before those of all: each defines ``run``."""
        found: dict[str, str] = {}
        for package in (*self.verbs, "tmdscope.jobs"):
            for folder in import_module(package).__path__:
                for path in sorted(Path(folder).glob("*.py")):
                    if _RUN in path.read_text(encoding="utf-8"):
                        found.setdefault(path.stem, f"{package}.{path.stem}")
        return found
