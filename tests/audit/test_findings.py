"""Duplicates, groups, confounds, early and late, learning curve and folds, where the truth is known."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from tests.audit.studies import PARAMS, SCORING, make_table, with_columns
from tmdscope.audit.confounds import compare_confounds, metadata_predictors, predict_all
from tmdscope.audit.drift import measure_drift
from tmdscope.audit.duplicates import find_duplicates
from tmdscope.audit.folds import check_folds, is_order_independent
from tmdscope.audit.groups import count_groups
from tmdscope.audit.kernel import KernelPredictor, standardised
from tmdscope.audit.learning_curve import fit_power_laws, learning_curve
from tmdscope.audit.statistics import image_statistics, spectra
from tmdscope.dataset.splits import make_split, outer_folds
from tmdscope.scores.cohort import Cohort, Rows


def parts_of(table: Cohort) -> dict[str, Rows]:
    names = [str(row) for row in range(len(table.targets))]
    split = make_split(table.targets, table.sample_ids.tolist(), names, 5, 3)
    return {name: np.array([int(image) for image in ids]) for name, ids in split.parts.items()}


@pytest.mark.parametrize("seed", range(5))
def test_planted_duplicates_and_shared_samples_are_found(seed: int) -> None:
    table = make_table(seed, by_class=1.0)
    parts = parts_of(table)
    sound = find_duplicates(table, parts, 0.99)
    assert (sound.exact.pairs, sound.distinct) == (0, 120)
    assert count_groups(table, parts, 5).shared == {}
    one, other = int(parts["test"][0]), int(parts["fold0_train"][-1])
    hashes, features, samples = table.image_sha256.copy(), table.features.copy(), table.sample_ids.copy()
    hashes[one], features[one] = hashes[other], features[other]
    features[parts["test"][-1]] = features[parts["fold1_train"][0]] + 1e-3
    samples[parts["test"][4]] = samples[parts["fold0_train"][4]]
    planted = replace(table, image_sha256=hashes, features=features, sample_ids=samples)
    found = find_duplicates(planted, parts, 0.99)
    assert found.exact.across_parts["test | fold0_train"] == 1
    assert found.exact.across_samples == 1
    assert found.exact.examples == [tuple(sorted((one, other)))]
    assert found.near is not None
    assert found.near.across_parts["test | fold1_train"] >= 1
    assert "test | fold0_train" in count_groups(planted, parts, 5).shared


def test_pairs_are_those_that_loops_over_all_images_find() -> None:
    rng, table = np.random.default_rng(3), make_table(3, samples=100, images=3)
    rows = rng.permutation(len(table))  # pairs lie in every block of images, and across blocks
    copies = np.where(rng.random(len(table)) < 0.1, rows, np.arange(len(table)))
    hashes, features = table.image_sha256[copies], table.features[copies]
    table = replace(table, image_sha256=hashes, features=features)
    found = find_duplicates(table, {}, 0.9)
    cosine = cosine_similarity(standardised(features))
    pairs = list(combinations(range(len(table)), 2))
    same = [(one, other) for one, other in pairs if hashes[one] == hashes[other]]
    distinct = [(one, other) for one, other in pairs if table.distinct[one] and table.distinct[other]]
    own = [cosine[pair] for pair in distinct if table.sample_ids[pair[0]] == table.sample_ids[pair[1]]]
    threshold = np.quantile(own, 0.9)
    near = [pair for pair in distinct if cosine[pair] > threshold]
    assert len(table) == 300
    assert len(same) > 10
    assert (found.exact.pairs, found.within_pairs) == (len(same), len(own))
    assert found.threshold == pytest.approx(threshold, abs=1e-12)
    assert found.near is not None
    assert found.near.pairs == len(near)
    across = [pair for pair in near if table.sample_ids[pair[0]] != table.sample_ids[pair[1]]]
    assert found.near.examples == sorted(across, key=lambda pair: -cosine[pair])[:50]


def test_few_pairs_set_no_threshold() -> None:
    table = make_table(1, images=1)
    found = find_duplicates(table, {}, 0.99)
    assert found.threshold is None
    assert found.near is None


def test_groups_say_what_a_class_rests_on() -> None:
    table = make_table(1, samples=12, images=1)
    samples = np.array(["a"] * 4 + ["b", "c", "d", "e", "f", "g", "h", "i"])
    labels = np.array([0] * 6 + [1] * 3 + [2] * 3)
    table = replace(table, sample_ids=samples, targets=labels)
    found = count_groups(table, {"test": np.array([0, 1, 6, 7])}, 3)
    assert (found.classes[0].images, found.classes[0].samples, found.classes[0].most_images) == (6, 3, 4)
    assert found.classes[0].effective_samples == pytest.approx(36 / 18)
    assert found.one_sample_tests == ["A"]
    assert found.few == []
    assert count_groups(table, {}, 4).few == ["A", "B", "C"]
    faces = replace(table, targets=np.array([0] * 3 + [1] * 6 + [2] * 3))
    assert count_groups(faces, {}, 3).two_class_samples == ["a"]


def test_metadata_that_knows_the_class_is_found_out() -> None:
    table = make_table(1, by_class=0.5)
    rng = np.random.default_rng(1)
    known = with_columns(table, {"scan_size": table.targets * 1.0, "noise": rng.normal(size=120)})
    predictors = {"features": KernelPredictor(known), **metadata_predictors(known, 1)}
    folds = outer_folds(known.targets, known.groups.tolist(), 5)
    predictions = {name: predict_all(known, predictor, folds) for name, predictor in predictors.items()}
    found = compare_confounds(known, predictors, predictions, folds[0][1], SCORING)
    by_name = {item.name: item for item in found}
    assert list(by_name) == ["features", "order", "nuisance"]
    assert by_name["nuisance"].score.values["accuracy"] == 1.0
    assert by_name["nuisance"].columns == ["scan_size", "noise"]
    assert by_name["nuisance"].beyond is not None
    assert by_name["nuisance"].beyond.bounds["accuracy"][1] < 0
    assert by_name["nuisance"].test is not None


def test_early_and_late_are_told_apart_only_where_they_differ() -> None:
    table = make_table(1, samples=90, by_class=1.0)
    assert table.order is not None
    moved = table.features.copy()
    late = (table.targets == 1) & (table.order > np.median(table.order[table.targets == 1]))
    moved[late, 0] += 4
    table = replace(table, features=moved)
    params = PARAMS.model_copy(update={"permutations": 199})
    found = {item.name: item for item in measure_drift(table, KernelPredictor(table), params, SCORING)}
    assert found["B"].auc > 0.9
    assert found["B"].p_value == pytest.approx(1 / 200)
    assert found["A"].p_value > 0.01
    assert found["A"].null_mean == pytest.approx(0.47, abs=0.06)
    low, high = found["B"].auc_ci95
    assert low <= found["B"].auc <= high


def test_a_power_law_is_found_again() -> None:
    samples = np.array([30.0, 60, 120, 240, 480])
    laws = fit_power_laws(samples, np.stack([0.1 + 2 * samples**-0.5, 3 * samples**-0.8, np.full(5, 0.2)]))
    assert laws[0] == pytest.approx([0.1, 2, 0.5], abs=1e-9)
    assert laws[1] == pytest.approx([0, 3, 0.8], abs=1e-9)
    assert laws[2, :2] == pytest.approx([0.2, 0], abs=1e-9)


def test_more_samples_help_where_the_classes_overlap() -> None:
    table = make_table(1, samples=90, by_class=0.8)
    folds = outer_folds(table.targets, table.groups.tolist(), 5)
    predictor = KernelPredictor(table)
    params = PARAMS.model_copy(update={"shares": [0.1, 0.3, 0.6, 1.0]})
    found = learning_curve(table, predictor, folds, params, SCORING)
    assert found.samples[-1] == pytest.approx(72)
    assert found.score[0] < found.score[-1]
    assert found.gain >= 0
    assert found.twice_ci95[0] <= found.twice <= found.twice_ci95[1]
    last = predict_all(table, predictor, folds) == table.targets
    assert found.score[-1] == pytest.approx(last.mean())


def test_folds_that_carry_something_over_are_found() -> None:
    class Carrying:
        seen = 0

        def run(self, number: int) -> Rows:
            self.seen += 1
            return np.array([self.seen])

    assert is_order_independent(lambda number: np.array([number]), 3)
    assert not is_order_independent(Carrying().run, 3)


def test_folds_are_scored_one_by_one() -> None:
    table = make_table(1, by_class=0.8)
    parts = parts_of(table)
    folds = outer_folds(table.targets, table.groups.tolist(), 5)
    predictor = KernelPredictor(table)
    predicted = predict_all(table, predictor, folds)
    found = check_folds(table, predictor, folds, predicted, parts, {}, None, SCORING)
    assert found.test is None
    assert [fold.images for fold in found.outer] == [len(test) for _, test in folds]
    assert sum(sum(fold.counts.values()) for fold in found.outer) == 120
    for fold in found.outer:
        assert fold.binomial_ci95[0] <= fold.score <= fold.binomial_ci95[1]
    apart = [item for item in found.overlaps if item.left == "test"]
    assert apart
    assert all(item.images == item.samples == 0 for item in apart)
    assert found.counts["test"] == {
        name: int((table.targets[parts["test"]] == k).sum()) for k, name in enumerate(table.classes)
    }


def test_statistics_see_line_noise_and_fine_grain() -> None:
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.linspace(0, 60, 32), np.linspace(0, 60, 32))
    lines = smooth + 20 * rng.normal(size=(32, 1))
    grain = smooth + 20 * rng.normal(size=(32, 32))
    images = np.clip(np.stack([smooth, lines, grain]) + 60, 0, 255).astype(np.uint8)
    found = image_statistics(images)
    assert found["line_noise"].idxmax() == 1
    assert found["high_frequency"].idxmax() == 2
    assert found["mean"].tolist() == pytest.approx(images.mean(axis=(1, 2)).tolist())
    assert spectra(images, 8).shape == (3, 25)


def test_samples_that_hold_several_classes_by_nature_are_no_fault() -> None:
    table = make_table(1, by_class=1.0)
    whole = replace(table, sample_ids=np.array([f"c{row % 6}" for row in range(len(table))], dtype=object))
    assert len(count_groups(whole, {}, 5).two_class_samples) == 6
    assert count_groups(replace(whole, mixed=True), {}, 5).two_class_samples == []
