"""What the comparison does in processes of its own: an outer fold of a framing, or some permutations."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.dataset.splits import outer_folds
from tmdscope.files import read_json, write_json
from tmdscope.learn.crossval import fold_seed
from tmdscope.models.registry import fit_family
from tmdscope.models.scales import Labels
from tmdscope.params.families import AnyFamily, FramedSearchParams, Framing
from tmdscope.search.framed import Chosen, FramedSearch, Rows, Said, Scale


class Part(Protocol):
    """A part of the work, which can be sent to another process."""

    def run(self) -> Any:
        """Do it."""


@dataclass(frozen=True)
class OuterFold:
    """Searches of some models in a framing on the rows seen, each of which predicts the others.

    What is done is kept in `folder`, so that a comparison that was killed goes on.
    """

    scheme: str
    framing: Framing
    number: int
    rows: Rows
    others: NDArray[Any]
    unseen: Labels
    models: Mapping[str, FramedSearchParams]
    scale: Scale
    inner_folds: int
    seed: int
    folder: Path

    def run(self) -> dict[str, tuple[Chosen, Said]]:
        """Search with every model."""
        torch.set_num_threads(1)
        return {name: self._of(name, params) for name, params in self.models.items()}

    def _of(self, name: str, params: FramedSearchParams) -> tuple[Chosen, Said]:
        path = self.folder / f"{self.scheme}-{self.framing}-{name}-{self.number}.json"
        if path.is_file():
            return _read(path)
        seed = fold_seed(self.seed + params.seed, self.number)
        search = FramedSearch(params, self.framing, self.scale, self.inner_folds, seed % 2**32)
        found = search.predict_unseen(self.rows, self.others)
        write_json(path, {"chosen": asdict(found[0]), "said": asdict(found[1])})
        return found


@dataclass(frozen=True)
class Permutations:
    """A fixed method on temperatures that are permuted among groups; permutation 0 leaves them alone."""

    rows: Rows
    groups: Labels
    method: AnyFamily
    scale: Scale
    outer_folds: int
    numbers: Sequence[int]
    seed: int

    def run(self) -> list[dict[str, float]]:
        """Score each permutation, pooled over outer folds."""
        return [self._score(number) for number in self.numbers]

    def _score(self, number: int) -> dict[str, float]:
        rows, first = self.rows, np.unique(self.groups, return_index=True)[1]
        if number:
            order = np.random.default_rng([self.seed, number]).permutation(len(first))
            rows = replace(rows, labels=rows.labels[first][order][self.groups])
        predicted, features = np.empty_like(rows.labels), rows.features.astype(np.float64)
        for seen, unseen in outer_folds(rows.labels, rows.sample_ids.tolist(), self.outer_folds):
            fitted = fit_family(self.method, features[seen], rows.labels[seen], self.scale.classes)
            predicted[unseen] = fitted.predict(features[unseen])
        return self.scale.by_class.scores(rows.labels, predicted)


def run_part(part: Part) -> Any:
    """Do a part of the work; one thread, since every core has a process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    return part.run()


def _read(path: Path) -> tuple[Chosen, Said]:
    stored = read_json(path)
    said: dict[str, Any] = {
        key: None if value is None else np.asarray(value) for key, value in stored["said"].items()
    }
    return Chosen(**stored["chosen"]), Said(**said)
