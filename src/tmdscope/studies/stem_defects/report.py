"""The report: detectors, classes, the leak, and what a movie gave."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.files import open_array, read_table
from tmdscope.jobs.study import Study
from tmdscope.params.common import ScoringParams
from tmdscope.record import read_record
from tmdscope.report.figures.defects import (
    annotated,
    broom,
    by_noise,
    counts_over_time,
    gif,
    trajectories,
    transition_diagram,
)
from tmdscope.report.page import Figure, Paragraph, Section, Table
from tmdscope.report.part import Part, Report
from tmdscope.report.sections.provenance import Provenance, Reproduction, read_runs
from tmdscope.report.text import percent, readable, with_interval
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.records import StudyScores
from tmdscope.scores.task import CLASSES, DETECTIONS
from tmdscope.stem.crystal import PRISTINE
from tmdscope.stem.rates import transitions
from tmdscope.studies.stem_defects.params import SimulateParams
from tmdscope.studies.stem_defects.records import BORDER_ONLY, MOVIE, RATES, RUN, TRACKS, TRUTH, Leak, Rates
from tmdscope.studies.stem_defects.study import windows_of

ALIKE = ("SW", "VW")
"""Kinds that noise leaves alike: 7 % of a column between them."""
DIMMEST = "VS2"
"""The kind told apart from the others: a dip of 15 % in a dim column."""

SIMULATED = "All data are simulated; nothing here was measured on a microscope."

DETECTORS = {
    "seed": "seed: disc of a tenth of the frame",
    "seed_ring": "seed: disc tied to the Bragg ring",
    "bandpass": "band-pass below the ring",
    "bragg": "Bragg peaks subtracted",
    "sites": "site intensities",
    "unet": "network (U-Net)",
}


def level(noise: float) -> str:
    """Name a noise in a key: ``noise_0.1``."""
    return f"noise_{noise:g}"


def per_frame(table: pd.DataFrame) -> dict[str, float]:
    """Score the outcomes of one detector's frames, by every metric of the task, and the error of places."""
    frames = table.assign(alarm=table["label"] == "").groupby("image_id")
    hits, alarms = frames["hit"].sum().to_numpy(), frames["alarm"].sum().to_numpy()
    objects = frames.size().to_numpy() - alarms
    found = DETECTIONS.scores(objects, np.stack([hits, alarms], axis=1))
    rms = float(np.sqrt((table["away_px"].dropna() ** 2).mean()))
    keys = {"false_alarms": "false_alarms_per_frame"}
    scores = {**{keys.get(name, name): value for name, value in found.items()}, "rms_px": rms}
    return {name: value for name, value in scores.items() if np.isfinite(value)}


@dataclass(frozen=True)
class Detection(Part):
    """How well every detector finds what there is, by noise, on conditions that it never saw."""

    outcomes: pd.DataFrame

    @cached_property
    def scores(self) -> dict[str, dict[float, dict[str, Any]]]:
        """Scores by detector and noise; ``found_by_kind`` has the share of each kind that is found."""
        return {
            str(name): {float(noise): self._scored(own) for noise, own in of.groupby("noise")}
            for name, of in self.outcomes.groupby("detector", sort=False)
        }

    @staticmethod
    def _scored(own: pd.DataFrame) -> dict[str, Any]:
        there = own[own["label"] != ""]
        by_kind = there.groupby("label")["hit"].mean().to_dict()
        bright = there[there["label"] != DIMMEST]["hit"].mean()
        return {**per_frame(own), "found_by_kind": by_kind, "found_but_dimmest": float(bright)}

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        told = {name: {level(k): own for k, own in of.items()} for name, of in self.scores.items()}
        return {"localise": told}

    def sentences(self) -> list[str]:
        """Say what the best one does at usual noise."""
        noise = min(self.noises, key=lambda k: abs(k - 0.1))
        best = max(self.scores, key=lambda name: self.scores[name][noise][DETECTIONS.primary.name])
        own = self.scores[best][noise]
        return [
            (
                f"At noise {noise:g} the best detector ({DETECTORS.get(best, best)}) finds "
                f"{percent(own['found_but_dimmest'])} % of all defects but {DIMMEST} and "
                f"{percent(own['found_by_kind'].get(DIMMEST, float('nan')))} % of {DIMMEST}, with "
                f"{own['false_alarms_per_frame']:.2f} false alarms a frame and {own['rms_px']:.2f} px rms."
            )
        ]

    @property
    def noises(self) -> list[float]:
        """Every noise of frames."""
        return sorted(self.outcomes["noise"].unique().tolist())

    def section(self) -> Section:
        """Write the table and curves."""
        kinds = sorted(set(self.outcomes["label"]) - {""})
        rows = []
        for name, of in self.scores.items():
            for noise, own in of.items():
                shares = {kind: percent(own["found_by_kind"].get(kind, 0.0), 0) for kind in kinds}
                told = {metric.title: metric.tell(own.get(metric.name)) for metric in DETECTIONS.metrics[:2]}
                rows.append(
                    {
                        "Detector": DETECTORS.get(name, name),
                        "noise": f"{noise:g}",
                        **told,
                        "false alarms a frame": f"{own['false_alarms_per_frame']:.2f}",
                        "rms (px)": f"{own.get('rms_px', float('nan')):.2f}",
                        **shares,
                    }
                )
        found = {
            name: {k: own["found_but_dimmest"] for k, own in of.items()} for name, of in self.scores.items()
        }
        caption = f"Share of all defects but {DIMMEST} that is found, by noise; dashed: 0.97."
        return Section(
            "Finding defects",
            [
                Paragraph(
                    "Frames are simulated under drawn conditions (pixel size, probe, exponent of the "
                    "atomic number, contamination, disorder, strain). What is trained never saw the "
                    "condition it is judged on. A detection within the distance of two neighbouring "
                    "columns is a hit, one to one; the border does not count. Kinds: per cent found."
                ),
                Table.of("Detectors on conditions never seen", rows),
                Figure(caption, "share found by noise", by_noise(found, "share found", 0.97)),
            ],
        )


@dataclass(frozen=True)
class Naming(Part):
    """How well windows are named, by noise: all classes, two of them merged, and what controls say."""

    predictions: pd.DataFrame
    scores: StudyScores
    target_noise: float

    @cached_property
    def by_method(self) -> dict[str, dict[float, dict[str, float]]]:
        """Shares of right names by method and noise: ``six``, ``merged``, ``pair``, ``seven``."""
        return {
            str(name): {float(noise): named(own) for noise, own in of.groupby("noise")}
            for name, of in self.predictions.groupby("method", sort=False)
        }

    @property
    def best(self) -> str:
        """The method that names most of the six right at usual noise."""
        honest = [name for name in self.by_method if name != BORDER_ONLY]
        return max(honest, key=lambda name: self.by_method[name][self.target_noise]["six"])

    def metrics(self) -> dict[str, Any]:
        """Collect those of the best method at usual noise, and all by method and noise."""
        key, own = CLASSES.plain.name, self.by_method[self.best][self.target_noise]
        told = {name: {level(k): one for k, one in of.items()} for name, of in self.by_method.items()}
        best = {name: {key: own[name]} for name in ("six", "merged")}
        return {"classify": {**best, "method": self.best, "noise": self.target_noise, "by_method": told}}

    def sentences(self) -> list[str]:
        """Say what the best method does."""
        own = self.by_method[self.best][self.target_noise]
        border = self.by_method.get(BORDER_ONLY, {}).get(self.target_noise, {}).get("pair")
        told = f"; the border of the window alone tells these two in {percent(border)} %" if border else ""
        return [
            (
                f"At noise {self.target_noise:g}, on conditions never seen, {self.best} names "
                f"{percent(own['six'])} % of the six kinds right, {percent(own['merged'])} % with "
                f"{' and '.join(ALIKE)} as one{told}."
            )
        ]

    def section(self) -> Section:
        """Write the table, curves and pooled scores."""
        rows = [
            {
                "Method": name,
                "noise": f"{noise:g}",
                "six kinds": percent(own["six"]),
                f"{'+'.join(ALIKE)} merged": percent(own["merged"]),
                f"{' against '.join(ALIKE)}": percent(own["pair"]),
                f"with {PRISTINE}": percent(own["seven"]),
            }
            for name, of in self.by_method.items()
            for noise, own in of.items()
        ]
        pooled = [
            {
                "Method": name,
                **_with_intervals(one.pooled.all),
            }
            for name, one in self.scores.classifiers.items()
        ]
        curve = {name: {k: own["six"] for k, own in of.items()} for name, of in self.by_method.items()}
        return Section(
            "Naming defects",
            [
                Paragraph(
                    "Noise is added before anything is scaled, and the scale is the frame's. A matched "
                    "filter that knows place and probe tells SW from VW in 88.5 % of cases at noise 0.1, "
                    "which bounds six even classes by 96 %; what lies above it is a leak. The border of a "
                    "window tells which sublattice a site is of, and must not tell SW from VW: half is "
                    "chance."
                ),
                Table.of("Per cent named right, by noise, on conditions never seen", rows),
                Table.of("All noises together, with 95 % intervals over conditions", pooled),
                Figure(
                    "Share of the six kinds named right.", "share by noise", by_noise(curve, "share right")
                ),
            ],
        )


def _with_intervals(scores: Estimate) -> dict[str, str]:
    return {m.title: with_interval(scores.values[m.name], scores.bounds.get(m.name)) for m in CLASSES.metrics}


def named(own: pd.DataFrame) -> dict[str, float]:
    """Give shares named right: of six kinds, with two merged, of those two, and of all with pristine."""
    true, said = (own[name].to_numpy(dtype=object) for name in ("label", "predicted"))
    six, pair = true != PRISTINE, np.isin(true.astype(str), ALIKE)
    among = pair & np.isin(said.astype(str), ALIKE)
    same = true == said
    alike = same | among
    return {
        "six": float(same[six].mean()),
        "merged": float(alike[six].mean()),
        "pair": float(same[among].mean()) if among.any() else 0.5,
        "seven": float(same.mean()),
    }


@dataclass(frozen=True)
class Leaky(Part):
    """The seed's order and split beside honest ones."""

    leak: Leak

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        return {"leak": {"scores": self.leak.scores, "border": self.leak.border}}

    def section(self) -> Section:
        """Write it, with the reason in words."""
        words = {
            "scaled_first": "each picture scaled, then noise (the seed)",
            "noise_first": "noise, then scaled",
        }
        rows = [
            {
                "Order": words[order],
                "random split": percent(own["random"]),
                "by original": percent(own["by_original"]),
                "by condition": percent(own["by_condition"]),
                "SW against VW from the border alone": percent(self.leak.border[order]),
            }
            for order, own in self.leak.scores.items()
        ]
        return Section(
            "What a leak does",
            [
                Paragraph(
                    "The poster names 95.68 % of test pictures right. Its pictures are copies of 45 "
                    "originals, split at random, so that nearly every test picture has siblings in "
                    "training; all originals of a class are rotations of one structure; and each was "
                    "scaled from its darkest to its brightest pixel before noise came, so that how dark "
                    f"the defect is stands in every pixel. The same network, on {self.leak.pictures} copies "
                    "made that way and on honest ones:"
                ),
                Table.of(f"Per cent named right ({self.leak.metric})", rows),
            ],
        )


@dataclass(frozen=True)
class Following(Part):
    """What a movie gave, beside the truth."""

    rates: Rates
    tracks: pd.DataFrame
    truth: pd.DataFrame
    frames: NDArray[np.uint8]
    names: Sequence[str]
    scoring: ScoringParams

    def metrics(self) -> dict[str, Any]:
        """Collect all."""
        own = asdict(self.rates)
        kept = {name: own[name] for name in ("diffusion", "hop", "change", "flicker", "drift_rms_px")}
        return {"track": {**self.rates.links, **kept}}

    def sentences(self) -> list[str]:
        """Say what diffusion was found."""
        told: Mapping[str, Any] = self.rates.diffusion
        return [
            (
                f"Diffusion over {told['tracks']} tracks: {_interval(told, 1e3)} of 1e-3 nm2/s, "
                f"{told['true'] * 1e3:.2f} is true; the published formula gives "
                f"{told['published_formula'] * 1e3:.2f}, about a sixth."
            )
        ]

    def section(self) -> Section:
        """Write rates, the marked movie and figures."""
        rates, own = self.rates, self.tracks
        rows = [
            {
                "Rate": name,
                "true": f"{told['true'] * scale:.3g}",
                "estimated, 95 % over tracks": _interval(told, scale),
            }
            for name, told, scale in (
                ("diffusion (1e-3 nm2/s)", rates.diffusion, 1e3),
                ("hop, chance a frame", rates.hop, 1.0),
                ("change of class, chance a frame", rates.change, 1.0),
            )
        ]
        pictures = [
            annotated(frame, own[own["frame"] == k].assign(label=own["smoothed"]), self.names)
            for k, frame in enumerate(self.frames)
        ]
        told = transitions(own, "smoothed", self.names, self.scoring.bootstrap, self.scoring.seed)
        links = ", ".join(f"{readable(name)} {value:.4g}" for name, value in rates.links.items())
        return Section(
            "Following defects",
            [
                Paragraph(
                    f"A movie of {rates.frames} frames, {rates.seconds:g} s each. Links between consecutive "
                    f"frames: {links}. Drift, from defects that stay, is {rates.drift_rms_px:.3f} px rms "
                    "off. The published formula divides a track's variance by its length, which for a free "
                    "walk is a sixth of the diffusion coefficient."
                ),
                Table.of("Rates", rows),
                Figure(
                    f"The first {len(self.frames)} frames.", "frames with marks", gif(pictures), "image/gif"
                ),
                Figure(
                    "Defects of each class, and the mean of five frames.",
                    "counts",
                    counts_over_time(own, "smoothed", self.names, rates.frames),
                ),
                Figure(
                    "Tracks through time.", "tracks in space and time", broom(own, "smoothed", self.names)
                ),
                Figure(
                    "Tracks on the first frame.",
                    "tracks",
                    trajectories(self.frames[0], own, "smoothed", self.names),
                ),
                Figure(
                    "How often classes become one another from frame to frame.",
                    "transitions",
                    transition_diagram(self.names, told.chance, told.seen),
                ),
            ],
        )


def _interval(told: Mapping[str, Any], scale: float) -> str:
    if told["estimated"] is None:
        return "-"
    bounds = [bound for bound in told["ci95"] or [] if bound is not None]
    words = f" [{', '.join(f'{bound * scale:.3g}' for bound in bounds)}]" if bounds else ""
    return f"{told['estimated'] * scale:.3g}{words}"


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    cohort, windows, folder = study.cohort(study), windows_of(study), study.layout.tables
    of, of_windows = study.of(cohort.digest), windows.of(windows.cohort(windows).digest)
    names = (*study.section("simulate", SimulateParams).layer.names, PRISTINE)
    detection = Detection(read_table(folder / "detections.parquet"))
    predictions = read_table(windows.layout.tables / "predictions.parquet")
    usual = min(predictions["noise"].unique().tolist(), key=lambda k: abs(k - 0.1))
    naming = Naming(predictions, StudyScores.read(windows.layout.scores, of_windows), usual)
    following = Following(
        Rates.read(folder / RATES, of, [folder / TRACKS, folder / TRUTH]),
        read_table(folder / TRACKS),
        read_table(folder / TRUTH),
        np.asarray(open_array(folder / MOVIE)),
        names,
        study.section("scoring", ScoringParams),
    )
    runs = [
        *read_runs(read_record(study.layout.run, of), "detector "),
        *read_runs(read_record(windows.layout.run, of_windows), "windows "),
        *read_runs(read_record(folder / "leak_run.json", of)),
        *read_runs(read_record(folder / RUN, of)),
    ]
    leak = Leaky(Leak.read(folder / "leak.json", of))
    settings = study.layout.settings
    return Report(
        title="Defects in STEM movies",
        lead="Found, named and followed on simulated frames of a single layer.",
        parts=[
            *(detection, naming, leak, following),
            Provenance(runs, f"Frames: SHA-256 {cohort.digest}."),
            Reproduction(runs, f"dvc repro {settings.with_name('dvc.yaml')}", SIMULATED),
        ],
        said=[detection, naming, following],
        note=SIMULATED,
    )
