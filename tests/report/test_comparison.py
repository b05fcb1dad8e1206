"""The paper's rows stand beside measured ones, and none is passed over."""

from pathlib import Path

from tests.report.reading import Written, assert_sound
from tests.report.study import Left, experiment, predictions, study
from tmdscope.report.page import Note, Page, Section, Table, write_page
from tmdscope.studies.tmd_materials.paper import PaperTables, read_published


def comparison_section(results: Left) -> Section:
    return results.part(PaperTables).section()


def tables_of(results: Left) -> list[Table]:
    return [block for block in comparison_section(results).blocks if isinstance(block, Table)]


def test_every_published_row_is_shown_when_nothing_was_run() -> None:
    shown = tables_of(study({"own": experiment()}))
    for table, published in zip(shown, read_published().tables, strict=True):
        assert [row[0] for row in table.rows] == [row.label for row in published.rows]
        assert {row[-1] for row in table.rows} == {"published; not run here"}
        assert all(len(row) == len(table.header) for row in table.rows)


def test_a_measured_row_stands_below_with_every_difference() -> None:
    results = study({"zero": experiment("scratch")}, {"zero": predictions(wrong=[0, 3])})
    table = tables_of(results)[0]
    paper, measured = table.rows[2:]
    assert paper == [
        "Scratch",
        *("75.4 ± 11.7", "67.7 ± 12.9", "not given"),
        *("0.78 ± 0.12", "0.69 ± 0.13", "not given"),
        "published; measured below",
    ]
    assert measured[:4] == ["measured: zero", "83.3 ± 16.7", "83.3 ± 16.7", "50.0 ± 0.0"]
    assert measured[-1].startswith("run under other conditions: simulated images; ")
    assert "8 images of 4 samples, not 1026 of 626" in measured[-1]
    assert "epochs 4, not 60" in measured[-1]
    assert "checkpoint improves-both, not paper" in measured[-1]


def test_multilabel_is_measured_by_exact_match() -> None:
    atoms = experiment(target="multilabel", architecture="resnet152", weights="imagenet-v2")
    table = tables_of(study({"atoms": atoms}, {"atoms": predictions(invalid=[1])}))[2]
    assert [row[0] for row in table.rows] == ["MtC (multiclass)", "MtL (multilabel)", "measured: atoms"]
    assert table.rows[-1][3] == "50.0 ± 0.0"


def test_two_experiments_of_one_row_are_both_shown() -> None:
    settings = {name: experiment("scratch", seed=seed) for name, seed in (("one", 1), ("two", 2))}
    assert [row[0] for row in tables_of(study(settings))[0].rows][-2:] == ["measured: one", "measured: two"]


def test_the_carry_over_is_said_beside_the_tables() -> None:
    section = comparison_section(study())
    (note,) = [block.text for block in section.blocks if isinstance(block, Note)]
    assert "carries the backbone from one fold to the next" in note
    assert "test column is the honest target" in note
    captions = [table.caption.partition("carry over between folds; ")[2] for table in tables_of(study())]
    assert captions == [*["it gives no test scores in this table"] * 2, "compare the test column"]


def test_long_conditions_wrap(tmp_path: Path) -> None:
    page = Page("Title", "Lead.", [Section("Paper", comparison_section(study()).blocks)])
    path = tmp_path / "index.html"
    write_page(path, page)
    written = Written.read(path)
    assert_sound(written)
    assert written.html.count('<table class="words">') == len(written.tables) == 3
