"""The table of versions: what it shows, at every width, and what it says of moves by hand."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import RunTag

from tests.lifecycle.gates import NAME, OPEN, fill
from tests.lifecycle.memory import Data
from tests.tracking.programs import make_facts
from tmdscope.lifecycle.listing import Row, age, as_json, list_versions, render
from tmdscope.lifecycle.promotion import promote
from tmdscope.scores.task import CLASSES, quantity
from tmdscope.tracking.registration import ScoreTags, fact_tags, with_run
from tmdscope.tracking.registry import BEST, FILES_SHA256, PRODUCTION, pull_version
from tmdscope.tracking.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = Row(
    model="tmd-material-classifier",
    version=12,
    aliases=["best", "production"],
    note="",
    experiment="finetune-multiclass-tuned",
    encoding="multiclass",
    architecture="resnet18",
    scores=ScoreTags(CLASSES.primary, 0.8124, (0.7713, 0.8502), 0.7899, (0.7, 0.86), 0.7749, 0.0333),
    data_sha256="72085e3c" + "a" * 56,
    git_commit="fc151623" + "b" * 32,
    created=NOW - timedelta(days=3, hours=5),
)
BARE = replace(
    FULL,
    model="tmd-material-classifier-4",
    version=1,
    aliases=[],
    experiment="stage 4-materials",
    architecture=None,
    scores=ScoreTags(CLASSES.primary, None, None, 0.5, None, None, None),
    git_commit=None,
)


@pytest.fixture
def study() -> Store:
    made = Data().study()
    fill(made.client, NAME, 3)
    return made


def test_tags_become_columns(study: Store) -> None:
    tags = {
        "experiment": "a",
        "target": "multilabel",
        "architecture": "resnet50",
        "val_macro_f1": "0.8124",
        "val_macro_f1_ci95": "0.7713 0.8502",
        "test_macro_f1": "by hand",
        "test_macro_f1_ci95": "0.7",
        "git.commit": "fc15162",
    }
    for key, value in tags.items():
        study.client.set_model_version_tag(NAME, "1", key, value)
    for key, value in {"stage": "4-materials", "encoding": "multiclass"}.items():
        study.client.set_model_version_tag(NAME, "2", key, value)
    study.client.set_registered_model_alias(NAME, BEST, str(1))
    first, second, third = list_versions(study.client, NAME)
    assert (first.experiment, first.encoding, first.architecture) == ("a", "multilabel", "resnet50")
    assert (first.scores.val, first.scores.val_ci95) == (0.8124, (0.7713, 0.8502))
    assert (first.scores.test, first.scores.test_ci95) == (None, None)
    assert (first.aliases, first.git_commit, first.note) == (["best"], "fc15162", "")
    assert (second.experiment, second.encoding) == ("stage 4-materials", "multiclass")
    assert (third.experiment, third.encoding, third.version) == (None, None, 3)


def test_what_a_version_does_not_say_its_run_does_but_for_the_hash_of_its_files(study: Store) -> None:
    run = study.client.create_run("0", {}, "stage").info.run_id
    facts = {"experiment": "sequential", "stage": "4-materials", "target": "multilabel", "git.commit": "fc1"}
    scores = {"val_macro_f1": "0.8", "test_macro_f1": "0.1", FILES_SHA256: "of another"}
    study.client.log_batch(run, tags=[RunTag(*pair) for pair in (facts | scores).items()])
    study.client.get_model_version(NAME, "1").run_id = run
    own = {"experiment": "stage 4-materials", "test_macro_f1": "0.7"}
    for key, value in own.items():
        study.client.set_model_version_tag(NAME, "1", key, value)
    (found, *_) = list_versions(study.client, NAME)
    assert (found.experiment, found.encoding, found.git_commit) == ("stage 4-materials", "multilabel", "fc1")
    assert (found.scores.val, found.scores.test) == (0.8, 0.7)
    version = with_run(study.client, pull_version(study.client, NAME, 1))
    assert version.tags["stage"] == "4-materials"
    assert version.sha256 == ""


def test_a_move_by_hand_is_told_with_what_to_do(study: Store) -> None:
    promote(study, NAME, 1, OPEN, "Ann", force=False, reason="")
    assert "outside tmdscope" not in render(list_versions(study.client, NAME), NOW, 200)
    study.client.set_registered_model_alias(NAME, PRODUCTION, str(2))
    text = render(list_versions(study.client, NAME), NOW, 200)
    assert "production (unreviewed)" in text
    assert f"{NAME}: production was moved to version 2 outside tmdscope; `tmdscope promote 2` reviews" in text
    study.client.delete_registered_model_alias(NAME, PRODUCTION)
    text = render(list_versions(study.client, NAME), NOW, 200)
    assert "(production removed)" in text
    assert "the alias production was removed from version 1" in text


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_everything_is_read_at_every_width(width: int) -> None:
    rows = [FULL, replace(FULL, version=13, aliases=["production"], note="unreviewed"), BARE]
    text = render(rows, NOW, width)
    table = [line for line in text.splitlines() if "outside tmdscope" not in line]
    assert max(map(len, table)) <= width
    for shown in (
        *("tmd-material-classifier", "tmd-material-classifier-4", "12", "best", "production", "resnet18"),
        *("(unreviewed)", "finetune-multiclass-tuned", "stage 4-materials", "0.500", "3 d"),
        *("0.775 (+0.033)", "0.812 [0.771, 0.850]", "0.790 [0.700, 0.860]", "72085e3c", "fc151623"),
    ):
        assert shown in text, shown
    assert "72085e3ca" not in text


def test_a_line_each_where_there_is_room_and_three_where_there_is_not() -> None:
    wide, narrow = (render([FULL, BARE], NOW, width).splitlines() for width in (220, 80))
    (line,) = [line for line in wide if line.split()[1:2] == ["12"]]
    assert line.split()[2:4] == ["best,", "production"]
    assert line.endswith("3 d")
    (at,) = [number for number, line in enumerate(narrow) if line.split()[:1] == ["12"]]
    assert narrow[at + 1].split()[:2] == ["best", "finetune-multiclass-tuned"]
    assert narrow[at + 2].split()[:3] == ["production", "multiclass,", "resnet18"]
    assert narrow[at + 2].endswith("3 d")


def test_no_versions_say_what_to_do() -> None:
    assert render([], NOW, 80) == "no registered versions; run `dvc repro` first\n"
    assert json.loads(as_json([])) == []


def test_a_program_reads_all_digits_and_nothing_for_what_is_missing() -> None:
    full, bare = json.loads(as_json([FULL, BARE]))
    assert full["data_sha256"] == FULL.data_sha256
    assert full["val_macro_f1_ci95"] == [0.7713, 0.8502]
    assert datetime.fromisoformat(full["created"]) == FULL.created
    assert (bare["val_macro_f1"], bare["aliases"], bare["git_commit"]) == (None, [], None)
    own = set(Row.__dataclass_fields__) - {"scores"}
    assert (
        set(full)
        == set(bare)
        == own
        | {
            *("val_macro_f1", "val_macro_f1_ci95", "test_macro_f1", "test_macro_f1_ci95"),
            *("selection_macro_f1", "selection_optimism"),
        }
    )


def test_versions_of_another_task_show_their_own_metric(study: Store) -> None:
    for key, value in fact_tags(make_facts(quantity("eV"))).items():
        study.client.set_model_version_tag(NAME, "2", key, value)
    rows = list_versions(study.client, NAME)
    assert rows[1].to_dict()["val_mae_ci95"] == (0.68, 0.88)
    text = render(rows, NOW, 220)
    assert "out-of-fold macro F1 or MAE" in text
    assert "0.78 [0.68, 0.88] eV" in text
    assert "0.73 eV (+0.05 eV)" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min")),
        *((3600, "1 h"), (86399, "23 h"), (86400, "1 d"), (400 * 86400, "400 d")),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    assert age(NOW, NOW - timedelta(seconds=seconds)) == text


def test_what_a_tag_holds_is_written_as_it_is() -> None:
    assert "[red]a[/red] :smile:" in render([replace(FULL, experiment="[red]a[/red] :smile:")], NOW, 200)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20))
def test_whatever_a_tag_holds_the_table_is_written(text: str) -> None:
    assert "0.812" in render([replace(FULL, experiment=text, architecture=text)], NOW, 80)
