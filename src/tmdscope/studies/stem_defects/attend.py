"""Stage `attend`: how far from a defect the network of windows has its reasons.

Windows are cut smaller, so that the defect is not in the middle, which is where a map without any reason
would point on average.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import tracked_stage
from tmdscope.models.cnn import Cnn
from tmdscope.models.networks import NetworkClassifier
from tmdscope.params.families import CnnFamily
from tmdscope.run_record import StageRuns
from tmdscope.stem.crystal import PRISTINE
from tmdscope.stem.windows import SIZE
from tmdscope.studies.stem_defects.data import read_windows
from tmdscope.studies.stem_defects.records import ATTENTION, ATTENTION_RUN, Attention
from tmdscope.studies.stem_defects.study import windows_of
from tmdscope.tracking.runs import numbers

Pictures = NDArray[np.floating[Any]]
Values = NDArray[np.float64]

_CUT = 24
"""Side of what is cut out of a window, px."""
_SURE = 0.9
"""Share of a map's highest value above which it says where the reason is, as the poster has it."""
_NETWORK = CnnFamily(
    family="cnn", power=1.0, l2=False, standardise=False, learning_rate=3e-3, dropout=0.05,
    epochs=6, batch_size=64,
)  # fmt: skip


def run(study: Study) -> None:
    """Train on the windows of the first fold, and ask why it names the test's as they are."""
    windows = windows_of(study)
    cohort, tables = read_windows(windows), study.layout.tables
    pictures = cohort.inputs.reshape(-1, SIZE, SIZE)
    parts = cohort.rows(cohort.read_split(windows.layout.split))[0]
    torch.set_num_threads(1)
    with tracked_stage(windows, "attend", cohort, _NETWORK.model_dump()) as tracked:
        with tracked.run("attend", {"experiment": "attend"}) as run:
            rng, seen = np.random.default_rng(1), np.sort(np.concatenate([parts.train, parts.val]))
            cut, _ = _cut(pictures[seen], rng)
            network = NetworkClassifier(_NETWORK, cohort.classes, 1).fit(_flat(cut), cohort.targets[seen])
            cut, place = _cut(pictures[parts.test], rng)
            found = _judged(network, cut, place, cohort.targets[parts.test], cohort.classes)
            run.metrics(numbers(asdict(found)))
        found.write(tables / ATTENTION, tracked.of)
        StageRuns({"attend": run.run_id}, **tracked.where).write(tables / ATTENTION_RUN, tracked.of)
    print("; ".join(f"{name}: {value:.2f} px rms" for name, value in found.rms_px.items()))


def _cut(pictures: Pictures, rng: np.random.Generator) -> tuple[Pictures, Values]:
    """Cut a smaller picture out of each at random; and where their middles, x and y, are in these."""
    first = rng.integers(0, SIZE - _CUT + 1, (len(pictures), 2))
    cut = [one[y : y + _CUT, x : x + _CUT] for one, (x, y) in zip(pictures, first, strict=True)]
    return np.stack(cut), np.asarray((SIZE - 1) / 2 - first, dtype=np.float64)


def _flat(pictures: Pictures) -> Pictures:
    return pictures.reshape(len(pictures), -1)


def _judged(
    network: NetworkClassifier,
    pictures: Pictures,
    place: Values,
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
) -> Attention:
    right = (network.predict(_flat(pictures)) == labels) & (labels != classes.index(PRISTINE))
    assert isinstance(network.model_, Cnn)
    asked = torch.tensor(pictures[right], dtype=torch.float32), torch.tensor(labels[right])
    maps = network.model_.attention(*asked).numpy().astype(np.float64)
    maps -= maps.min(axis=(1, 2), keepdims=True)
    sure = maps * (maps >= _SURE * maps.max(axis=(1, 2), keepdims=True))
    share = sure / sure.sum(axis=(1, 2), keepdims=True)
    at = np.arange(_CUT)
    told = np.stack([share.sum(axis=1) @ at, share.sum(axis=2) @ at], axis=1)
    away, middle = (((one - place[right]) ** 2).sum(axis=1) for one in (told, (_CUT - 1) / 2))
    own = {name: labels[right] == code for code, name in enumerate(classes) if name != PRISTINE}
    by_kind = {name: float(np.sqrt(away[rows].mean())) for name, rows in own.items() if rows.any()}
    of_all = float(np.sqrt(away.mean())), float(np.sqrt(middle.mean()))
    return Attention(int(right.sum()), {**by_kind, "all": of_all[0]}, of_all[1])
