import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.support.cohorts import make_cohort
from tests.tracking.programs import make_facts
from tmdscope.dataset.audit import SplitAudit
from tmdscope.files import plain
from tmdscope.lifecycle.card import compose_card
from tmdscope.params.common import ScoringParams
from tmdscope.reliability.reliability import Assessment, measure
from tmdscope.scores.facts import Facts
from tmdscope.scores.task import CLASSES, quantity
from tmdscope.tracking.registry import Version

VERSION = Version("classifier", 3, "ab" * 16, {"files.sha256": "cd" * 32})
TAGS = {
    "git.commit": "1234abcd",
    "git.dirty": "false",
    "params.sha256": "12" * 32,
    "threads": "2",
    "device": "cpu",
}


def card(facts: Facts, **tags: str) -> str:
    return compose_card(VERSION, facts, {**TAGS, **tags}, "campaigns failed (2026-01-02)")


def test_a_card_holds_the_numbers_of_its_run() -> None:
    text = card(make_facts())
    for shown in (
        "# classifier version 3",
        "0.790 [0.690, 0.890]",
        "test accuracy 0.900, macro F1 0.890 (means",
        "0.081 as it is",
        "0.920 [0.850, 0.980]",
        "1.40 materials",
        "| WSe2 | 50 | 8 |",
        "`1234abcd`",
        "ef" * 32,
        "cd" * 32,
    ):
        assert shown in text, shown


def test_a_card_names_what_weakens_its_scores() -> None:
    assert "Not trained" not in card(make_facts())
    assert "- Not trained: S, Se." in card(make_facts(not_trained=["S", "Se"]))
    text = card(make_facts())
    assert "Resting on few samples: WSe2 (8)." in text
    assert "Split: fold 1 has no image of WSe2." in text
    assert "growth campaign" in text
    unsound = make_facts(audit=SplitAudit(["sample 'a' is in both"], []))
    assert "**Problem of the split:** sample 'a' is in both." in card(unsound)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("simulated", "the images are simulated"),
        ("folder", "the user's own"),
        ("tmd-afm", "doi:10.5281/zenodo.13961220"),
    ],
)
def test_a_card_says_whose_the_data_are(source: str, told: str) -> None:
    text = card(make_facts(data=replace(make_facts().data, source=source)))
    assert told in text
    assert ("Trained and scored on simulated images" in text) == (source == "simulated")


def test_what_cannot_be_said_is_not_made_up() -> None:
    assert "no baseline can be made" in card(make_facts(baseline=None))
    assert "not committed" in card(make_facts(), **{"git.dirty": "true"})
    incomplete = json.loads(json.dumps(make_facts().to_dict()))
    del incomplete["reliability"]["coverage"]
    with pytest.raises(ValueError, match=r"reliability\.coverage: Field required"):
        Facts.parse(incomplete)


def test_a_sequence_shows_the_settings_of_its_stages() -> None:
    text = card(make_facts(settings={"order": ["MoS2"], "training": {"epochs": 15, "strategy": "features"}}))
    assert "- epochs: 15" in text


def test_it_says_what_the_audit_found() -> None:
    assert "- Newest audit of the study when this card was written: campaigns failed (2026-01-02).\n" in card(
        make_facts()
    )


def test_a_card_shows_names_as_they_were_written() -> None:
    names = ["Fe(II) 100%", "<img src=x> | a_b"]
    nine = dict.fromkeys(names, 9)
    data = replace(make_facts().data, images_of_class=nine, samples_of_class=nine)
    text = card(make_facts(classes=names, data=data))
    assert "| Fe(II) 100% | 9 | 9 |" in text
    assert r"| \<img src=x\> \| a\_b | 9 | 9 |" in text
    assert "<img" not in text.replace(r"\<", "")


def test_a_perfect_tiny_model_shows_a_width_and_one_sample_shows_none() -> None:
    """31 right images of 17 samples and no false alarm had intervals without a width."""
    labels, ids = np.arange(31) % 2, np.arange(31) % 17
    scoring, cohort = ScoringParams(bootstrap=500, seed=1), make_cohort(None, ids, labels, ("a", "b"))
    pooled = cohort.pooled(np.arange(31), labels, scoring)
    even = np.full((31, 2), 0.5)
    sets, familiar = np.ones((31, 2), dtype=bool), np.zeros(31, dtype=bool)
    reliability = measure(
        Assessment(even, even, sets, np.ones(31), familiar, np.zeros(31)), labels, ids, 500, 1
    )
    single = make_cohort(None, ["s", "s"], labels[:2], ("a", "b"))
    alone = single.pooled(np.arange(2), labels[:2], scoring)
    scores = {"out_of_fold": pooled, "ensemble_test": {**pooled, "distinct": alone}}
    facts = make_facts(scores=scores, reliability=reliability)
    text = card(Facts.parse(json.loads(json.dumps(facts.to_dict(), default=plain))))
    for wrong in ("1.000 [1.000, 1.000]", "0.000 [0.000, 0.000]"):
        assert wrong not in text
    assert re.search(r"unfamiliar, though they are not: 0\.000 \[0\.000, 0\.[12]\d\d\]", text)
    assert re.search(r"out of fold \| 1\.000 \[0\.[78]\d\d, 1\.000\]", text)
    assert "1.000 (no interval: 1 sample)" in text


def test_a_model_of_a_quantity_has_a_card_in_its_unit() -> None:
    facts = Facts.parse(json.loads(json.dumps(make_facts(quantity("eV", [1.0, 2.0])).to_dict())))
    assert facts.task.record() == {"name": "quantity", "unit": "eV", "levels": [1.0, 2.0], "form": ".3g"}
    text = card(facts)
    assert "| images | accuracy in bins | R2 | RMSE | MAE | of |\n|---|---|---|---|---|---|\n" in text
    assert "| 0.77 [0.67, 0.87] eV | 40 images of 20 samples |" in text
    assert "MAE 0.87 eV (means" in text


def test_facts_of_another_version_are_refused() -> None:
    written = json.loads(json.dumps(make_facts().to_dict()))
    with pytest.raises(ValueError, match="is of version 2, this tmdscope reads version 1"):
        Facts.parse({**written, "version": 2})
    first = {key: value for key, value in written.items() if key not in ("version", "task", "not_trained")}
    assert Facts.parse(first).task.record() == CLASSES.record()


def test_classes_that_are_no_materials_are_called_classes() -> None:
    facts = make_facts()
    data = replace(
        facts.data, images_of_class={"900 C": 3, "950 C": 4}, samples_of_class={"900 C": 1, "950 C": 2}
    )
    text = card(replace(facts, classes=["900 C", "950 C"], data=data))
    assert "which of 2 classes (900 C, 950 C)" in text
    assert "| class | images | samples |" in text
    assert "material" not in text.partition("## Licence")[0]


def test_a_card_of_windows_speaks_of_frames() -> None:
    facts = make_facts()
    text = card(replace(facts, data=replace(facts.data, source="simulated STEM frames")))
    assert "a window of a scanning transmission electron microscope's frame" in text
    assert "nothing here says how it does on real frames" in text
    assert "None: the images are simulated." in text
    assert "atomic force" not in text
