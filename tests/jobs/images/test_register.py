"""Which experiment gets alias `best`, and that nothing is registered where none can be chosen."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.tracking.programs import make_facts
from tmdscope.errors import UserError
from tmdscope.files import read_json, sha256_file
from tmdscope.jobs.images import register
from tmdscope.layout import MAIN
from tmdscope.params.reading import read_params
from tmdscope.record import write_record
from tmdscope.run_record import ExperimentRun
from tmdscope.scores.facts import Facts
from tmdscope.sequential.record import write_left_out
from tmdscope.studies.tmd_materials.study import STUDY
from tmdscope.tracking.registry import Version

ROOT = Path(__file__).parents[3]
NAMES = ("finetune-multiclass", "features-multiclass")


class Registry:
    """Stands in for the store: notes what is registered, and where the alias points."""

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.best = 0

    def register_model(self, client: Any, model: str, uri: str, run_id: str, *facts: Any) -> Version:
        self.versions.append(run_id)
        return Version(model, len(self.versions), run_id, {})

    def set_registered_model_alias(self, model: str, alias: str, number: str) -> None:
        self.best = int(number)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A study of two experiments, trained."""
    monkeypatch.chdir(tmp_path)
    content = read_params(ROOT / "params.yaml")
    content["experiments"] = {name: content["experiments"][name] for name in NAMES}
    YAML(typ="safe").dump(content | {"searches": {}}, tmp_path / "params.yaml")
    write_record(MAIN.split, {}, {"data": "ab" * 32})
    of = {"data": "ab" * 32, "split": sha256_file(MAIN.split)}
    write_left_out(MAIN.sequential / "sequential.json", MAIN.sequential / "latent.csv", of)
    found = Registry()
    monkeypatch.setattr(register, "Scored", SimpleNamespace(read=read_scored))  # see tests/scores
    audit = SimpleNamespace(read=lambda *_: SimpleNamespace(failed_checks=[]))  # see tests/audit
    monkeypatch.setattr(register, "Audit", audit)
    monkeypatch.setattr(register, "connect", lambda: found)
    monkeypatch.setattr(register, "write_card", lambda *_: None)
    monkeypatch.setattr(register, "register_model", found.register_model)
    return found


def read_scored(folder: Path, of: dict[str, str]) -> SimpleNamespace:
    """What is written below, unchecked."""
    run, facts = ExperimentRun.read(folder / "run.json", of), Facts.read(folder / "facts.json", of)
    return SimpleNamespace(run=run, facts=facts)


def write_scores(name: str, validation: float, selection: float) -> None:
    of = {"data": "ab" * 32, "split": sha256_file(MAIN.split)}
    scores = {
        "best_fold": 0,
        "val": {"macro_f1": {"mean": validation, "std": 0.0}},
        "selection": {"macro_f1": selection, "optimism": validation - selection},
    }
    make_facts(scores=scores).write(MAIN.experiments / name / "facts.json", of)
    made = {"tracking_uri": "sqlite:", "experiment_id": "1", "made_at": "now", "provenance": {}}
    run = ExperimentRun(name, name, [], f"models:/{name}", **made, data_sha256="ab" * 32, split_sha256="ab")
    run.write(MAIN.experiments / name / "run.json", of)


def test_best_has_the_highest_selection_score_and_not_the_highest_validation_score(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scores(NAMES[0], validation=0.9, selection=0.5)
    write_scores(NAMES[1], validation=0.7, selection=0.6)
    register.run(STUDY)
    assert read_json(MAIN.registered)["best"] == NAMES[1]
    assert registry.versions[registry.best - 1] == NAMES[1]
    assert "selection macro F1 0.500 (validation is better by +0.400)" in capsys.readouterr().out


def test_a_score_that_is_no_number_registers_nothing(registry: Registry) -> None:
    write_scores(NAMES[0], validation=0.9, selection=0.5)
    path = MAIN.experiments / NAMES[1] / "facts.json"
    write_scores(NAMES[1], validation=0.9, selection=0.6)
    path.write_text(path.read_text().replace("0.6", "NaN"))
    with pytest.raises(UserError, match=NAMES[1]):
        register.run(STUDY)
    assert registry.versions == []
    assert not MAIN.registered.exists()
