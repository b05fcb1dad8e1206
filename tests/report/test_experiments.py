"""Tables and figures on the experiments: every part, both decodings, nothing uncounted."""

from dataclasses import replace

from tests.report.study import Left, experiment, predictions, study
from tmdscope.report.page import Section, Table
from tmdscope.report.sections.experiments import Experiments
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.records import ExperimentScores, Pooled
from tmdscope.scores.task import quantity


def experiments_section(results: Left) -> Section:
    return results.part(Experiments).section()


def multilabel() -> Left:
    settings = {"classes": experiment(), "atoms": experiment(target="multilabel")}
    return study(settings, {"classes": predictions(), "atoms": predictions(wrong=[2], invalid=[1, 5])})


def table(section: Section, header: str) -> Table:
    return next(block for block in section.blocks if isinstance(block, Table) and header in block.header)


def test_every_part_has_its_scores() -> None:
    parts = table(experiments_section(study()), "weighted F1")
    assert [row[0] for row in parts.rows] == ["finetune, train", "finetune, val", "finetune, test"]
    assert parts.rows[0][1:] == ["75.0 ± 5.0", "0.750 ± 0.050", "0.750 ± 0.050", "0.750 ± 0.050"]


def test_recall_of_a_class_without_test_images_is_not_made_up() -> None:
    results = study()
    score = results.scores["finetune"]
    score = replace(score, test={**score.test, "recall": {"WS2": MeanStd(0.5, 0.25)}})
    recall = table(experiments_section(replace(results, scores={"finetune": score})), "WS2")
    assert recall.rows == [["finetune", "none in the test", "50.0 ± 25.0"]]


def test_the_ensemble_stands_beside_the_mean_of_the_folds() -> None:
    overview = table(experiments_section(study()), "ensemble test macro F1")
    shown = dict(zip(overview.header, overview.rows[0], strict=True))
    assert shown["test accuracy"] == "75.0 ± 5.0"
    assert shown["ensemble test accuracy"] == "81.2 [70.0, 90.0]"
    assert shown["ensemble test macro F1"] == "0.800 [0.600, 0.900]"


def test_multilabel_outputs_are_read_in_both_ways() -> None:
    section = experiments_section(multilabel())
    decodings = table(section, "exact accuracy")
    assert [row[0] for row in decodings.rows] == ["atoms, train", "atoms, val", "atoms, test"]
    test = decodings.rows[2]
    assert test[1] == "50.0 ± 0.0"  # image 1 of 0 and 1 stands for no class
    assert test[3] == "75.0 ± 5.0"
    assert test[5] == "0.8"


def test_multiclass_studies_do_not_speak_of_atoms() -> None:
    section = experiments_section(study())
    assert not [block for block in section.blocks if isinstance(block, Table) and "invalid" in block.header]


def test_targets_are_compared_image_by_image() -> None:
    sections = multilabel().report().page().sections
    blocks = [block for section in sections for block in section.blocks]
    compared = [b for b in blocks if isinstance(b, Table) and b.caption.startswith("Multiclass less")]
    assert [row[0] for row in compared[0].rows] == ["classes less atoms"] * 2


def test_reliability_is_shown_with_its_intervals() -> None:
    shown = table(experiments_section(study()), "calibration error")
    assert shown.rows[0][1:] == [
        "0.123, 0.045",
        "0.710, 0.690",
        "87.5 [75.0, 100.0]",
        "1.50",
        "2.5 [0.0, 12.5]",
    ]


def test_a_task_of_numbers_has_columns_of_its_own() -> None:
    task = quantity("eV")
    names = [metric.name for metric in task.metrics]
    pool = Estimate(dict.fromkeys(names, 0.25), dict.fromkeys(names, (0.125, 0.5)), 8, 4)
    means = {name: MeanStd(0.25, 0.125) for name in (*names, "loss")}
    score = ExperimentScores(
        **dict.fromkeys(("train", "val", "test"), means),
        best_fold=0,
        selection={"mae": 0.5, "optimism": 0.25},
        out_of_fold=Pooled(pool, pool),
        ensemble_test=Pooled(pool, pool),
    )
    part = Experiments(task, {"a": score}, "a", [], {}, {"test_r2": MeanStd(0.25, 0.125)}, "8 scans")
    best, base = part.sentences()
    assert "by selection MAE" in best
    assert "RMSE 0.25 [0.125, 0.5] eV, MAE 0.25 [0.125, 0.5] eV" in best
    assert "has R2 0.250 ± 0.125" in base
    overview, parts, pooled = (
        block for block in replace(part, baseline=None).section().blocks if isinstance(block, Table)
    )
    assert overview.caption.startswith("R2, RMSE in eV and MAE in eV (8 scans). Selection MAE, by which")
    assert overview.rows[0][:3] == ["a", "0.5", "+0.25"]
    assert parts.header == ["Experiment, part", "R2", "RMSE (eV)", "MAE (eV)", "loss"]
    assert pooled.rows[0][1:4] == ["0.250 [0.125, 0.500]", *["0.25 [0.125, 0.5]"] * 2]
    assert set(part.metrics()["experiments"]["a"]["val"]) == {*names, "loss"}
