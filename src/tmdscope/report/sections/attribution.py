"""Where networks find their reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.record import Attribution
from tmdscope.dataset.store import Dataset
from tmdscope.report.answer import correlation
from tmdscope.report.figures.images import Overlay, overlays, sanity_curves
from tmdscope.report.page import Block, Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import decided, percent, readable, with_interval
from tmdscope.scores.bootstrap import Interval

METHODS = {"cam": "CAM (channel sum)", "grad_cam": "Grad-CAM", "occlusion": "occlusion"}
"""Method to how it is called."""

SIGNED = ("grad_cam", "occlusion")
"""Methods that tell for from against."""

Maps = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Attributions(Part):
    """What was found, and the maps of each of `METHODS` with their ``image_ids`` in a data set."""

    found: Attribution
    maps: Maps
    dataset: Dataset
    what: str

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers: without names and settings."""
        left_out = ("version", "model", "settings")
        found = self.found.to_dict().items()
        return {"attribution": {key: value for key, value in found if key not in left_out}}

    def sentences(self) -> list[str]:
        """Say how far the maps depend on what the network learnt; none where no image was shown."""
        parts = []
        for method, steps in self.found.sanity.items():
            last = list(steps.values())[-1]
            if last.mean is None:
                continue
            told = f"{last.mean:.3f}, without an interval"
            if last.ci95 is not None:
                above = "more alike than chance, so in part not learnt"
                says = decided(last.ci95, above, "less alike than chance")
                told = f"{with_interval(last.mean, last.ci95)}: {says}"
            parts.append(f"{METHODS[method]} {told}")
        lead = (
            f"Attribution, sanity on {self.found.shown} images: rank correlation of the maps with those of "
            "the same network after all its weights were drawn anew: "
        )
        return [lead + "; ".join(parts) + "."] if parts else []

    def claim(self) -> Claim | None:
        """Say of a method whether its maps show what was learnt; None where no image was shown."""
        last = {method: list(steps.values())[-1] for method, steps in self.found.sanity.items()}
        for method in sorted(last, key=lambda name: name not in SIGNED):
            mean, bounds = last[method].mean, last[method].ci95
            if mean is not None and bounds is not None:
                told = "stay alike, so they show in part what was not learnt"
                told = told if bounds[0] > 0 else "change, as they should"
                said = f"{METHODS[method]} maps of a network whose weights are drawn anew {told}."
                return Claim(said, correlation(METHODS[method], mean, bounds))
        return None

    def section(self) -> Section:
        """Write where a network finds its reasons, and how far that can be believed."""
        found, model, settings = self.found, self.found.model, self.found.settings
        lead = (
            f"Version {model.version} of {model.name} (alias {model.alias}, fold {model.fold}) on "
            f"{found.images} held-out images, {found.correct} of them predicted rightly; "
            f"{found.shown} of those are occluded and shown. The maps of {settings.layer} have "
            f"{found.map_px} x {found.map_px} values: CAM and Grad-CAM cannot be finer. CAM is the paper's "
            "sum over channels, which no class enters; Grad-CAM and occlusion explain the class that the "
            f"network names. Occlusion: a square of {settings.patch_px} px of grey value {settings.grey}, "
            f"every {settings.stride_px} px."
        )
        blocks: list[Block] = [Paragraph(lead)]
        if found.shown:
            blocks.append(
                Figure(
                    "Held-out images and their maps; red speaks for the predicted class, blue against it; "
                    "CAM has no sign.",
                    "Rows of grey images overlaid with attribution maps.",
                    overlays(_shown(self.maps, self.dataset), METHODS, SIGNED),
                )
            )
        blocks += [_agreement(found, self.what), _sanity(found), *_truth(found)]
        return Section("What the network looks at", blocks)


def _shown(maps: Maps, dataset: Dataset) -> list[Overlay]:
    rows = dataset.rows([str(name) for name in maps["image_ids"]])
    table = dataset.manifest.iloc[rows]
    scale = table.get("pixel_size_nm", pd.Series(np.nan, index=table.index)).to_numpy(np.float64)
    return [
        Overlay(
            np.array(dataset.images[row]),
            f"{table['label'].iloc[place]}\n{table['image_id'].iloc[place]}",
            float(scale[place]),
            {method: maps[method][place] for method in METHODS},
        )
        for place, row in enumerate(rows)
    ]


def _agreement(found: Attribution, what: str) -> Table:
    rows = []
    for pair, item in found.agreement.items():
        first, second = (METHODS[name] for name in pair.split("-"))
        chance = "-" if item.other_image is None else f"{item.other_image:.2f}"
        rows.append([f"{first} and {second}", _mean(item), chance, str(item.images)])
    return Table(
        f"Do the methods agree ({what})? Spearman's rank correlation of their maps, mean over the images "
        "shown with the 95 % interval over samples, and between maps of different images, which is what "
        "the frame alone makes alike",
        ["Methods", "same image", "different images", "images"],
        rows,
    )


def _sanity(found: Attribution) -> Figure:
    return Figure(
        "Sanity check, images shown: rank correlation of the maps with those of the same network after its "
        "weights were drawn anew from the output down (Adebayo et al. 2018). What stays near 1 does not show "
        "what the network learnt there; the channel sum cannot depend on the head.",
        "Rank correlation with the trained network's maps over the parts that are random.",
        sanity_curves(found.sanity, METHODS),
    )


def _truth(found: Attribution) -> list[Block]:
    if not found.truth:
        return []
    rows = []
    for feature, methods in found.truth.items():
        for method, item in methods.items():
            if item.mass is None or item.area is None:
                continue
            rows.append(
                [
                    f"{readable(feature)}: {METHODS[method]}",
                    percent(item.mass),
                    percent(item.area),
                    _mean(item.gain, share=True),
                    _mean(item.hit, share=True),
                    str(item.gain.images),
                ]
            )
    return [
        Table(
            "What the maps lie on: share of the positive attribution (%) on features that the simulator put "
            f"into held-out images (widened by {found.settings.tolerance_px} px), the share of the "
            "image that they fill, the difference, and how often the highest point lies on one (pointing "
            "game; by chance: the share they fill). 95 % intervals over samples. A difference whose interval "
            "holds 0 shows no preference",
            ["Feature and method", "on it", "it fills", "difference", "highest point", "images"],
            rows,
        )
    ]


def _mean(item: Interval, share: bool = False) -> str:
    if item.mean is None:
        return "-"
    if item.ci95 is None and item.samples > 1:
        return (percent(item.mean) if share else f"{item.mean:.3f}") + " (all alike)"
    return with_interval(item.mean, item.ci95, percent=share)
