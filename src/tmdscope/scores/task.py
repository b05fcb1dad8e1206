"""What is predicted, and the numbers by which a prediction is judged.

Nothing outside this room names a metric: it asks the study's `Task`. Every metric is a function of statistics
that add up over images, so that one set of counts by sample serves scores, intervals and paired differences.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.scores import classes, detections, quantities

Values = NDArray[np.float64]
Details = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], Sequence[str]], dict[str, float]]


@dataclass(frozen=True)
class Metric:
    """One number by which predictions are judged.

    `name` is of records, tags and runs, `title` of text; `words` tell a reader what a model does, of
    ``{what}``, with a ``{value}``. `of` turns added-up statistics, shape (..., *shape),
    into values, shape (...), NaN where it is not defined; they lie between `lowest` and `highest`. `unit` is
    empty for pure numbers, `form` the format of values in text; `percent` is a share of images, in hundredths
    in reports.
    """

    name: str
    title: str
    of: Callable[[NDArray[Any]], Values]
    higher_is_better: bool = True
    unit: str = ""
    form: str = ".3f"
    lowest: float = 0.0
    highest: float = 1.0
    percent: bool = False
    words: str = ""

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Where a search goes: ``maximize`` or ``minimize``."""
        return "maximize" if self.higher_is_better else "minimize"

    def gain(self, value: float, other: float) -> float:
        """Give by how much a value is better than another; below 0 where it is worse."""
        return value - other if self.higher_is_better else other - value

    def tell(self, value: float | None, sign: bool = False) -> str:
        """Write a value with its unit, ``-`` where there is none."""
        if value is None or not np.isfinite(value):
            return "-"
        return f"{value:{'+' if sign else ''}{self.form}}" + (f" {self.unit}" if self.unit else "")

    def write(self, value: float) -> str:
        """Write a value for a tag: no unit, and a digit more than text has."""
        return f"{value:.{int(self.form[1:-1]) + 1}{self.form[-1]}}"


@dataclass(frozen=True)
class Task:
    """What is predicted of every image.

    Attributes
    ----------
    metrics : tuple of Metric
        Reported with intervals: the first is the plainest, the last decides (what is chosen, kept, passed).
    count : callable
        From targets (N,), predictions (models, N, ...) and sample ids (N,) to statistics added up by sample,
        shape (models, samples, *shape), samples in order of their ids. `ValueError` for what does not match.
    extremes : callable
        From statistics by sample, shape (samples, *shape), to what one more sample would hold at worst and at
        best, shape (2, *shape), as many images as samples have on average.
    naive : callable
        From targets, shape (N,), to the one prediction that is best without looking at an image; `unseen`
        says which that is.
    details : callable, optional
        From targets, predictions, what the model's decoder gives, and names of the classes to what is
        reported of a part without intervals; ``key.CLASS`` is of a class. Tables show `also`, and `by_class`
        of a class.
    axes : int
        Of one model's predictions.
    each : callable, optional
        A fast `score_each`.
    made_of : dict
        What a maker in `TASKS` made it of, JSON-like.
    """

    name: str
    metrics: tuple[Metric, ...]
    count: Callable[[ArrayLike, NDArray[Any], ArrayLike], NDArray[Any]]
    extremes: Callable[[NDArray[Any]], Values]
    naive: Callable[[NDArray[Any]], Any]
    unseen: str
    details: Details = lambda *_: {}
    also: tuple[Metric, ...] = ()
    by_class: tuple[Metric, ...] = ()
    axes: int = 1
    each: Callable[[NDArray[Any], NDArray[Any], NDArray[np.bool_]], Values] | None = None
    made_of: Mapping[str, Any] = field(default_factory=dict)
    stratum: str = "class"
    method: str = "classifier"

    def record(self) -> dict[str, Any]:
        """Write what it is, JSON-like, as `read_task` reads it: ``name`` and `made_of`."""
        return {"name": self.name, **self.made_of}

    @property
    def plain(self) -> Metric:
        """What is said first."""
        return self.metrics[0]

    @property
    def told(self) -> Metric:
        """What a reader understands at once: the first that has words, else what decides."""
        return next((metric for metric in self.metrics if metric.words), self.primary)

    @property
    def primary(self) -> Metric:
        """What decides."""
        return self.metrics[-1]

    def metric(self, name: str) -> Metric:
        """Find a metric; `KeyError` where there is none of that name."""
        return {metric.name: metric for metric in self.metrics}[name]

    def counts(self, targets: ArrayLike, predicted: ArrayLike, sample_ids: ArrayLike) -> NDArray[Any]:
        """Add up statistics by sample, (samples, *shape), as means over models where there are several."""
        counted = self.count(targets, self._models(targets, predicted), sample_ids)
        return np.asarray(counted[0] if len(counted) == 1 else counted.mean(axis=0))

    def paired_counts(
        self, targets: ArrayLike, first: ArrayLike, second: ArrayLike, sample_ids: ArrayLike
    ) -> NDArray[Any]:
        """Add up the statistics of two predictions, or of two sets of models: (samples, 2, *shape)."""
        sides = [self._models(targets, predicted) for predicted in (first, second)]
        counted = self.count(targets, np.concatenate(sides), sample_ids)
        return np.stack([part.mean(axis=0) for part in np.split(counted, [len(sides[0])])], axis=1)

    def scores(self, targets: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
        """Score one model's predictions by every metric."""
        (held,) = self.counts(targets, predicted, np.zeros(np.shape(targets), dtype=np.int64))
        return {metric.name: float(metric.of(held)) for metric in self.metrics}

    def says(self, counts: NDArray[Any]) -> Values:
        """Score samples alone, to tell which say the same: (samples, ..., *shape) to (samples, ...).

        By the first metric that is defined on every one of them: the plain one may not be, as where the
        targets of a sample do not vary.
        """
        values = self.values(counts)
        defined = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        return np.asarray(values[defined.argmax()])

    def score(self, targets: ArrayLike, predicted: ArrayLike) -> float:
        """Score one model's predictions by the primary metric."""
        return self.scores(targets, predicted)[self.primary.name]

    def score_each(
        self, targets: NDArray[Any], predicted: NDArray[Any], counted: NDArray[np.bool_]
    ) -> Values:
        """Score many models by the primary metric: arrays (models, images), of which the `counted` count."""
        if self.each is not None:
            return self.each(targets, predicted, counted)
        rows = zip(targets, predicted, counted, strict=True)
        return np.array([self.score(true[mask], said[mask]) for true, said, mask in rows])

    def values(self, counts: NDArray[Any]) -> Values:
        """Compute `metrics` from added-up statistics: (..., *shape) to (metrics, ...)."""
        return np.stack([metric.of(counts) for metric in self.metrics])

    def _models(self, targets: ArrayLike, predicted: ArrayLike) -> NDArray[Any]:
        values = np.asarray(predicted)
        models = values[np.newaxis] if values.ndim == self.axes else values
        if models.ndim != self.axes + 1 or models.shape[1] != np.size(targets):
            raise ValueError(f"predictions {values.shape} and targets {np.shape(targets)} do not match")
        return models


ACCURACY = Metric(
    *("accuracy", "accuracy", classes.accuracy),
    percent=True,
    words="names the right {what} on {value} of 100 unseen {rows}",
)
BALANCED_ACCURACY = Metric("balanced_accuracy", "balanced accuracy", classes.balanced_accuracy, percent=True)
MACRO_F1 = Metric("macro_f1", "macro F1", classes.macro_f1)
RECALL = Metric("recall", "recall", classes.recall_per_class, percent=True)

CLASSES = Task(
    name="classes",
    metrics=(ACCURACY, MACRO_F1),
    details=classes.details,
    also=(Metric("weighted_f1", "weighted F1", classes.weighted_f1),),
    by_class=(RECALL,),
    count=classes.count,
    extremes=classes.extremes,
    naive=classes.most_frequent,
    unseen="always naming the commonest",
    each=classes.macro_f1_of_each,
)
"""One class of several, by whatever target: nominal, by atoms (multilabel)."""

ORDERED_CLASSES = replace(
    CLASSES,
    name="ordered-classes",
    metrics=(
        ACCURACY,
        BALANCED_ACCURACY,
        Metric("level_error", "mean error in levels", classes.level_error, False, highest=np.inf),
        MACRO_F1,
    ),
)
"""One class of several that have an order."""


def quantity(unit: str, levels: Sequence[float] = (), form: str = ".3g") -> Task:
    """Make the task of predicting a number.

    Where targets take few values, `levels`, rising, a prediction is right where the nearest is the target's.
    """
    near = "comes nearest to the true level of {what} on {value} of 100 unseen {rows}"
    off = "is within {value} of the true {what} on average, on unseen {rows}"
    binned = Metric(
        *("binned_accuracy", "accuracy in bins", quantities.binned_accuracy), percent=True, words=near
    )
    return Task(
        name="quantity",
        metrics=(
            *([binned] if len(levels) else []),
            Metric("r2", "R2", quantities.r2, lowest=-np.inf),
            Metric("rmse", "RMSE", quantities.rmse, False, unit, form, highest=np.inf),
            Metric("mae", "MAE", quantities.mae, False, unit, form, highest=np.inf, words=off),
        ),
        count=quantities.counter(levels),
        extremes=quantities.extremes,
        naive=quantities.median,
        stratum="range",
        method="method",
        unseen="always saying the median",
        made_of={"unit": unit, "levels": list(levels), "form": form},
    )


DETECTIONS = Task(
    name="detections",
    metrics=(
        Metric("precision", "precision", detections.precision, percent=True),
        Metric(
            *("recall", "recall", detections.recall),
            percent=True,
            words="finds {value} of 100 {what} in unseen {rows}",
        ),
        Metric(
            "false_alarms", "false alarms", detections.false_alarms, False, "a frame", ".2f", highest=np.inf
        ),
        Metric("f1", "F1", detections.f1),
    ),
    count=detections.count,
    extremes=detections.extremes,
    naive=detections.nothing,
    unseen="finding nothing",
    axes=2,
)
"""Objects in frames: targets are true objects a frame, predictions hits and false alarms a frame, (N, 2)."""


TASKS: Mapping[str, Callable[..., Task]] = {
    **{task.name: partial(replace, task) for task in (CLASSES, ORDERED_CLASSES, DETECTIONS)},
    "quantity": quantity,
}
"""Makers of tasks by name: a registered version says which, and of what, and its task is made anew."""


def read_task(record: Mapping[str, Any]) -> Task:
    """Make the task that `Task.record` wrote; `ValueError` for what is none."""
    try:
        return TASKS[record["name"]](**{key: value for key, value in record.items() if key != "name"})
    except (KeyError, TypeError, AttributeError) as error:
        told = f"{json.dumps(record)[:100]} is no task that this version knows: {', '.join(TASKS)}"
        raise ValueError(told) from error
