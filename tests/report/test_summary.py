"""The first sentences say what their intervals say, and nothing more."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.report.attributions import ATTRIBUTION
from tests.report.numbers import RELATIONS, audited
from tests.report.study import dataset, study
from tests.report.test_latent import view
from tests.report.test_sequential import METRIC, sequence
from tmdscope.analysis.record import Attribution
from tmdscope.audit.record import Check
from tmdscope.report.sections.attribution import Attributions
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.experiments import Experiments
from tmdscope.report.sections.gains import PRETRAINING, Gain, Gains
from tmdscope.report.sections.sequential import SequencesPart
from tmdscope.report.text import UNDECIDED, decided
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import NO_INTERVAL, Estimate
from tmdscope.scores.task import CLASSES


def copy(content: Any) -> Any:
    return json.loads(json.dumps(content))


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((0.01, 0.2), "more"),
        ((-0.2, -0.01), "less"),
        ((-0.1, 0.2), UNDECIDED),
        ((0.0, 0.2), UNDECIDED),
        ((-0.2, 0.0), UNDECIDED),
        ((0.0, 0.0), UNDECIDED),
    ],
)
def test_only_an_interval_without_0_decides(interval: tuple[float, float], says: str) -> None:
    assert decided(interval, "more", "less") == says


@pytest.mark.parametrize(
    ("bounds", "says"),
    [((0.1, 0.9), "pre-training helps"), ((-0.1, 0.9), UNDECIDED), (None, f"not decided, {NO_INTERVAL}")],
    ids=["clear", "open", "one sample"],
)
def test_pretraining_helps_only_where_both_intervals_say_so(bounds: Any, says: str) -> None:
    names = [metric.name for metric in CLASSES.metrics]
    one = Estimate(dict.fromkeys(names, 0.5), dict.fromkeys(names, bounds), 20, 10)
    gains = [Gain("pre", "zero", ("imagenet", "none"), 4, (), {"ensemble_test": one, "out_of_fold": one})]
    part = Gains(PRETRAINING, gains, CLASSES, "20 images")
    (said,), claim = part.sentences(), part.claim()
    assert " pre less zero, macro F1: on the held-out test " in said
    assert claim is not None
    answer, _, shown = claim.sentence.partition(" Beside: ")
    assert answer == ("Yes." if bounds and bounds[0] > 0 else "These images do not decide it.")
    assert shown == "pre (imagenet weights) less zero (random weights), held-out test."
    assert said.count(says) == 2


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((-0.3, -0.1), "the order alone says more"),
        ((-0.3, 0.1), UNDECIDED),
        ((0.1, 0.3), "the images say more"),
    ],
)
def test_order_and_images_are_told_apart_by_the_paired_interval(
    interval: tuple[float, float], says: str
) -> None:
    found = audited()
    (order,) = (item for item in found.confounds if item.name == "order")
    assert order.beyond is not None
    beyond = replace(order.beyond, bounds={"accuracy": interval})
    found = replace(found, confounds=[replace(order, beyond=beyond)])
    said = AuditPart(found).order()
    assert said is not None
    assert said.endswith(f"points of accuracy: {says}.")
    assert said in AuditPart(found).sentences()


def test_without_an_order_nothing_is_said_of_it() -> None:
    assert AuditPart(audited(order=False)).order() is None


def test_failed_and_open_checks_are_named() -> None:
    checks = [Check("campaigns", False, ""), Check("folds", None, "")]
    verdict = replace(audited().verdict, headline="The score is campaign.", checks=checks)
    found = replace(audited(), verdict=verdict)
    assert AuditPart(found).sentences()[1:] == [
        "Audit of frozen features: The score is campaign.",
        "Checks that failed: campaigns; cannot be told: folds.",
    ]
    passed = replace(verdict, checks=[Check("campaigns", True, "")])
    assert AuditPart(replace(found, verdict=passed)).sentences()[-1] == "None of 1 checks failed."


def test_sequences_are_held_against_equal_training() -> None:
    questions = {"sequential - direct-equal-budget": -0.1, "sequential - direct": 0.5}
    (said,) = SequencesPart(sequence(differences=questions), METRIC, []).sentences()
    assert said.count("-0.100 [-0.120, -0.080]: training anew is better") == 2
    assert "0.500" not in said
    assert SequencesPart(None, METRIC, []).sentences() == []


def test_the_strongest_measured_descriptor_is_named_with_its_rate() -> None:
    found = copy(RELATIONS)
    weak = found["descriptors"]["grain_density"]
    strong = {**weak, "strongest": {**weak["strongest"], "r": -0.6, "r_ci95": [-0.8, 0.1], "q": 0.3}}
    (said,) = view(**found).sentences()
    assert "grain density" in said
    assert "r 0.480 [0.400, 0.550] with PC2" in said
    assert "it rises with the component. It survives a false discovery rate of 0.05" in said
    truth = {**strong, "strongest": {**strong["strongest"], "r": 0.99}}
    found["descriptors"] |= {"edge_length": strong, "true_coverage": truth}
    (said,) = view(**found).sentences()
    assert "Of 2 measured descriptors edge length" in said
    assert f"{UNDECIDED}. It does not survive" in said


def test_missing_descriptors_are_said_to_be_missing() -> None:
    assert view(descriptors="not available.").sentences() == ["Descriptors and the embedding: not available."]
    assert view(descriptors={}).sentences() == []


def test_sanity_is_of_the_last_step_with_its_interval() -> None:
    (said,) = Attributions(Attribution.parse(ATTRIBUTION), {}, dataset(), "").sentences()
    assert "CAM (channel sum) 0.250 [0.100, 0.400]: more alike than chance, so in part not learnt" in said
    assert "Grad-CAM" not in said.partition("anew")[2]  # unknown there
    assert "occlusion 0.100, without an interval" in said


def test_the_baseline_is_set_beside_without_a_claim() -> None:
    part = study().part(Experiments)
    said = replace(part, baseline={"test_accuracy": MeanStd(0.9, 0.1)}).sentences()[-1]
    assert "accuracy 90.0 ± 10.0 % on the held-out test, a model of finetune 75.0 ± 5.0 %" in said
    assert "no interval" in said
    assert "cannot be said" in replace(part, baseline=None).sentences()[-1]
