"""The section on sequential transfer says what was trained, which claims hold, and what was forgotten."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from PIL import Image

from tests.report.numbers import assert_stands_alone, words
from tests.sequential import small
from tmdscope.files import write_table
from tmdscope.materials import MATERIALS
from tmdscope.record import write_record
from tmdscope.report.page import Figure, Note, Page, Paragraph, Section, Table
from tmdscope.report.sections.sequential import SequencesPart
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.scores.task import Metric
from tmdscope.sequential.outcome import verdict
from tmdscope.sequential.record import PANEL_COLUMNS, SequenceRecord, write_left_out
from tmdscope.studies.tmd_materials.paper import read_figure_4

METRIC = TASK.primary
BOTH = ("multiclass", "multilabel")
VOLUMES: tuple[Any, ...] = ("full", 64, 16)
CLASSES = ("MoS2", "WS2", "WSe2", "MoSe2")
ARMS = ("sequential", "direct", "direct-equal-budget")


def group(difference: float, half: float = 0.02) -> dict[str, Any]:
    interval = [difference - half, difference + half]
    return {
        "difference": difference,
        "ci95": interval,
        "verdict": verdict(interval),
        "points": 6,
        "points_not_below": 5,
    }


def point(arm: str, encoding: str, known: Sequence[str], volume: Any) -> dict[str, Any]:
    score = 0.8 - 0.1 * ARMS.index(arm) - 0.05 * BOTH.index(encoding)
    return {
        "arm": arm,
        "encoding": encoding,
        "materials": len(known),
        "volume": volume,
        **{part: {"macro_f1": {"mean": score, "std": 0.02}} for part in ("train", "val", "test")},
        "test_macro_f1_ci95": [score - 0.1, score + 0.1],
        "recall": dict.fromkeys(known, 0.8),
        "changed": {} if len(known) == 2 else {"old": -0.031, "added": 0.456},
    }


def comparisons(
    encodings: Sequence[str], small: bool, differences: Mapping[str, float]
) -> list[dict[str, Any]]:
    found = []
    for question in ("sequential - direct", "sequential - direct-equal-budget", "multilabel - multiclass"):
        groups: dict[str, Any] = {
            "points": [],
            "all": group(differences.get(question, 0.0)),
            **({"small": group(0.3)} if small else {}),
        }
        if question.startswith("sequential"):
            found += [{"question": question, "encoding": name, **groups} for name in encodings]
        elif len(encodings) > 1:
            found.append({"question": question, **groups})
    return found


def sequence(*arguments: Any, **changes: Any) -> SequenceRecord:
    """A record as `stored` has it."""
    with TemporaryDirectory() as folder:
        path, shown = Path(folder) / "sequential.json", Path(folder) / "latent.csv"
        content = stored(*arguments, **changes)
        write_table(shown, panels(content))
        write_record(path, content, {}, [shown])
        record = SequenceRecord.read(path, shown, {}, METRIC)
        assert record is not None
        return record


def stored(
    encodings: Sequence[str] = BOTH,
    volumes: Sequence[Any] = VOLUMES,
    classes: Sequence[str] = CLASSES,
    differences: Mapping[str, float] = {},
    **changes: Any,
) -> dict[str, Any]:
    """What lies on disk."""
    stages = [classes[:count] for count in range(2, len(classes) + 1)]
    later = [(encoding, len(known)) for encoding in encodings for known in stages[1:]]
    drift = {"mean": 0.1, "std": 0.02, "classes": {}}
    settings = {
        "encodings": list(encodings),
        "volumes": list(volumes),
        "order": list(classes),
        "seeds": [1, 2],
    }
    return {
        "version": 1,
        "enabled": True,
        "stages": [
            {
                "classes": list(known),
                "added": known[-1] if len(known) > 2 else "",
                "test_images": 10 * len(known),
            }
            for known in stages
        ],
        "members": 10,
        "points": [
            point(arm, encoding, known, volume)
            for encoding in encodings
            for known in stages
            for arm in (ARMS if len(known) > 2 else ARMS[:1])
            for volume in (volumes if len(known) > 2 else ["full"])
        ],
        "chains": [
            {
                "encoding": encoding,
                "recall": [dict.fromkeys(known, 0.9 - 0.1 * place) for place, known in enumerate(stages)],
                "classes": {name: {"backward_transfer": -0.2, "forgetting": 0.2} for name in classes[:-1]},
                "backward_transfer": -0.2,
                "forgetting": 0.2,
            }
            for encoding in encodings
        ],
        "comparisons": comparisons(
            encodings, any(volume != "full" and volume <= 16 for volume in volumes), differences
        ),
        "leak": [
            {
                "encoding": encoding,
                "materials": count,
                "seen": 0.16 * count,
                "val_macro_f1": 0.04,
                "test_macro_f1": -0.01,
                "test_macro_f1_ci95": [-0.05, 0.03],
            }
            for encoding, count in later
        ],
        "drift": [
            {"encoding": encoding, "materials": count, "sequential": drift, "direct": {**drift, "mean": 0.3}}
            for encoding, count in later
        ],
        "versions": [],
        "settings": {**small.params(**settings).model_dump(mode="json"), "training": {}, "epochs": 4},
        "seconds": 30.0,
        **changes,
    }


def panels(content: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (chain["encoding"], len(stage["classes"]), f"{name}-{k}", name, 0.1 * k, 0.2 * k)
            for chain in content["chains"]
            for stage in content["stages"]
            for name in stage["classes"]
            for k in range(3)
        ],
        columns=list(PANEL_COLUMNS),
    )


def sequential_section(
    record: SequenceRecord, metric: Metric = METRIC, classes: Sequence[str] = MATERIALS, note: str = ""
) -> Section:
    made = SequencesPart(record, metric, classes, read_figure_4(), note).section()
    assert made is not None
    return made


def sequential_metrics(record: SequenceRecord | None) -> Any:
    return SequencesPart(record, METRIC, MATERIALS).metrics()["sequential"]


def section(record: SequenceRecord, note: str = "") -> Section:
    """The section without its pictures, which take a second to draw."""
    with (
        patch("tmdscope.report.sections.sequential.latent_stages", return_value=b""),
        patch("tmdscope.report.sections.arms.panels_of_bars", return_value=b""),
    ):
        return sequential_section(record, note=note)


def tables(record: SequenceRecord) -> dict[str, Table]:
    """Tables by the first words of their caption."""
    return {
        " ".join(block.caption.replace(":", "").split()[:2]): block
        for block in section(record).blocks
        if isinstance(block, Table)
    }


def claims(record: SequenceRecord) -> str:
    (note,) = (block.text for block in section(record).blocks if isinstance(block, Note))
    return note


def test_the_lead_says_what_was_trained() -> None:
    lead = section(sequence()).blocks[0]
    assert isinstance(lead, Paragraph)
    for said in (
        "learns MoS2 and WS2, then one more material at each stage: WSe2, MoSe2",
        "10 models: 5 folds for each of 2 seeds (1, 2)",
        "for the 4 epochs",
        "whole samples",
        "Every fold goes on from its own model",
        "multiclass keeps the weights of known outputs",
        "took 30 s",
    ):
        assert said in lead.text


def test_the_papers_start_head_and_drawing_are_told() -> None:
    own = {"reduce_by": "image", "start": "paper", "head": "paper"}
    lead = section(sequence(settings={**stored()["settings"], **own}, seconds=660.0)).blocks[0]
    assert isinstance(lead, Paragraph)
    for said in ("single images", "All folds go on from one fold's model", "draws its last layer", "11 min"):
        assert said in lead.text


def test_verdicts_follow_the_numbers() -> None:
    differences = {
        "sequential - direct": 0.05,
        "sequential - direct-equal-budget": 0.01,
        "multilabel - multiclass": -0.05,
    }
    text = claims(sequence(differences=differences))
    direct, budget, encodings = text.split("(1)")[1].replace("(3)", "(2)").split("(2)")
    assert "holds (+0.050 [+0.030, +0.070]) for multiclass" in direct
    assert "undecided (+0.010 [-0.010, +0.030]) for multilabel" in budget
    assert "fails (-0.050 [-0.070, -0.030]) over all volumes" in encodings
    assert "holds (+0.300 [+0.280, +0.320]) at volumes of up to 16 images" in encodings


def test_every_comparison_is_a_row() -> None:
    table = tables(sequence(differences={"multilabel - multiclass": -0.05}))["Paired differences"]
    assert len(table.rows) == 10
    assert table.rows[0] == [
        "sequential less direct",
        "multiclass",
        "all",
        "+0.000 [-0.020, +0.020]",
        "5 of 6",
        "undecided",
    ]
    assert table.rows[4][0] == "sequential less direct, equal budget"
    assert [row[0] for row in table.rows if row[-1] == "fails"] == ["multilabel less multiclass"]


def test_one_encoding_is_compared_with_its_controls_alone() -> None:
    for name in BOTH:
        content = sequence([name])
        assert "multilabel is at least as good" not in claims(content)
        assert {row[1] for row in tables(content)["Test macro"].rows} == {name}
        assert "Lower row" not in words(Page("", "", [section(content)]))


def test_a_row_of_panels_for_every_comparison_of_figure_4() -> None:
    heights = [
        Image.open(io.BytesIO(block.png)).height
        for content in (sequence(), sequence(["multiclass"]))
        for block in sequential_section(content).blocks
        if isinstance(block, Figure)
    ]
    assert heights[0] > 1.5 * heights[2]
    assert heights[1] > 1.5 * heights[3]


def test_without_small_volumes_there_is_no_word_of_them() -> None:
    content = sequence(volumes=("full", 64))
    assert "up to 16" not in words(Page("", "", [section(content)]))
    assert len(tables(content)["Paired differences"].rows) == 5


def test_recall_of_every_class_stands_with_what_was_forgotten() -> None:
    table = tables(sequence(["multiclass"]))["Share of"]
    assert table.header[2:] == [
        "2 materials",
        "3 materials",
        "4 materials",
        "backward transfer",
        "forgetting",
    ]
    assert table.rows == [
        ["MoS2", "multiclass", "90.0", "80.0", "70.0", "-20.0", "+20.0"],
        ["WS2", "multiclass", "90.0", "80.0", "70.0", "-20.0", "+20.0"],
        ["WSe2", "multiclass", "", "80.0", "70.0", "-20.0", "+20.0"],
        ["MoSe2", "multiclass", "", "", "70.0", "", ""],
        ["Mean of the older", "multiclass", "", "", "", "-20.0", "+20.0"],
    ]


def test_a_class_without_test_images_is_named_so() -> None:
    content = stored(["multiclass"])
    content["chains"][0]["recall"][-1].pop("MoSe2")
    for entry in content["points"]:
        entry["changed"].pop("added", None)
    found = tables(sequence(["multiclass"], chains=content["chains"], points=content["points"]))
    assert found["Share of"].rows[3][4] == "no test images"
    assert found["What an"].rows[0][-1] == "no test images"


def test_what_an_addition_does_stands_by_stage_and_volume() -> None:
    table = tables(sequence())["What an"]
    assert len(table.rows) == 2 * 2 * 3
    assert table.rows[2] == ["+ WSe2 (3)", "multiclass", "16", "-3.1", "-3.1", "45.6", "45.6"]


def test_the_leak_is_told_where_it_was_measured() -> None:
    page = words(Page("", "", [section(sequence())]))
    assert "48.0 to 64.0 % of the images" in page
    assert "validation macro F1 by +0.040 and test macro F1 by -0.010" in page
    assert tables(sequence())["Start from"].rows[0] == [
        "+ WSe2 (3)",
        "multiclass",
        "48.0",
        "+0.040",
        "-0.010 [-0.050, +0.030]",
    ]
    assert "Start from" not in tables(sequence(leak=[]))


def test_drift_of_the_direct_model_stands_beside() -> None:
    table = tables(sequence())["Drift of"]
    assert table.rows[1] == ["+ MoSe2 (4)", "multiclass", "0.100 ± 0.020", "0.300 ± 0.020"]


def test_registered_versions_are_listed() -> None:
    version = {
        "name": "tmd-3",
        "number": 2,
        "encoding": "multiclass",
        "materials": 3,
        "volume": "full",
        "seed": 1,
    }
    assert "Registered models" not in tables(sequence())
    (row,) = tables(sequence(versions=[version]))["Registered models"].rows
    assert row == ["tmd-3", "2", "multiclass", "3", "full"]


def test_a_note_on_the_images_comes_before_the_numbers() -> None:
    second = section(sequence(), "The scans are simulated.").blocks[1]
    assert second == Note("The scans are simulated.")


def test_a_sequence_that_did_not_run_is_no_record(tmp_path: Path) -> None:
    path, shown = tmp_path / "sequential.json", tmp_path / "latent.csv"
    write_left_out(path, shown, {"data": "ab"})
    assert SequenceRecord.read(path, shown, {"data": "ab"}, METRIC) is None
    assert sequential_metrics(None) == {"enabled": False}


def test_metrics_are_what_is_compared() -> None:
    numbers = sequential_metrics(sequence(differences={"multilabel - multiclass": -0.05}))
    assert set(numbers) == {"enabled", "comparisons", "points", "chains", "leak", "drift"}
    assert numbers["comparisons"]["multilabel - multiclass"]["all"] == {
        "difference": -0.05,
        "ci95": (pytest.approx(-0.07), pytest.approx(-0.03)),
        "verdict": "fails",
    }
    assert set(numbers["comparisons"]["sequential - direct"]["multilabel"]) == {"all", "small"}
    chain = numbers["chains"]["multiclass"]
    assert (chain["backward_transfer"], chain["forgetting"]) == (-0.2, 0.2)
    of_place = numbers["points"]["multilabel"]["3-materials"]["16"]
    assert of_place["direct"]["test_macro_f1"] == pytest.approx(0.65)
    assert numbers["leak"]["multilabel"]["4-materials"]["seen"] == 0.64
    assert numbers["drift"]["multiclass"]["3-materials"]["direct"] == {"mean": 0.3, "std": 0.02}
    assert sequential_metrics(sequence(leak=[]))["leak"] == {}


@pytest.mark.parametrize(
    "content",
    [
        sequence(),
        sequence(["multilabel"], volumes=("full",)),
        sequence(volumes=("full", 16), classes=MATERIALS[:3]),
        sequence(["multiclass"], classes=("a", "b", "c", "d", "e", "f", "g")),
    ],
    ids=["both encodings", "full volume only", "one addition", "other materials"],
)
def test_the_page_stands_alone(content: SequenceRecord, tmp_path: Path) -> None:
    made = sequential_section(content, METRIC, content.settings.order)
    assert_stands_alone(Page("Study", "Lead.", [made]), tmp_path / "index.html")
    for table in (block for block in made.blocks if isinstance(block, Table)):
        assert {len(row) for row in table.rows} == {len(table.header)}
    assert sum(isinstance(block, Figure) for block in made.blocks) == 2


def test_a_task_names_its_own_metric() -> None:
    """Published values of another metric do not stand beside it."""
    metric = replace(METRIC, name="hits", title="hits")
    told = sequence()
    points = [replace(point, test={"hits": point.test["macro_f1"]}) for point in told.points]
    with patch("tmdscope.report.sections.sequential.latent_stages", return_value=b""):
        made = sequential_section(replace(told, points=points), metric, MATERIALS)
    page = words(Page("", "", [made]))
    assert "test hits by -0.010" in page
    assert "has no value for these materials" in page
    assert "F1" not in page.replace("ResNet152", "")
