"""Stage `sequential`: materials added one after another to heads on the published features (Figure 4)."""

from functools import partial

import torch

from tmdscope.jobs.sequences import Sequences, TrackedOutcome, run_sequential, train_tracked
from tmdscope.jobs.study import Study
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Trainable
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.resume import Resume
from tmdscope.params.common import TrainingParams
from tmdscope.params.sequential import Encoding, HeadSequentialParams
from tmdscope.sequential.run import Setup
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Target


def run(study: Study) -> None:
    """Train every stage and control, and compare."""
    print("\n".join(run_sequential(sequences_of(study), partial(train, study), apart=True)))


def sequences_of(study: Study) -> Sequences:
    """Say what the study's sequences are made of."""
    params = study.section("sequential", HeadSequentialParams)
    deciding = {"split": study.layout.split}
    return Sequences(study, study.cohort(study), params, params.training.epochs, deciding)


def train(study: Study, resume: Resume, encodings: list[Encoding]) -> TrackedOutcome:
    """Train the sequences of some encodings in a process of their own."""
    torch.set_num_threads(1)
    params, sequences = study.section("sequential", HeadSequentialParams), sequences_of(study)
    plan, cohort = sequences.plan(encodings), sequences.cohort
    examples = Examples(torch.tensor(cohort.inputs), torch.tensor(plan.label(cohort.label_names.tolist())))
    width, training = examples.inputs.shape[1], params.training

    settings = fit_settings(training)

    def make(_: Encoding, target: Target) -> Trainable:
        return Trainable(target, examples, lambda: Head(width, target.outputs, training.dropout), settings)

    folds = cohort.rows(cohort.read_split(study.layout.split))
    setup = Setup(make, folds, cohort.sample_ids, heads=True)
    return train_tracked(sequences.tracked(plan, resume), setup)


def fit_settings(params: TrainingParams) -> FitSettings:
    """Say how a stage is trained; every training has a seed of its own.

    Classes are balanced by weighted sampling, as in the authors' code for their networks.
    """
    return FitSettings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        checkpoint=CheckpointRule(params.checkpoint),
        sampling="weighted",
        seed=0,
    )
