"""The report of the study on images: scores, what they are worth, and the TMD paper's beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.record import Attribution, ModelLatent
from tmdscope.audit.record import Audit
from tmdscope.dataset.audit import count_parts, read_split
from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import broken, read_table
from tmdscope.jobs.study import Study
from tmdscope.layout import Layout
from tmdscope.learn.summary import Labels, decoded_confusion, decoded_scores
from tmdscope.models.tabular import sample_id_baseline
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, ModelTrackingParams, ReportParams, SplitParams
from tmdscope.params.reading import read_params
from tmdscope.params.search import SEARCHED, Searched, read_all_experiments, read_searches
from tmdscope.report.answer import answer, held_out_tiles, without_looking
from tmdscope.report.page import Claim, Paragraph, Tiles
from tmdscope.report.part import Report
from tmdscope.report.sections.attribution import Attributions
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.classifiers import Confusion
from tmdscope.report.sections.data import Data
from tmdscope.report.sections.experiments import Decoded, Experiments
from tmdscope.report.sections.gains import QUESTIONS, Gains, find_gains
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, changed_settings, read_runs
from tmdscope.report.sections.sequential import SequencesPart
from tmdscope.report.sections.training import Searches, SearchResult, TrainingPart
from tmdscope.run_record import Registration, SearchRun, StageRuns
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.records import ExperimentScores, Pretraining
from tmdscope.scores.scored import PROBABILITY, RUN, Scored
from tmdscope.scores.task import Task, read_task
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.tmd_materials.paper import (
    PaperTables,
    data_that_differ,
    published_confusion,
    read_figure_4,
    read_published,
)

SHIPPED = Path("profiles/default.yaml")

_SIMULATED = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
_SEQUENCES = "These images are simulated: what is found here is no finding about real scans."
_CONDITIONS = {
    "simulated": "The scans are simulated from the seed in params.yaml: nothing else is needed.",
    "folder": "The images of section `data.folder` must be the same: their SHA-256 is above.",
    "archive": "The first run fetches the published archive and checks its SHA-256.",
}

_SAME = (
    "`make repro` installs the locked environment and runs every stage that is not up to date. At another "
    "number of threads, on another device or with another version of torch the last digits may differ, and "
    "with them single predictions."
)


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    layout, data = study.layout, study.section("data", DataParams)
    dataset = Dataset.load(layout.prepared)
    left = _Left(layout, read_task(study.task), data, dataset, study.of(dataset.digest))
    task, classes, what = left.task, data.classes, left.what
    simulated = data.source == "simulated"
    split, note = read_split(layout.split, dataset.digest, dataset.manifest), _SIMULATED if simulated else ""
    searches = {name: left.search(name) for name in read_searches(layout.settings)}
    images = left.images(split, note, study.section("report", ReportParams).images_per_class)
    experiments = left.compared(split)
    audit = AuditPart(Audit.read(layout.audit, task, left.of))
    folder = layout.sequential
    found = SequenceRecord.read(folder / "sequential.json", folder / "latent.csv", left.of, task.primary)
    noted = _SEQUENCES if simulated else ""
    sequences = SequencesPart(found, task.primary, classes, read_figure_4(), noted)
    latent, attribution = left.latent(), left.attribution()
    histories = {name: read_table(path) for name, path in left.histories.items()}
    pretrained = Pretraining.read(layout.pretraining)
    if pretrained.images:
        pretrained = Pretraining.read(layout.pretraining, files=[layout.pretrained])
    runs = [*left.runs(searches), Run.of(audit.found.origin, "audit", audit.found.run_id or "")]
    if found:
        runs += read_runs(StageRuns.read(folder / RUN, left.of))
    name = study.section("tracking", ModelTrackingParams).study
    about = (
        f"Data set SHA-256 {dataset.digest}. Runs are in MLflow experiment {name} and those below it; "
        f"versions are of registered model {left.registered.model}; `make ui` opens both."
    )
    changed = changed_settings(read_study_settings(layout.settings), read_study_settings(SHIPPED))
    return Report(
        title=f"{name}: which material is this scan?",
        lead=f"{what} in {len(classes)} classes, {len(left.scores)} experiments, every number with the "
        "images it was measured on.",
        note=note,
        answer=left.answer(experiments.baseline),
        shown=[left.pictures()],
        parts=[
            *(images, audit, experiments, *left.gains(study.section("scoring", ScoringParams))),
            Searches(task.primary, searches, left.experiments, left.scores, what),
            TrainingPart(task.primary, histories, pretrained.images, pretrained.r_squared),
            left.comparison(study.section("split", SplitParams)),
            *(left.confusion(), sequences, latent, attribution),
            Provenance(runs, about),
            Reproduction(runs, "make repro", f"{_CONDITIONS[data.source]} {_SAME}", changed),
        ],
    )


@dataclass(frozen=True)
class _Left:
    """What the stages left, read as the parts ask for it; what is damaged or of other data is refused."""

    layout: Layout
    task: Task
    data: DataParams
    dataset: Dataset
    of: Mapping[str, str]

    @cached_property
    def labels(self) -> Labels:
        return self.dataset.labels(self.data.classes)

    @property
    def what(self) -> str:
        """The data set in a few words, for captions."""
        samples = self.dataset.manifest["sample_id"]
        kind = "simulated images" if self.data.source == "simulated" else "images"
        return f"{len(samples)} {kind} of {samples.nunique()} samples"

    @cached_property
    def experiments(self) -> dict[str, ExperimentParams]:
        return read_all_experiments(self.layout.searches, self.layout.settings)

    @property
    def histories(self) -> dict[str, Path]:
        return {name: self.layout.experiment_plots / name / "history.csv" for name in self.experiments}

    @cached_property
    def scored(self) -> dict[str, Scored]:
        folder = self.layout.experiments
        return {name: Scored.read(folder / name, self.of, [path]) for name, path in self.histories.items()}

    @property
    def scores(self) -> dict[str, ExperimentScores]:
        return {name: found.scores for name, found in self.scored.items()}

    @property
    def multilabel(self) -> list[str]:
        return [name for name, entry in self.experiments.items() if entry.target == "multilabel"]

    @cached_property
    def decoded(self) -> dict[str, Decoded]:
        """Experiment to its scores by the paper's decoding, part by part."""
        given = self.labels, self.data.classes, self.task
        found = {name: decoded_scores(one.predictions, *given) for name, one in self.scored.items()}
        return {
            name: {part: {key: MeanStd(**of) for key, of in own.items()} for part, own in parts.items()}
            for name, parts in found.items()
        }

    @cached_property
    def registered(self) -> Registration:
        """``registered.json``; refused where it is of other experiments or runs."""
        registered = Registration.read(self.layout.registered, self.of)
        listed = {name: entry.run_id for name, entry in registered.versions.items()}
        if listed != {name: found.run.run_id for name, found in self.scored.items()}:
            problem = f"is of other experiments or runs than {self.layout.experiments} holds"
            raise broken(self.layout.registered, problem)
        return registered

    @property
    def best(self) -> str:
        return self.registered.best

    def runs(self, searches: Iterable[str]) -> list[Run]:
        """Read the runs of experiments, with their registered versions, then of searches."""
        experiments = [
            Run.of(self.scored[name].run, name, entry.run_id, str(entry.version))
            for name, entry in self.registered.versions.items()
        ]
        folder = self.layout.searches
        found = {name: SearchRun.read(folder / name / RUN, self.of) for name in searches}
        return experiments + [Run.of(run, f"search of {name}", run.run_id) for name, run in found.items()]

    def search(self, name: str) -> SearchResult:
        """Read what a search left."""
        folder = self.layout.searches / name
        trials = folder / "trials.csv"
        return SearchResult(Searched.read(folder / SEARCHED, self.of, [trials]), read_table(trials))

    def images(self, split: Split, note: str, shown: int) -> Data:
        """Show some images of each class, and how many each part of the split has."""
        counts = read_table(self.layout.split_counts, ["label"]).set_index("label")
        if not counts.equals(count_parts(self.dataset.manifest, split)):
            raise broken(self.layout.split_counts, f"is not of {self.layout.split}")
        return Data(
            dataset=self.dataset,
            classes=self.data.classes,
            counts=counts,
            test=self.scores[self.best].ensemble_test.all,
            what=self.what,
            simulated=self.data.source == "simulated",
            note=note,
            shown=shown,
        )

    def answer(self, baseline: Mapping[str, MeanStd] | None) -> Claim:
        """Say how often the best experiment names the right material, and what naming without images does."""
        found, metric = self.scores[self.best].ensemble_test.all, self.task.told
        beside = {self.task.unseen: without_looking(self.task, self.labels, self._held_out_labels)}
        if baseline is not None:
            beside["going by the sample's number"] = baseline[f"test_{metric.name}"].mean
        return answer(self.task, found, beside, "this model", "material", "images")

    @cached_property
    def _test(self) -> pd.DataFrame:
        """The folds' mean probabilities of held-out images, by id, in the order of the data set."""
        table = self.scored[self.best].predictions
        test = table[table["part"] == "test"].groupby("image_id", sort=False)
        return test[[f"{PROBABILITY}{name}" for name in self.data.classes]].mean()

    @property
    def _held_out_labels(self) -> Labels:
        return self.labels[np.isin(self.dataset.image_ids, self._test.index)]

    def pictures(self) -> Tiles:
        """Show a held-out image of each class beside what the best experiment says of it."""
        said = self._test
        manifest = self.dataset.manifest
        first = manifest[manifest["image_id"].isin(said.index)].drop_duplicates("label")
        row_of = dict(zip(first["label"], first.index, strict=True))
        shown = [name for name in self.data.classes if name in row_of]
        rows = {name: said.loc[manifest["image_id"][row_of[name]]] for name in shown}
        return held_out_tiles(
            {name: np.array(self.dataset.images[row_of[name]]) for name in shown},
            {name: (str(row.idxmax()).removeprefix(PROBABILITY), row.max()) for name, row in rows.items()},
            "The first held-out image of each class, not picked, and what the model says.",
        )

    def compared(self, split: Split) -> Experiments:
        """Compare the experiments, with one another and with what a sample's number says."""
        samples, ids = self.dataset.manifest["sample_id"].to_numpy(), self.dataset.image_ids
        baseline = sample_id_baseline(samples, self.labels, split.rows(ids))
        return Experiments(
            task=self.task,
            scores=self.scores,
            best=self.best,
            classes=self.data.classes,
            decoded={name: self.decoded[name] for name in self.multilabel},
            baseline=None if baseline is None else {name: MeanStd(**own) for name, own in baseline.items()},
            what=self.what,
        )

    def gains(self, scoring: ScoringParams) -> list[Gains]:
        """Ask pairs of experiments what pre-training, fine-tuning and the target are worth."""
        predictions = {name: found.predictions for name, found in self.scored.items()}
        of = self.experiments, predictions, self.data.classes, scoring
        return [Gains(asked, find_gains(asked, *of), self.task, self.what) for asked in QUESTIONS]

    def comparison(self, split: SplitParams) -> PaperTables:
        """Set the paper's tables beside."""
        published = read_published()
        other = data_that_differ(published.data, self.data, split, self.dataset)
        return PaperTables(self.task, published, self.experiments, self.decoded, list(other))

    def confusion(self) -> Confusion:
        """Count which class is taken for which, as most probable and by the paper's decoding."""
        best, classes, scores = self.best, self.data.classes, self.scores
        test = scores[best].ensemble_test.all.images
        decoded = {
            name: decoded_confusion(found.predictions, self.labels, classes)
            for name, found in self.scored.items()
        }
        matrices = {name: np.array(score.test_confusion) for name, score in scores.items()}
        matrices |= {f"{name}, exact match": decoded[name][0] for name in self.multilabel}
        invalid = "; ".join(f"{name}: {decoded[name][1]:.1f} of {test} per fold" for name in self.multilabel)
        words = "Multilabel outputs that match no material exactly are in no column and in no share: "
        of_decoding = {name: counts for name, (counts, _) in decoded.items()}
        return Confusion(
            matrices=matrices,
            classes=classes,
            about=f"Mean counts over folds on the held-out test ({test} images), rows true, and their share "
            "of the row. Columns are the most probable class, or the exact match where the title says so.",
            best=best,
            about_best=f"{best}: mean counts over folds on the held-out test ({test} images), the most "
            "probable class",
            remarks=[Paragraph(f"{words}{invalid}.")] if invalid else [],
            beside=[published_confusion(read_published(), self.experiments, of_decoding, classes)],
        )

    def latent(self) -> LatentSpace:
        """Relate the embedding to descriptors."""
        layout = self.layout
        found = ModelLatent.read(layout.latent, self.of, [layout.latent_plot, layout.latent_table])
        model, before = found.model, found.before
        side = "after" if model.after_relu else "before"
        return LatentSpace(
            found=found,
            points=read_table(layout.latent_plot),
            table=read_table(layout.latent_table),
            descriptors=read_descriptors(layout.descriptors, self.dataset.manifest),
            images=self.dataset.images,
            classes=self.data.classes,
            embedding=f"version {model.version} of {model.name} (alias {model.alias}, experiment "
            f"{model.experiment}, fold {model.fold}), the 100 values {side} the last ReLU",
            before=f"frozen {before.architecture}, weights {before.weights}",
            what=self.what,
        )

    def attribution(self) -> Attributions:
        """Show where the network finds its reasons."""
        folder = self.layout.attribution
        path = folder / "maps.npz"
        found = Attribution.read(folder / "attribution.json", self.of, [path])
        return Attributions(found, read_maps(path), self.dataset, self.what)


def read_study_settings(path: Path) -> dict[str, Any]:
    """Read every setting that a number of the report can depend on, of a ``params.yaml`` or whole profile.

    Without `compute`, which changes no number, and `promotion`, which comes after the report.
    """
    unrelated = ("compute", "promotion")
    return {name: content for name, content in read_params(path).items() if name not in unrelated}


def read_maps(path: Path) -> dict[str, NDArray[Any]]:
    """Read attribution maps from an ``.npz``: ``image_ids``, and method to maps."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, BadZipFile) as error:
        raise broken(path, f"is no archive of arrays ({error})") from error
