"""Every fact with the runs it holds for, links that lead to the runs, and what to type."""

from typing import Any

import pytest

from tests.report.numbers import made_run, stage_runs
from tmdscope.report.page import Block, Commands, Link, Note, Paragraph, Table
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run, changed_settings, read_runs
from tmdscope.run_record import NO_RUNS


def tables(runs: list[Run]) -> tuple[dict[str, Any], Table]:
    _, facts, links = Provenance(runs, "About.").section().blocks
    assert isinstance(facts, Table)
    assert isinstance(links, Table)
    return {str(row[0]): row[1] for row in facts.rows}, links


def said(blocks: list[Block]) -> str:
    return " ".join(block.text for block in blocks if isinstance(block, Note | Paragraph))


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("sqlite:////x/mlflow.db", "http://127.0.0.1:5000"),
        ("https://host/base/", "https://host/base"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
        ("postgresql://host/db", "http://127.0.0.1:5000"),
    ],
)
def test_links_lead_to_the_server_or_to_what_make_ui_serves(uri: str, server: str) -> None:
    run = made_run("x", tracking_uri=uri)
    assert run.address == f"{server}/#/experiments/7/runs/{32 * 'a'}"
    _, links = tables([run])
    assert links.rows[0][3] == Link(32 * "a", run.address)


def test_a_fact_that_all_share_stands_alone_and_others_name_their_runs() -> None:
    runs = [made_run("a"), made_run("b", tags={"threads": "8", "git.dirty": "true", "precision": "bf16"})]
    facts, links = tables(runs)
    assert facts["Git commit"] == 40 * "c"
    assert facts["Threads"] == "2 (a); 8 (b)"
    assert facts["Uncommitted changes"] == "none (a); yes, in no commit (b)"
    assert facts["Precision"] == "bf16"
    assert facts["torch"] == "2.14.1"
    assert "Processor" not in facts
    assert [row[2] for row in links.rows] == [12 * "c", 12 * "c" + "*"]
    assert links.rows[0][1] == "-"
    assert links.rows[0][4] == "2026-01-02 03:04"


def test_the_newest_commit_is_checked_out_and_older_ones_are_told() -> None:
    old = made_run("old", tags={"git.commit": 40 * "0"}, made_at="2025-12-31T23:59:59+00:00")
    section = Reproduction([old, made_run("new")], "make repro", "Same data.").section()
    commands = section.blocks[0]
    assert isinstance(commands, Commands)
    assert commands.lines == [f"git checkout {40 * 'c'}", "make repro"]
    assert "of 2 commits" in said(list(section.blocks))


def test_what_is_in_no_commit_is_warned_of() -> None:
    dirty = made_run("dirty", tags={"git.dirty": "true"})
    section = Reproduction([made_run("clean"), dirty], "make repro", "Same data.").section()
    first = section.blocks[0]
    assert isinstance(first, Note)
    assert first.text.endswith("may give others: dirty.")
    assert "commits" not in said(list(section.blocks))


def test_without_git_there_is_nothing_to_check_out() -> None:
    section = Reproduction([made_run("x", tags={"git.commit": "none"})], "make repro", "Data.").section()
    note, commands, _ = section.blocks
    assert isinstance(note, Note)
    assert isinstance(commands, Commands)
    assert commands.lines == ["make repro"]


def test_stages_with_several_runs_or_none() -> None:
    found = read_runs(stage_runs(svc="1", mlp="2"))
    assert [(run.name, run.run_id) for run in found] == [("svc", "1"), ("mlp", "2")]
    assert read_runs(NO_RUNS) == []


def test_only_settings_that_differ_are_listed() -> None:
    shipped = {"data": {"source": "simulated", "simulated": {"seed": 1}}, "experiments": {"a": {"epochs": 4}}}
    here = {"data": {"source": "simulated", "simulated": {"seed": 2}}, "experiments": {"b": {"epochs": 4}}}
    (table,) = changed_settings(here, shipped)
    assert isinstance(table, Table)
    assert table.rows == [
        ["data.simulated.seed", "1", "2"],
        ["experiments.b.epochs", "-", "4"],
        ["experiments.a.epochs", "4", "-"],
    ]
    assert isinstance(changed_settings(shipped, shipped)[0], Paragraph)
