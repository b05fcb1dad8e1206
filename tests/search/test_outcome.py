"""The best trial, what mattered, and pictures that can be opened."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from optuna.trial import TrialState
from PIL import Image

from tests.search.conftest import SPACE, STEPS, made
from tmdscope.errors import UserError
from tmdscope.params.search import Space, Uniform
from tmdscope.search.outcome import draw_plots, outcome_of
from tmdscope.search.sampling import suggest
from tmdscope.search.storage import PatientStorage
from tmdscope.search.study import SearchStudy


def complete(
    study: SearchStudy, count: int, score: Callable[[dict[str, Any]], float], space: Space = SPACE
) -> None:
    """Complete so many trials; fold scores lie around the score."""
    for _ in range(count):
        trial = study.claim()
        assert trial is not None
        value = score(dict(suggest(trial, space, {})))
        for fold, off in enumerate([-0.01, 0.0, 0.01]):
            trial.report(value + off, STEPS.of_fold(fold))
        study.tell(trial, TrialState.COMPLETE, value, {"epochs": 12})


def end(study: SearchStudy, state: TrialState, error: str | None = None, epochs: int = 5) -> None:
    trial = study.claim()
    assert trial is not None
    suggest(trial, SPACE, {})
    study.tell(trial, state, notes={"epochs": epochs}, error=error)


def scores_in_turn(scores: Sequence[float]) -> Callable[[dict[str, Any]], float]:
    left = iter(scores)
    return lambda settings: next(left)


def test_the_best_trial_is_found_with_its_folds_and_settings(storage: PatientStorage) -> None:
    study = made(storage, trials=5)
    complete(study, 2, scores_in_turn([0.4, 0.7]))
    end(study, TrialState.PRUNED)
    end(study, TrialState.FAIL, "the loss is no number")
    complete(study, 1, scores_in_turn([0.6]))
    found = outcome_of(study)
    assert (found.trial, found.value) == (1, 0.7)
    assert found.folds == pytest.approx([0.69, 0.7, 0.71])
    assert found.settings == study.study.get_trials()[1].params
    assert found.epochs == 3 * 12 + 2 * 5
    assert found.progress == study.places.progress
    table = found.trials
    assert list(table.columns) == ["place", "trial", "state", "value", "epochs", *SPACE]
    assert list(table["place"]) == [0, 1, 2, 3, 4]
    assert list(table["state"]) == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert list(table["value"].dropna()) == [0.4, 0.7, 0.6]
    assert pd.isna(table["value"][2])


def test_each_fold_left_out_scores_the_trial_that_the_others_choose(storage: PatientStorage) -> None:
    study = made(storage, trials=3)
    for left_out in ([[0.5, 0.1], [0.2, 0.9]], [[0.4, 0.7], [0.3, 0.6]]):
        trial = study.claim()
        assert trial is not None
        suggest(trial, SPACE, {})
        study.tell(trial, TrialState.COMPLETE, 0.5, {"epochs": 1, "left_out": left_out})
    end(study, TrialState.PRUNED)
    assert outcome_of(study).selection == pytest.approx((0.1 + 0.6) / 2)


def test_trials_whose_epochs_chose_nothing_have_no_selection_score(storage: PatientStorage) -> None:
    study = made(storage, trials=1)
    complete(study, 1, scores_in_turn([0.4]))
    assert outcome_of(study).selection is None


def test_of_equal_scores_the_first_is_best(storage: PatientStorage) -> None:
    study = made(storage, trials=4)
    complete(study, 4, scores_in_turn([0.3, 0.7, 0.5, 0.7]))
    assert outcome_of(study).trial == 1


def test_a_search_that_still_runs_names_places_by_their_number(storage: PatientStorage) -> None:
    study = made(storage, trials=3)
    held = study.claim()
    assert held is not None
    complete(study, 2, scores_in_turn([0.3, 0.7]))
    assert list(outcome_of(study).trials["place"]) == [1, 2]


def test_trials_beyond_a_lowered_number_are_no_part_of_what_is_found(storage: PatientStorage) -> None:
    complete(made(storage, trials=4), 4, scores_in_turn([0.3, 0.5, 0.9, 0.8]))
    fewer = outcome_of(made(storage, trials=2))
    assert (fewer.trial, len(fewer.trials), fewer.epochs) == (1, 2, 24)


def test_a_repeated_trial_stands_for_its_place(storage: PatientStorage) -> None:
    study = made(storage, trials=2)
    lost, other = study.claim(), study.claim()
    assert lost is not None
    assert other is not None
    study.tell(lost, TrialState.FAIL)
    study.tell(other, TrialState.COMPLETE, 0.7)
    complete(study, 1, scores_in_turn([0.3]))
    found = outcome_of(study)
    assert list(found.trials["trial"]) == [2, 1]
    assert list(found.trials["place"]) == [0, 1]
    assert found.trial == 1


def test_without_a_complete_trial_the_first_error_is_told(storage: PatientStorage) -> None:
    study = made(storage, trials=3)
    end(study, TrialState.PRUNED)
    end(study, TrialState.FAIL, "weights are gone")
    end(study, TrialState.FAIL, "a loss is no number")
    with pytest.raises(
        UserError, match="study 'study': none of 3 trials is complete; the first error: weights are gone"
    ):
        outcome_of(study)


def test_without_a_complete_trial_nor_an_error_pruning_is_named(storage: PatientStorage) -> None:
    study = made(storage, trials=2)
    end(study, TrialState.PRUNED)
    end(study, TrialState.PRUNED)
    with pytest.raises(UserError, match="none of 2 trials is complete; let it prune less"):
        outcome_of(study)


def share_matters(settings: dict[str, Any]) -> float:
    return float(settings["share"] ** 2 + 0.01 * settings["size"] / 9)


def test_the_setting_that_matters_is_found(storage: PatientStorage) -> None:
    study = made(storage, trials=14)
    complete(study, 14, share_matters)
    importance = outcome_of(study).importance
    assert next(iter(importance)) == "share"
    assert importance["share"] > 0.8
    assert set(importance) == set(SPACE)
    assert sum(importance.values()) == pytest.approx(1)
    assert outcome_of(study).importance == importance  # the forest is seeded


@pytest.mark.parametrize(("count", "score"), [(3, share_matters), (6, lambda settings: 0.5)])
def test_too_few_or_equal_trials_say_nothing_of_importance(
    storage: PatientStorage, count: int, score: Callable[[dict[str, Any]], float]
) -> None:
    study = made(storage, trials=count)
    complete(study, count, score)
    assert outcome_of(study).importance == {}


def test_a_setting_that_not_all_drew_has_no_importance(storage: PatientStorage) -> None:
    space: Space = {**SPACE, "decay": Uniform(kind="uniform", low=0, high=1, when={"kind": ["steep"]})}
    study = made(storage, trials=8, space=space)
    complete(study, 8, share_matters, space)
    assert set(outcome_of(study).importance) == set(SPACE)
    assert "decay" in outcome_of(study).trials.columns


def test_plots_are_pictures_and_that_of_importance_shows_what_is_told(
    storage: PatientStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bars are those of the outcome, not of Optuna's default measure, which is another."""
    study = made(storage, trials=8)
    complete(study, 8, share_matters)
    bars: list[float] = []
    close = plt.close

    def look(figure: Any) -> None:
        if "Importances" in figure.axes[0].get_title("left"):
            bars.extend(bar.get_width() for bar in figure.axes[0].patches)
        close(figure)

    monkeypatch.setattr(plt, "close", look)
    paths = draw_plots(study, tmp_path)
    assert [path.name for path in paths] == [
        "history.png",
        "parallel_coordinates.png",
        "slice.png",
        "importance.png",
    ]
    assert_pictures(paths)
    assert sorted(bars) == pytest.approx(sorted(outcome_of(study).importance.values()))


@pytest.mark.filterwarnings("ignore:Attempting to set identical low and high")
def test_one_complete_trial_is_drawn_without_importance(storage: PatientStorage, tmp_path: Path) -> None:
    study = made(storage, trials=1)
    complete(study, 1, share_matters)
    paths = draw_plots(study, tmp_path)
    assert [path.stem for path in paths] == ["history", "parallel_coordinates", "slice"]
    assert_pictures(paths)


def assert_pictures(paths: Sequence[Path]) -> None:
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert min(image.size) > 100
