"""Whether the audit tells surface from campaign, on simulated scans where the truth is known.

Three studies are simulated anew for every seed, each of samples in campaigns of three to six that hold one
class:

- `surface`: the surface depends on the class, the instrument on neither class nor campaign. The audit is
right
  when it finds no campaign effect.
- `campaign`: every surface is grown alike, and scan lines are shifted by a wave whose period and height are
the
  campaign's own, as mains or a pump leaves one. The audit is right when it says that the score is campaign.
- `planted`: an image copied into a sample of another part of the split, a slightly changed copy, and a
sample put on
  both sides. The audit is right when it finds all three.

A classifier sees statistics of the simulated heights (power along and across scan lines, quantiles), no
network. Nothing is timed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.audit.campaigns import MOSTLY, NONE
from tmdscope.audit.duplicates import find_duplicates
from tmdscope.audit.groups import count_groups
from tmdscope.audit.statistics import spectra
from tmdscope.audit.study import audit
from tmdscope.dataset.splits import Split, make_split
from tmdscope.files import sha256_array
from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scan.growth import draw_growth
from tmdscope.scan.instrument import draw_instrument
from tmdscope.scan.level import remove_plane
from tmdscope.scan.simulate import simulate_scan
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES as BY_CLASS

NAME = "audit-seeds"

SEEDS = 100
CLASSES = ("MoS2", "WSe2", "Mo-WSe2")
SAMPLES, IMAGES, SIZE_PX, FRAME_NM = 90, 2, 48, 500.0
CAMPAIGN = (3, 6)
"""Fewest and most samples of a campaign."""
WAVE_PER_LINE, WAVE_NM = (0.04, 0.46), (0.5, 2.0)
"""Waves per scan line and height of a campaign's line noise, drawn evenly."""
BANDS = 23
"""Of the power spectra, each about one frequency wide."""

PARAMS = AuditParams(
    folds=5,
    blocks=10,
    gap_quantile=0.75,
    embargo=[6],
    draws=4,
    arrangements=10,
    permutations=19,
    shares=[0.25, 0.5, 0.75, 1.0],
    near_quantile=0.99,
    few_samples=5,
    seed=1,
)
SCORING = ScoringParams(bootstrap=1000, seed=1)


@dataclass(frozen=True)
class Plan:
    """Samples in campaigns.

    Attributes
    ----------
    labels : numpy.ndarray
        Class of each sample, int64, shape (SAMPLES,).
    campaign : numpy.ndarray
        Campaign of each sample, rising, int64, shape (SAMPLES,).
    order : numpy.ndarray
        Number of each sample; one campaign ends 20 to 200 numbers before the next.
    """

    labels: NDArray[np.int64]
    campaign: NDArray[np.int64]
    order: NDArray[np.float64]


def draw_plan(rng: np.random.Generator) -> Plan:
    """Draw campaigns of one class each; neighbouring ones may hold the same.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the study.

    Returns
    -------
    Plan
        Every class has at least four campaigns.
    """
    while True:
        lengths = rng.integers(CAMPAIGN[0], CAMPAIGN[1] + 1, SAMPLES)
        campaign = np.repeat(np.arange(SAMPLES), lengths)[:SAMPLES]
        classes = rng.integers(len(CLASSES), size=SAMPLES)
        if np.bincount(classes[: campaign[-1] + 1], minlength=len(CLASSES)).min() >= 4:
            break
    jumps = np.where(np.diff(campaign, prepend=0) > 0, rng.integers(20, 200, SAMPLES), 1)
    return Plan(classes[campaign], campaign, np.cumsum(jumps).astype(np.float64))


def simulate_study(seed: int, by_campaign: bool) -> Cohort:
    """Simulate a study.

    Parameters
    ----------
    seed : int
        Of everything.
    by_campaign : bool
        Whether the campaign's line noise is what differs, else the class's surface.

    Returns
    -------
    Cohort
        `SAMPLES` samples of `IMAGES` images.
    """
    rng = np.random.default_rng([seed, int(by_campaign)])
    plan = draw_plan(rng)
    waves, heights_nm = rng.uniform(*WAVE_PER_LINE, size=SAMPLES), rng.uniform(*WAVE_NM, size=SAMPLES)
    heights = []
    for label, campaign in zip(plan.labels, plan.campaign, strict=True):
        growth = draw_growth(CLASSES[0] if by_campaign else CLASSES[label], rng)
        instrument = draw_instrument(rng)
        for _ in range(IMAGES):
            height = simulate_scan(growth, instrument, SIZE_PX, FRAME_NM, rng).scan.height_nm
            if by_campaign:
                phase = 2 * np.pi * (waves[campaign] * np.arange(SIZE_PX) + rng.random())
                height = height + (heights_nm[campaign] * np.sin(phase))[:, None].astype(np.float32)
            heights.append(height)
    features = spectra(np.stack([remove_plane(height) for height in heights]), BANDS)
    return Cohort(
        task=BY_CLASS,
        features=features,
        image_ids=np.arange(len(heights)).astype(str),
        sample_ids=np.repeat([f"S{int(number):05d}" for number in plan.order], IMAGES),
        targets=np.repeat(plan.labels, IMAGES),
        classes=CLASSES,
        image_sha256=np.array([sha256_array(height) for height in heights]),
        order=np.repeat(plan.order, IMAGES),
    )


def effects(table: Cohort) -> dict[str, str]:
    """Audit a study and give what it says of campaigns.

    Parameters
    ----------
    table : Cohort
        The study.

    Returns
    -------
    dict
        ``verdict``, and each way of holding campaigns out, to `NONE`, `SOME` or `MOSTLY`.
    """
    found = audit(table, {}, PARAMS, SCORING, {})
    ways = {campaigns.name: campaigns.effect for campaigns in found.campaigns}
    return {"verdict": found.verdict.campaign, **ways}


def plant(table: Cohort, seed: int) -> tuple[Cohort, dict[str, NDArray[np.int64]]]:
    """Plant a duplicate, a near duplicate and a shared sample across a sound split.

    Parameters
    ----------
    table : Cohort
        A study.
    seed : int
        Chooses where.

    Returns
    -------
    tuple
        The study and the parts of its split.
    """
    rng = np.random.default_rng([seed, 2])
    names = [f"{row:04d}" for row in range(len(table.targets))]
    split: Split = make_split(table.targets, table.sample_ids.tolist(), names, 5, 4)
    parts = {name: np.array([int(image) for image in ids]) for name, ids in split.parts.items()}
    test, train = parts["test"], parts["fold0_train"]
    features, hashes = table.features.copy(), table.image_sha256.copy()
    samples = table.sample_ids.astype(object)
    (copied, nearly, shared), (source, like, host) = (
        rng.choice(part, 3, replace=False) for part in (test, train)
    )
    features[copied], hashes[copied] = features[source], hashes[source]
    features[nearly] = features[like] * (1 + 0.001 * rng.standard_normal(features.shape[1]))
    samples[shared] = samples[host]
    return replace(table, features=features, image_sha256=hashes, sample_ids=samples.astype(str)), parts


def finds_all(table: Cohort, parts: dict[str, NDArray[np.int64]]) -> dict[str, bool]:
    """Say which of the three plants an audit finds.

    Parameters
    ----------
    table : Cohort
        As `plant`.
    parts : dict
        As `plant`.

    Returns
    -------
    dict
        ``duplicate``, ``near duplicate`` and ``shared sample``.
    """
    duplicates = find_duplicates(table, parts, PARAMS.near_quantile)
    near = duplicates.near
    groups = count_groups(table, parts, PARAMS.few_samples)
    return {
        "duplicate": "test | fold0_train" in duplicates.exact.across_parts,
        "near duplicate": near is not None and "test | fold0_train" in near.across_parts,
        "shared sample": "test | fold0_train" in groups.shared,
    }


def judge_seed(seed: int) -> dict[str, dict[str, Any]]:
    """Simulate and audit the three studies of one seed.

    Parameters
    ----------
    seed : int
        Of everything.

    Returns
    -------
    dict
        ``surface`` and ``campaign``: as `effects`; ``planted``: as `finds_all`.
    """
    surface = simulate_study(seed, by_campaign=False)
    return {
        "surface": effects(surface),
        "campaign": effects(simulate_study(seed, by_campaign=True)),
        "planted": finds_all(*plant(surface, seed)),
    }


def count(judged: Sequence[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Count over seeds.

    Parameters
    ----------
    judged : sequence of dict
        As `judge_seed`.

    Returns
    -------
    dict
        ``benchmark, seeds``; for each study what was said or found, and in how many seeds; ``right``: seeds
        in which the verdict is right.
    """
    said = {
        study: {way: dict(Counter(str(seed[study][way]) for seed in judged)) for way in judged[0][study]}
        for study in ("surface", "campaign", "planted")
    }
    right = {
        "surface": said["surface"]["verdict"].get(NONE, 0),
        "campaign": said["campaign"]["verdict"].get(MOSTLY, 0),
        "planted": sum(all(seed["planted"].values()) for seed in judged),
    }
    return {"benchmark": NAME, "seeds": len(judged), **said, "right": right}


def report() -> dict[str, Any]:
    """Judge every seed.

    Returns
    -------
    dict
        As `count`.
    """
    return count([judge_seed(seed) for seed in range(SEEDS)])
