"""What is said of an addition, and what is refused before anything is trained."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.report.study import CLASSES, dataset
from tests.tracking.programs import make_program
from tmdscope.dataset.prepare import prepare_scan
from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.jobs.add_material import describe_gain
from tmdscope.jobs.new_class import check_scale, join_folds, own_preparation, read_new
from tmdscope.layout import Layout
from tmdscope.params.images import DataParams, FolderParams, PrepareParams, SimulatedParams
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.sequential.plan import Arm
from tmdscope.sequential.record import (
    AddedRecord,
    Changed,
    Differences,
    Point,
    StageSummary,
    StageVersion,
    Together,
)
from tmdscope.tracking.registry import Version
from tmdscope.tracking.scale import Scale

METRIC = TASK.primary


def point(arm: Arm, materials: int, score: float, added: float) -> Point:
    scores = {METRIC.name: MeanStd(score, 0.0)}
    changed = Changed(-0.02, added) if materials == 3 else Changed()
    interval = (score - 0.1, score + 0.1)
    return Point(arm, "multiclass", materials, "full", scores, scores, scores, interval, {}, changed)


def test_the_gain_sets_both_controls_beside() -> None:
    together = Together(0.1, (-0.05, 0.25), "undecided", 1, 1)
    record = AddedRecord(
        model="models:/m/3",
        versions=[StageVersion("m-3", 1, "multiclass", 3, "full", 1)],
        stages=[
            StageSummary(list(CLASSES), "", 4),
            StageSummary([*CLASSES, "MoTe2"], "MoTe2", 6),
        ],
        members=5,
        points=[
            point("sequential", 2, 0.9, 0.0),
            point("sequential", 3, 0.8, 0.75),
            point("direct", 3, 0.7, 0.5),
            point("direct-equal-budget", 3, 0.72, 0.6),
        ],
        comparisons=[
            Differences(f"sequential - {arm}", [], together, encoding="multiclass")
            for arm in ("direct", "direct-equal-budget")
        ],
        chains=[],
        leak=[],
        drift=[],
    )
    text = describe_gain(record, METRIC)
    assert "6 images of 3 classes" in text
    assert "| training | macro F1 | share of MoTe2 named rightly | old classes, change |" in text
    assert "| on top of models:/m/3 | 0.800 [0.700, 0.900] | 0.750 | -0.020 |" in text
    assert "| anew, the same epochs | 0.700" in text
    assert "0.900 [" not in text.split("| training |")[1].split("on top")[0]
    assert "the epochs of both: macro F1 +0.100 [-0.050, +0.250]." in text
    assert "m-3 version 1" in text
    unsure = replace(together, ci95=None)
    alone = replace(record, comparisons=[replace(one, all=unsure) for one in record.comparisons])
    assert "the epochs of both: macro F1 +0.100 (no interval: 1 sample)." in describe_gain(alone, METRIC)
    metric = replace(METRIC, name="hits", title="hits", form=".1f")
    renamed = [replace(one, test={"hits": one.test[METRIC.name]}) for one in record.points]
    other = describe_gain(replace(record, points=renamed), metric)
    assert "| on top of models:/m/3 | 0.8 [0.7, 0.9] |" in other
    assert "macro F1" not in other


def new_images(samples: int, twins: bool = False) -> Dataset:
    """Two images of each sample; with twins the first two samples share an image."""
    count = 2 * samples
    table = dataset().manifest.iloc[:0].reindex(range(count))
    table["image_id"] = [f"n{k}" for k in range(count)]
    table["sample_id"] = [f"t{k // 2}" for k in range(count)]
    table["label"] = "MoTe2"
    hashes = [f"{k:064x}" for k in range(count)]
    table["image_sha256"] = [hashes[0] if twins and k == 2 else value for k, value in enumerate(hashes)]
    return Dataset(np.zeros((count, 16, 16), np.uint8), table)


def folds(count: int) -> list[FoldParts]:
    rows = np.arange(3 * count)
    return [FoldParts(rows[3:], rows[:3], rows[:0]) for _ in range(count)]


def test_new_images_keep_their_samples_together_and_fill_every_part() -> None:
    new = new_images(7, twins=True)
    joined = join_folds(folds(3), new, offset=9)
    samples = np.array(["old"] * 9 + ["t0" if s == "t1" else s for s in new.manifest["sample_id"]])
    tests = {tuple(parts.test) for parts in joined}
    assert len(tests) == 1
    validated = np.concatenate([parts.val[parts.val >= 9] for parts in joined])
    assert len(set(validated)) == len(validated)
    for parts in joined:
        mine = [set(samples[rows[rows >= 9]]) for rows in (parts.train, parts.val, parts.test)]
        assert all(mine)
        assert not mine[0] & mine[1]
        assert not (mine[0] | mine[1]) & mine[2]
        assert sum(map(len, mine)) == len(set(samples)) - 1


def test_too_few_samples_are_refused_with_the_number_needed() -> None:
    wanted = r"3 samples of MoTe2 cannot fill 3 folds and a test.*at least 4 samples"
    with pytest.raises(UserError, match=wanted):
        join_folds(folds(3), new_images(3), offset=9)


VERSION = Version("m", 3, "ab" * 16, {})


def test_another_scale_is_refused_and_an_unknown_one_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = new_images(2)
    program = replace(make_program(members=1), scale=Scale(1000.0, 1000.0, 9, 9))
    new.manifest["pixel_size_nm"] = [62.5, 62.5, None, 62.5]
    check_scale(VERSION, program, new)
    assert "1 of 4 new images do not say their width; models:/m/3 has 1000 nm" in capsys.readouterr().err
    new.manifest["pixel_size_nm"] = [62.5, 62.5, 312.5, None]
    with pytest.raises(UserError, match=r"n2 shows 5000 nm, images of models:/m/3 1000 nm"):
        check_scale(VERSION, program, new)
    check_scale(VERSION, make_program(members=1), new)
    assert "does not know how wide" in capsys.readouterr().err


def test_the_models_own_preparation_is_used_and_another_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    own, asked = (PrepareParams(size_px=16, percentiles=p) for p in ([0.5, 99.5], [5.0, 95.0]))
    program = replace(make_program(members=1), prepare=own)
    images = Path("new")
    assert own_preparation(own, images, VERSION, program) == own
    assert capsys.readouterr().err == ""
    assert own_preparation(asked, images, VERSION, program) == own
    assert "percentiles [0.5, 99.5], not [5.0, 95.0]" in capsys.readouterr().err
    with pytest.raises(UserError, match="does not say how its images were prepared"):
        own_preparation(own, images, VERSION, make_program(members=1))


def test_new_images_are_prepared_by_what_is_given_not_by_the_study(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    heights = np.random.default_rng(1).normal(size=(20, 40)).astype(np.float32)
    np.save(images / "a.npy", heights)
    (images / "manifest.csv").write_text("path,sample_id,material\na.npy,x,MoTe2\n")
    own = PrepareParams(size_px=16, percentiles=[0.5, 99.5])
    simulated = SimulatedParams(images=10, samples=10, size_px=16, frame_nm=1.0, seed=1)
    folder = FolderParams(path="data/user", manifest="manifest.csv")
    data = DataParams(source="simulated", classes=["MoS2", "WS2"], simulated=simulated, folder=folder)
    study = SimpleNamespace(layout=Layout(root=tmp_path / "project"), section=lambda *_: data)
    new = read_new(study, images, own, VERSION, ["MoS2", "WS2"], dataset())
    np.testing.assert_array_equal(new.images[0], prepare_scan(heights, (1.0, 1.0), own).image)
