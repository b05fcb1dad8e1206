"""Compiling the dossier of a cross-validated model: reliability, scores, audit, what the data were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import Module

from tmdscope.dataset.audit import SplitAudit, audit_split
from tmdscope.dataset.splits import Fold, FoldParts, Split
from tmdscope.dataset.store import Dataset
from tmdscope.learn.selection import describe_selection, leave_out_each, selection_score
from tmdscope.learn.summary import Labels, predictions_table, summarise
from tmdscope.memory import give_back_freed_memory
from tmdscope.models.tabular import sample_id_baseline
from tmdscope.params.common import ScoringParams
from tmdscope.params.images import PrepareParams
from tmdscope.reliability.reliability import assess, fit_reliability, measure
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.facts import DataFacts, Facts, SplitFacts
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.task import read_task
from tmdscope.tracking.crossval import Trained
from tmdscope.tracking.models import Program
from tmdscope.tracking.runs import Dossier
from tmdscope.tracking.scale import Scale
from tmdscope.vision.features import embed_inputs

_REFERENCE_IMAGES = 8


@dataclass(frozen=True)
class Compiler:
    """Compiles the dossiers of models trained on one data set.

    `folds` are of the whole study, and the audit is of these; `source` is where the images come from:
    ``simulated``, ``folder`` or the name of an archive's record.
    """

    dataset: Dataset
    folds: Sequence[FoldParts]
    prepare: PrepareParams
    scoring: ScoringParams
    source: str

    def compile(
        self, trained: Trained, settings: Mapping[str, Any], searched: float | None = None
    ) -> Dossier:
        """Compile the dossier of a cross-validated model, ready to be logged.

        `searched` is the selection score of the search that found the settings; without it the trainings' own
        counts, whose epochs alone were chosen.
        """
        audit = self.audit  # before anything large is held beside it
        give_back_freed_memory()
        program, results, folds = trained.program, trained.results, trained.folds
        inputs, labels = trained.experiment.examples.inputs, trained.experiment.examples.labels.cpu().numpy()
        manifest, classes, test = self.dataset.manifest, program.config.classes, folds[0].test
        samples = manifest["sample_id"].to_numpy()
        probabilities = np.stack([result.probabilities for result in results])
        tested: list[NDArray[np.float32]] = []

        def embedded(model: Module) -> NDArray[np.float32]:
            """Embed all images, of which those of the test are kept."""
            seen = embed_inputs(model, inputs)
            tested.append(seen[test])
            return seen

        reliability = fit_reliability(probabilities, map(embedded, trained.models), labels, samples, folds)
        held_out = assess(reliability, probabilities[:, test], tested)
        scoring, scale = self.scoring, Scale.of(manifest.iloc[_rows(folds)], self.dataset.images.shape[1])
        task = read_task(trained.experiment.target.task)
        scores = summarise(results, folds, Cohort.of(task, manifest, labels, classes), scoring)
        histories, rule = [result.fit.history for result in results], trained.experiment.settings.checkpoint
        own = [leave_out_each(histories, rule, task.primary)]
        score = selection_score(own, task.primary) if searched is None else searched
        reference = np.array(self.dataset.images[test[:_REFERENCE_IMAGES]])
        baseline = sample_id_baseline(samples, labels, folds)
        trust = measure(held_out, labels[test], samples[test], scoring.bootstrap, scoring.seed)
        return Dossier(
            Program(program.ensemble, program.config, self.prepare, reliability, reference, scale),
            predictions_table(results, folds, manifest, classes),
            Facts(
                classes=list(classes),
                encoding=program.config.target,
                architecture=program.config.architecture,
                settings=dict(settings),
                data=self._describe_data(labels, folds, classes),
                split=SplitFacts(len(folds), len(test), len(set(samples[test]))),
                audit=audit,
                scores={**scores, "selection": describe_selection(score, scores, task.primary)},
                baseline=None if baseline is None else {key: MeanStd(**of) for key, of in baseline.items()},
                reliability=trust,
                not_trained=list(program.config.not_trained),
                task=task,
            ),
        )

    def _describe_data(self, labels: Labels, folds: Sequence[FoldParts], classes: Sequence[str]) -> DataFacts:
        manifest = self.dataset.manifest
        used = _rows(folds)
        table = manifest.iloc[used].assign(label=[classes[label] for label in labels[used]])
        of_class = table.groupby("label", observed=True)
        return DataFacts(
            source=self.source,
            sha256=self.dataset.digest,
            images=len(table),
            samples=int(table["sample_id"].nunique()),
            images_of_class=of_class.size().reindex(classes, fill_value=0).to_dict(),
            samples_of_class=of_class["sample_id"].nunique().reindex(classes, fill_value=0).to_dict(),
            repeated_images=int(table["duplicate_of"].notna().sum()),
        )

    @cached_property
    def audit(self) -> SplitAudit:
        """What the audit of the split finds."""
        ids = self.dataset.manifest["image_id"].to_numpy()
        split = Split(
            tuple(ids[self.folds[0].test]),
            tuple(Fold(tuple(ids[fold.train]), tuple(ids[fold.val])) for fold in self.folds),
        )
        return audit_split(self.dataset.manifest, split)


def _rows(folds: Sequence[FoldParts]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([part for fold in folds for part in vars(fold).values()]))
