import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from tmdscope.learn.summary import Cohort
from tmdscope.lifecycle.card import compose_card
from tmdscope.reliability.reliability import Assessment, measure
from tmdscope.tracking.registry import Version

VERSION = Version("classifier", 3, "ab" * 16, {"files.sha256": "cd" * 32})
TAGS = {
    "git.commit": "1234abcd",
    "git.dirty": "false",
    "params.sha256": "ef" * 32,
    "threads": "2",
    "device": "cpu",
}


def make_facts(**changes: Any) -> dict[str, Any]:
    pooled = {
        "images": 40,
        "samples": 20,
        "accuracy": 0.81,
        "accuracy_ci95": [0.7, 0.9],
        "macro_f1": 0.793,
        "macro_f1_ci95": [0.68, 0.88],
    }
    facts: dict[str, Any] = {
        "classes": ["MoS2", "WSe2"],
        "encoding": "multiclass",
        "architecture": "resnet18",
        "settings": {"strategy": "features", "epochs": 60, "seed": 1},
        "data": {
            "source": "tmd-afm",
            "sha256": "12" * 32,
            "images": 200,
            "samples": 100,
            "images_of_class": {"MoS2": 150, "WSe2": 50},
            "samples_of_class": {"MoS2": 92, "WSe2": 8},
            "repeated_images": 3,
        },
        "split": {"folds": 5, "test_images": 40, "test_samples": 20},
        "audit": {"problems": [], "warnings": ["fold 1 has no image of WSe2"]},
        "scores": {
            "out_of_fold": {**pooled, "distinct": pooled},
            "ensemble_test": {**pooled, "distinct": pooled},
        },
        "baseline": {
            "test_accuracy": {"mean": 0.98, "std": 0.0},
            "test_macro_f1": {"mean": 0.97, "std": 0.0},
        },
        "reliability": {
            "images": 40,
            "samples": 20,
            "ece_before": 0.081,
            "ece_after": 0.042,
            "coverage": 0.92,
            "coverage_ci95": [0.85, 0.98],
            "set_size": 1.4,
            "flagged": 0.025,
            "flagged_ci95": [0.0, 0.07],
        },
    }
    return {**facts, **changes}


def card(facts: Mapping[str, Any], **tags: str) -> str:
    return compose_card(VERSION, facts, {**TAGS, **tags}, "campaigns failed (2026-01-02)")


def test_a_card_holds_the_numbers_of_its_run() -> None:
    text = card(make_facts())
    for shown in (
        "# classifier version 3",
        "0.793 [0.680, 0.880]",
        "test accuracy 0.980",
        "0.081 as it is",
        "0.920 [0.850, 0.980]",
        "1.40 materials",
        "| WSe2 | 50 | 8 |",
        "`1234abcd`",
        "12" * 32,
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
    unsound = make_facts(audit={"problems": ["sample 'a' is in both"], "warnings": []})
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
    facts = make_facts()
    facts["data"]["source"] = source
    text = card(facts)
    assert told in text
    assert ("Trained and scored on simulated images" in text) == (source == "simulated")


def test_what_cannot_be_said_is_not_made_up() -> None:
    assert "no baseline can be made" in card(make_facts(baseline=None))
    assert "not committed" in card(make_facts(), **{"git.dirty": "true"})
    incomplete = make_facts()
    del incomplete["reliability"]["coverage"]
    with pytest.raises(KeyError, match="coverage"):
        card(incomplete)


def test_a_sequence_shows_the_settings_of_its_stages() -> None:
    text = card(make_facts(settings={"order": ["MoS2"], "training": {"epochs": 15, "strategy": "features"}}))
    assert "- epochs: 15" in text


def test_it_says_what_the_audit_found() -> None:
    assert "- Newest audit of the study when this card was written: campaigns failed (2026-01-02).\n" in card(
        make_facts()
    )


def test_a_card_shows_names_as_they_were_written() -> None:
    names = ["Fe(II) 100%", "<img src=x> | a_b"]
    data = make_facts()["data"] | {
        f"{what}_of_class": dict.fromkeys(names, 9) for what in ("images", "samples")
    }
    text = card(make_facts(classes=names, data=data))
    assert "| Fe(II) 100% | 9 | 9 |" in text
    assert r"| \<img src=x\> \| a\_b | 9 | 9 |" in text
    assert "<img" not in text.replace(r"\<", "")


def test_a_perfect_tiny_model_shows_a_width_and_one_sample_shows_none() -> None:
    """31 right images of 17 samples and no false alarm had intervals without a width."""
    labels, ids = np.arange(31) % 2, np.arange(31) % 17
    cohort = Cohort(labels, ids, np.ones(31, dtype=bool), 500, 1)
    pooled = cohort.pooled(np.arange(31), labels)
    even = np.full((31, 2), 0.5)
    sets, familiar = np.ones((31, 2), dtype=bool), np.zeros(31, dtype=bool)
    reliability = measure(
        Assessment(even, even, sets, np.ones(31), familiar, np.zeros(31)), labels, ids, 500, 1
    )
    alone = Cohort(labels[:2], np.zeros(2), np.ones(2, dtype=bool), 500, 1).pooled(np.arange(2), labels[:2])
    facts = make_facts(
        scores={"out_of_fold": pooled, "ensemble_test": {**pooled, "distinct": alone}},
        reliability=asdict(reliability),
    )
    text = card(json.loads(json.dumps(facts)))
    for wrong in ("1.000 [1.000, 1.000]", "0.000 [0.000, 0.000]"):
        assert wrong not in text
    assert re.search(r"unfamiliar, though they are not: 0\.000 \[0\.000, 0\.[12]\d\d\]", text)
    assert re.search(r"out of fold \| 1\.000 \[0\.[78]\d\d, 1\.000\]", text)
    assert "1.000 (no interval: 1 sample)" in text
