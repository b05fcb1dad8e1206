"""Stage `compare`: every model in every framing, by nested searches; baselines, blocks, pairs, the null."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import outer_folds, split_rest
from tmdscope.files import read_json, sha256_file, write_table
from tmdscope.jobs.split import check_split
from tmdscope.jobs.study import Study
from tmdscope.jobs.tracked import Tracked, tracked_stage
from tmdscope.params.families import FRAMINGS, Framing
from tmdscope.processes import run_parts
from tmdscope.record import write_record
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.every_pair import compare_every_pair
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.search.framed import Chosen, Said
from tmdscope.studies.growth_temperature.asked import ALL, BLOCKS, Asked
from tmdscope.studies.growth_temperature.blind import blind, pool, take
from tmdscope.studies.growth_temperature.cohorts import in_paper_test, nuisances_of
from tmdscope.studies.growth_temperature.params import ModelsParams
from tmdscope.studies.growth_temperature.parts import OuterFold, run_part
from tmdscope.studies.growth_temperature.record import (
    ABSENT,
    COMPARISON,
    PREDICTIONS,
    Comparison,
    Model,
    Null,
    Scores,
)
from tmdscope.studies.growth_temperature.sources import source_of

NAME = "compare"


def run(study: Study, source: str) -> None:
    """Compare models on one source, or write why there is nothing to compare."""
    own = source_of(study, source)
    folder = own.layout.split.parent
    absent = own.layout.tables / ABSENT
    if absent.is_file():
        why = read_json(absent)["why"]
        Comparison(source, why_not=why).write(folder / COMPARISON, {"data": sha256_file(absent)})
        print(f"source {source!r} is not run: {why}")
        return
    cohort = study.cohort(own)
    _write_split(own, cohort)
    asked = Asked(own, cohort)
    settings = {name: own.section(name, own.params[name]).model_dump(mode="json") for name in SECTIONS}
    with tracked_stage(own, NAME, cohort, settings) as tracked:
        comparison = _compare(asked, tracked, source, folder)
        comparison.write(folder / COMPARISON, tracked.of, [folder / PREDICTIONS])
        runs = {
            f"{framing}.{name}": model.run_id
            for framing, models in comparison.models.items()
            for name, model in models.items()
        }
        write_record(own.layout.run, {**tracked.where, "runs": runs}, tracked.of)


SECTIONS = ("framing", "models", "honesty")
"""Whose settings decide the result."""


def _write_split(study: Study, cohort: Cohort) -> None:
    """Hold out the paper's test, or fold 0 where none is known, and cut folds on the rest."""
    asked, ids = study.section("models", ModelsParams), cohort.image_ids.tolist()
    held_out = in_paper_test(cohort)
    if not held_out.any():
        held_out[outer_folds(cohort.stratum, cohort.groups.tolist(), asked.outer_folds)[0][1]] = True
    split = split_rest(cohort.stratum, cohort.groups.tolist(), ids, held_out, asked.outer_folds)
    check_split(study, cohort, split)
    split.write(study.layout.split, cohort.digest)


def _compare(asked: Asked, tracked: Tracked, source: str, folder: Path) -> Comparison:
    """Do all parts of the work, and score what they found."""
    cohort, searches, null = asked.cohort, asked.parts(tracked.resume.folder), asked.permutations()
    done = run_parts(run_part, [*searches, *null])
    found: dict[tuple[str, Framing], dict[int, Any]] = {}
    for part, outcome in zip(searches, done, strict=False):
        assert isinstance(part, OuterFold)
        found.setdefault((part.scheme, part.framing), {})[part.number] = outcome
    test = np.flatnonzero(in_paper_test(cohort))
    models: dict[str, dict[str, Model]] = {framing: {} for framing in FRAMINGS}
    said: dict[str, Said] = {}
    for framing in FRAMINGS:
        for name in asked.models_of(framing):
            by_fold = [found[ALL, framing][number][name] for number in range(len(asked.folds))]
            pooled = pool([one for _, one in by_fold], asked.folds)
            scores = asked.scores(pooled, np.arange(len(cohort)))
            on_test = asked.scores(take(pooled, test), test) if len(test) else None
            chosen = [one for one, _ in by_fold]
            run_id = _track(tracked, f"{framing}.{name}", scores, chosen)
            models[framing][name] = Model(
                scores,
                on_test,
                run_id,
                [one.settings for one in chosen],
                [one.value for one in chosen],
                dict(Counter(trial["state"].lower() for one in chosen for trial in one.trials)),
            )
            said[f"{framing}.{name}"] = pooled
            print(f"{framing}.{name}: {_tell(scores)}", flush=True)
    write_table(folder / PREDICTIONS, predictions_table(cohort, said))
    baselines = {
        name: asked.scores(one, np.arange(len(cohort))) for name, one in blind(asked, asked.folds).items()
    }
    hits = {name: one.labels == cohort.targets for name, one in said.items()}
    return Comparison(
        source=source,
        unit=asked.scale.unit,
        classes=list(cohort.classes),
        counts=np.bincount(cohort.targets).tolist(),
        samples=len(set(cohort.sample_ids)),
        distinct=int(cohort.distinct.sum()),
        test_images=len(test),
        models=models,
        baselines=baselines,
        nuisances=_by_nuisance(asked, said[f"{FRAMINGS[0]}.{asked.honesty.held_out[0]}"]),
        blocks=_score_blocks(asked, found),
        block_count=len(asked.blocks),
        pairs=compare_every_pair(hits, cohort.sample_ids, asked.honesty.flips, asked.honesty.seed),
        null=_null(asked, list(chain.from_iterable(done[len(searches) :]))),
    )


def _score_blocks(asked: Asked, found: Mapping[tuple[str, Framing], Any]) -> dict[str, Scores]:
    """Score the models, and the baselines, on blocks of sample numbers that they have seen nothing of."""
    if not asked.blocks:
        return {}
    by_model = {
        name: pool(
            [found[BLOCKS, "nominal"][number][name][1] for number in range(len(asked.blocks))], asked.blocks
        )
        for name in asked.models_of("nominal", asked.honesty.held_out)
    }
    everything = np.arange(len(asked.cohort))
    both = {**by_model, **blind(asked, asked.blocks)}
    return {name: asked.scores(one, everything) for name, one in both.items()}


def _by_nuisance(asked: Asked, said: Said) -> dict[str, Scores]:
    """Score a model on the images of each value of a nuisance, and of each half of a number."""
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, values in nuisances_of(asked.cohort).items():
        if pd.api.types.is_numeric_dtype(values):
            middle = float(values.median())
            masks |= {f"{name} to {middle:.3g}": values.to_numpy() <= middle}
            masks |= {f"{name} above {middle:.3g}": values.to_numpy() > middle}
        else:
            masks |= {f"{name} {value}": (values == value).to_numpy() for value in sorted(set(values))}
    rows = {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}
    return {name: asked.scores(take(said, own), own) for name, own in rows.items()}


def _null(asked: Asked, scores: Sequence[Mapping[str, float]]) -> Null:
    """Compare the score on true temperatures, the first, with those on permuted ones."""
    true, *permuted = scores
    by_name = {metric.name: metric for metric in ORDERED_CLASSES.metrics}
    values = {name: np.array([one[name] for one in permuted]) for name in by_name}
    as_good = {
        name: sum(by_name[name].gain(one[name], true[name]) >= 0 for one in permuted) for name in by_name
    }
    return Null(
        settings=asked.honesty.method.model_dump(mode="json"),
        permutations=len(permuted),
        true=dict(true),
        mean={name: float(own.mean()) for name, own in values.items()},
        most={
            name: float(own.max() if by_name[name].higher_is_better else own.min())
            for name, own in values.items()
        },
        p_value={name: (count + 1) / (len(permuted) + 1) for name, count in as_good.items()},
    )


def predictions_table(cohort: Cohort, said: Mapping[str, Said]) -> pd.DataFrame:
    """Lay out what every model says of every row: its class, and its number."""
    columns: dict[str, Any] = {
        "image_id": cohort.image_ids,
        "sample_id": cohort.sample_ids,
        "image_sha256": cohort.image_sha256,
        "label": cohort.label_names,
    }
    for name, one in said.items():
        columns[f"{name}.class"] = one.labels
        columns[f"{name}.number"] = one.numbers
    return pd.DataFrame(columns)


def _track(tracked: Tracked, name: str, scores: Scores, chosen: Sequence[Chosen]) -> str:
    """Log a model's run, a child for every outer fold, and in it the value of every trial."""
    tags = {"experiment": name}
    with tracked.run(name, tags) as run:
        run.metrics({**scores.by_class, **scores.by_number, "invalid": scores.invalid})
        for number, one in enumerate(chosen):
            with tracked.run(f"outer-{number}", {**tags, "outer_fold": str(number)}, run) as child:
                child.params(one.settings)
                trials = [{"trial": trial["value"]} for trial in one.trials]
                told = [own if own["trial"] is not None else {} for own in trials]
                child.history([{"inner": one.value, **told[0]}, *told[1:]], 0)
    return run.run_id


def _tell(scores: Scores) -> str:
    plain, deciding = ORDERED_CLASSES.plain, ORDERED_CLASSES.primary
    return ", ".join(f"{one.title} {one.tell(scores.by_class[one.name])}" for one in (plain, deciding))
