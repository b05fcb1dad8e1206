"""The report of the study on images: scores, what they are worth, and the TMD paper's beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tmdscope.analysis.record import Attribution, ModelLatent
from tmdscope.audit.record import Audit
from tmdscope.dataset.audit import audit_split, read_split
from tmdscope.dataset.splits import Split
from tmdscope.dataset.store import Dataset, read_descriptors
from tmdscope.files import broken, read_table
from tmdscope.jobs.study import Study
from tmdscope.learn.summary import Labels, decoded_confusion, decoded_scores
from tmdscope.models.baseline import sample_id_baseline
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, ModelTrackingParams, ReportParams, SplitParams
from tmdscope.params.reading import read_params
from tmdscope.params.search import SEARCHED, Searched, read_all_experiments, read_searches
from tmdscope.record import read_record
from tmdscope.report.page import Paragraph
from tmdscope.report.part import Report
from tmdscope.report.sections.attribution import Attributions
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.confusion import Confusion
from tmdscope.report.sections.data import Data
from tmdscope.report.sections.experiments import Decoded, Experiments
from tmdscope.report.sections.gains import PRETRAINING, TARGETS, Gains, find_gains
from tmdscope.report.sections.latent import LatentSpace
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, changed_settings, read_runs
from tmdscope.report.sections.searches import Searches, SearchResult
from tmdscope.report.sections.sequential import Sequences
from tmdscope.report.sections.training import Training
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.scored import Scored
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.tmd_materials.comparison import Comparison, published_confusion
from tmdscope.studies.tmd_materials.paper import data_that_differ, read_figure_4, read_published

SHIPPED = Path("profiles/default.yaml")

_SIMULATED = "The scans are simulated. Scores say how the method behaves, nothing about real materials."
_SEQUENCES = "These images are simulated: what is found here is no finding about real scans."
_CONDITIONS = {
    "simulated": "The scans are simulated from the seed in params.yaml: nothing else is needed.",
    "folder": "The images of section `data.folder` must be the same: their SHA-256 is above.",
    "archive": "The first run fetches the published archive and checks its SHA-256.",
}


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    left, task = _Left(study), study.task
    data, classes, what = left.images(), left.data.classes, left.what
    scores = {name: found.scores for name, found in left.scored.items()}
    searches = {name: left.search(name) for name in read_searches(study.layout.settings)}
    experiments, confusion = left.scores(scores), left.confusion(scores)
    audit = AuditPart(Audit.read(study.layout.audit, task, left.of))
    noted = _SEQUENCES if left.simulated else ""
    sequences = Sequences(left.sequences, task.primary, classes, read_figure_4(), noted)
    latent, attribution = left.latent(), left.attribution()
    histories = {name: read_table(path) for name, path in left.histories.items()}
    pretrained = read_record(
        study.layout.pretrained.with_name("pretrain.json"), files=[study.layout.pretrained]
    )
    runs = [*left.runs(searches), Run.of(vars(audit.found), "audit")]
    if left.sequences:
        runs += read_runs(read_record(study.layout.sequential / "run.json", left.of))
    about = (
        f"Data set SHA-256 {left.dataset.digest}. Runs are in MLflow experiment {left.tracking.study}; "
        f"versions are of registered model {left.registered['model']}; `make ui` opens both."
    )
    conditions = (
        f"{_CONDITIONS[left.data.source]} `make repro` installs the locked environment and runs every stage "
        "that is not up to date. At another number of threads, on another device or with another version of "
        "torch the last digits may differ, and with them single predictions."
    )
    changed = changed_settings(read_study_settings(study.layout.settings), read_study_settings(SHIPPED))
    return Report(
        title=f"{left.tracking.study}: which material is this scan?",
        lead=f"{what} in {len(classes)} classes, {len(scores)} experiments, every number with the images it "
        "was measured on.",
        note=left.note,
        parts=[
            *(data, audit, experiments),
            Searches(task.primary, searches, left.experiments, scores, what),
            Training(task.primary, histories, pretrained["images"], pretrained["r_squared"]),
            left.comparison(),
            *(confusion, sequences, latent, attribution),
            Provenance(runs, about),
            Reproduction(runs, "make repro", conditions, changed),
        ],
        said=[data, experiments, audit, sequences, latent, attribution],
    )


@dataclass(frozen=True)
class _Left:
    """What the stages left, read as parts of the report ask for it; damaged or of other data is refused."""

    study: Study

    @cached_property
    def data(self) -> DataParams:
        return self.study.section("data", DataParams)

    @cached_property
    def tracking(self) -> ModelTrackingParams:
        return self.study.section("tracking", ModelTrackingParams)

    @property
    def simulated(self) -> bool:
        return self.data.source == "simulated"

    @property
    def note(self) -> str:
        return _SIMULATED if self.simulated else ""

    @cached_property
    def dataset(self) -> Dataset:
        return Dataset.load(self.study.layout.prepared)

    @cached_property
    def of(self) -> dict[str, str]:
        return self.study.of(self.dataset.digest)

    @cached_property
    def split(self) -> Split:
        return read_split(self.study.layout.split, self.dataset.manifest)

    @cached_property
    def labels(self) -> Labels:
        return self.dataset.labels(self.data.classes)

    @property
    def what(self) -> str:
        """The data set in a few words, for captions."""
        samples = self.dataset.manifest["sample_id"]
        kind = "simulated images" if self.simulated else "images"
        return f"{len(samples)} {kind} of {samples.nunique()} samples"

    @cached_property
    def experiments(self) -> dict[str, ExperimentParams]:
        return read_all_experiments(self.study.layout.searches, self.study.layout.settings)

    @property
    def histories(self) -> dict[str, Path]:
        return {name: self.study.layout.experiment_plots / name / "history.csv" for name in self.experiments}

    @cached_property
    def scored(self) -> dict[str, Scored]:
        folder = self.study.layout.experiments
        return {name: Scored.read(folder / name, self.of, [path]) for name, path in self.histories.items()}

    @property
    def multilabel(self) -> list[str]:
        return [name for name, entry in self.experiments.items() if entry.target == "multilabel"]

    @cached_property
    def decoded(self) -> dict[str, Decoded]:
        """Experiment to its scores by the paper's decoding, part by part."""
        given = self.labels, self.data.classes, self.study.task
        found = {name: decoded_scores(one.predictions, *given) for name, one in self.scored.items()}
        return {
            name: {part: {key: MeanStd(**of) for key, of in own.items()} for part, own in parts.items()}
            for name, parts in found.items()
        }

    @cached_property
    def registered(self) -> dict[str, Any]:
        """``registered.json``; refused where it is of other experiments or runs."""
        path = self.study.layout.registered
        registered = read_record(path, self.of)
        listed = {name: entry["run_id"] for name, entry in registered["versions"].items()}
        if listed != {name: found.run["run_id"] for name, found in self.scored.items()}:
            raise broken(path, f"is of other experiments or runs than {self.study.layout.experiments} holds")
        return registered

    @cached_property
    def sequences(self) -> SequenceRecord | None:
        folder = self.study.layout.sequential
        places = folder / "sequential.json", folder / "latent.csv"
        return SequenceRecord.read(*places, self.of, self.study.task.primary)

    def runs(self, searches: Iterable[str]) -> list[Run]:
        """Read the runs of experiments, with their registered versions, then of searches."""
        experiments = [
            Run.of(self.scored[name].run, name, version=str(entry["version"]))
            for name, entry in self.registered["versions"].items()
        ]
        folder = self.study.layout.searches
        records = {name: read_record(folder / name / "run.json", self.of) for name in searches}
        return experiments + [Run.of(record, f"search of {name}") for name, record in records.items()]

    def search(self, name: str) -> SearchResult:
        """Read what a search left."""
        folder = self.study.layout.searches / name
        trials = folder / "trials.csv"
        return SearchResult(Searched.read(folder / SEARCHED, self.of, [trials]), read_table(trials))

    def images(self) -> Data:
        """Show the images, and how many of each class each part of the split has."""
        path = self.study.layout.split_counts
        counts = read_table(path, ["material"]).set_index("material")
        if not counts.equals(audit_split(self.dataset.manifest, self.split).counts):
            raise broken(path, f"is not of {self.study.layout.split}")
        return Data(
            dataset=self.dataset,
            classes=self.data.classes,
            counts=counts,
            test=self.scored[self.registered["best"]].scores.ensemble_test.all,
            what=self.what,
            simulated=self.simulated,
            note=self.note,
            shown=self.study.section("report", ReportParams).images_per_class,
        )

    def scores(self, scores: Mapping[str, ExperimentScores]) -> Experiments:
        """Compare the experiments, with one another and with what a sample's number says."""
        samples, task = self.dataset.manifest["sample_id"].to_numpy(), self.study.task
        baseline = sample_id_baseline(samples, self.labels, self.split.rows(self.dataset.image_ids))
        scoring = self.study.section("scoring", ScoringParams)
        predictions = {name: found.predictions for name, found in self.scored.items()}
        return Experiments(
            task=task,
            scores=scores,
            best=self.registered["best"],
            classes=self.data.classes,
            decoded={name: self.decoded[name] for name in self.multilabel},
            baseline=None if baseline is None else {name: MeanStd(**of) for name, of in baseline.items()},
            gains=[
                Gains(
                    asked, find_gains(asked, self.experiments, predictions, self.data.classes, scoring), task
                )
                for asked in (PRETRAINING, TARGETS)
            ],
            what=self.what,
        )

    def comparison(self) -> Comparison:
        """Set the paper's tables beside."""
        published, split = read_published(), self.study.section("split", SplitParams)
        other = data_that_differ(published.data, self.data, split, self.dataset)
        return Comparison(self.study.task, published, self.experiments, self.decoded, list(other))

    def confusion(self, scores: Mapping[str, ExperimentScores]) -> Confusion:
        """Count which class is taken for which, as most probable and by the paper's decoding."""
        best, classes = self.registered["best"], self.data.classes
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
        layout = self.study.layout
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
        folder = self.study.layout.attribution
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
