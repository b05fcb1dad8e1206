"""The search and the grid are scored alike, and epochs are counted, not time."""

import pytest

from benchmarks import search_vs_grid


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_vs_grid, "LEARNING_RATES", (1e-4, 1e-2))
    monkeypatch.setattr(search_vs_grid, "WEIGHT_DECAYS", (1e-4,))
    monkeypatch.setattr(search_vs_grid, "DROPOUTS", (0.0,))
    monkeypatch.setattr(search_vs_grid, "BATCH_SIZES", (32,))
    monkeypatch.setattr(search_vs_grid, "EPOCHS", 2)
    monkeypatch.setattr(search_vs_grid, "MOST_TRIALS", 10)


def test_every_point_of_the_grid_trains_to_its_end() -> None:
    best, epochs = search_vs_grid.train_grid()
    assert epochs == 2 * search_vs_grid.FOLDS * 2
    assert 0 < best < 1


def test_a_search_counts_its_epochs_and_says_whether_it_got_there() -> None:
    epochs, trials, reached = search_vs_grid.search(1, wanted=0.0)
    assert reached
    assert trials == search_vs_grid.TOGETHER
    assert epochs == trials * search_vs_grid.FOLDS * 2
    assert search_vs_grid.search(1, wanted=1.1)[2] is False


def test_the_line_gives_the_median_share() -> None:
    line = search_vs_grid.report(seeds=2)
    assert line["grid_points"] == 2
    assert len(line["epochs"]) == 2
    assert line["share"] == pytest.approx(sum(line["epochs"]) / 2 / line["grid_epochs"], abs=1e-3)
