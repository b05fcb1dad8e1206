"""The part of a report about where networks find their reasons."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.report.figures.attribution import Overlay, overlays, sanity_curves
from tmdscope.report.figures.relations import readable
from tmdscope.report.page import Block, Figure, Paragraph, Section, Table, with_interval

METHODS = {"cam": "CAM (channel sum)", "grad_cam": "Grad-CAM", "occlusion": "occlusion"}
"""Method to how it is called."""

SIGNED = ("grad_cam", "occlusion")
"""Methods that tell for from against."""

Maps = Mapping[str, NDArray[Any]]


def attribution_metrics(found: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the numbers of ``attribution.json`` that DVC compares: without names and settings."""
    return {key: value for key, value in found.items() if key not in ("model", "settings")}


def attribution_section(found: Mapping[str, Any], maps: Maps, dataset: Dataset, what: str) -> Section:
    """Write where a network finds its reasons, and how far that can be believed.

    `found` is ``attribution.json``, `maps` is ``maps.npz`` (``image_ids``, and the maps of each of
    `METHODS`).
    """
    model, settings = found["model"], found["settings"]
    lead = (
        f"Version {model['version']} of {model['name']} (alias {model['alias']}, fold {model['fold']}) on "
        f"{found['images']} held-out images, {found['correct']} of them predicted rightly; "
        f"{found['shown']} of those are occluded and shown. The maps of {settings['layer']} have "
        f"{found['map_px']} x {found['map_px']} values: CAM and Grad-CAM cannot be finer. CAM is the paper's "
        "sum over channels, which no class enters; Grad-CAM and occlusion explain the class that the "
        f"network names. Occlusion: a square of {settings['patch_px']} px of grey value {settings['grey']}, "
        f"every {settings['stride_px']} px."
    )
    blocks: list[Block] = [Paragraph(lead)]
    if found["shown"]:
        blocks.append(
            Figure(
                "Held-out images and their maps; red speaks for the predicted class, blue against it; CAM "
                "has no sign.",
                "Rows of grey images overlaid with attribution maps.",
                overlays(_shown(maps, dataset), METHODS, SIGNED),
            )
        )
    blocks += [_agreement(found, what), _sanity(found), *_truth(found)]
    return Section("What the network looks at", blocks)


def _shown(maps: Maps, dataset: Dataset) -> list[Overlay]:
    rows = dataset.rows([str(name) for name in maps["image_ids"]])
    table = dataset.manifest.iloc[rows]
    scale = table.get("pixel_size_nm", pd.Series(np.nan, index=table.index)).to_numpy(np.float64)
    return [
        Overlay(
            np.array(dataset.images[row]),
            f"{table['material'].iloc[place]}\n{table['image_id'].iloc[place]}",
            float(scale[place]),
            {method: maps[method][place] for method in METHODS},
        )
        for place, row in enumerate(rows)
    ]


def _agreement(found: Mapping[str, Any], what: str) -> Table:
    rows = []
    for pair, item in found["agreement"].items():
        first, second = (METHODS[name] for name in pair.split("-"))
        chance = "-" if item["other_image"] is None else f"{item['other_image']:.2f}"
        rows.append([f"{first} and {second}", _mean(item), chance, str(item["images"])])
    return Table(
        f"Do the methods agree ({what})? Spearman's rank correlation of their maps, mean over the images "
        "shown with the 95 % interval over samples, and between maps of different images, which is what "
        "the frame alone makes alike",
        ["Methods", "same image", "different images", "images"],
        rows,
    )


def _sanity(found: Mapping[str, Any]) -> Figure:
    return Figure(
        "Sanity check, images shown: rank correlation of the maps with those of the same network after its "
        "weights were drawn anew from the output down (Adebayo et al. 2018). What stays near 1 does not show "
        "what the network learnt there; the channel sum cannot depend on the head.",
        "Rank correlation with the trained network's maps over the parts that are random.",
        sanity_curves(found["sanity"], METHODS),
    )


def _truth(found: Mapping[str, Any]) -> list[Block]:
    if not found["truth"]:
        return []
    rows = []
    for feature, methods in found["truth"].items():
        for method, item in methods.items():
            if item["mass"] is None:
                continue
            rows.append(
                [
                    f"{readable(feature)}: {METHODS[method]}",
                    f"{item['mass'] * 100:.1f}",
                    f"{item['area'] * 100:.1f}",
                    _mean(item["gain"], percent=True),
                    _mean(item["hit"], percent=True),
                    str(item["gain"]["images"]),
                ]
            )
    return [
        Table(
            "What the maps lie on: share of the positive attribution (%) on features that the simulator put "
            f"into held-out images (widened by {found['settings']['tolerance_px']} px), the share of the "
            "image that they fill, the difference, and how often the highest point lies on one (pointing "
            "game; by chance: the share they fill). 95 % intervals over samples. A difference whose interval "
            "holds 0 shows no preference",
            ["Feature and method", "on it", "it fills", "difference", "highest point", "images"],
            rows,
        )
    ]


def _mean(item: Mapping[str, Any], percent: bool = False) -> str:
    if item["mean"] is None:
        return "-"
    if item["ci95"] is None and item["samples"] > 1:
        return f"{item['mean'] * 100:.1f} (all alike)" if percent else f"{item['mean']:.3f} (all alike)"
    return with_interval(item["mean"], item["ci95"], percent=percent)
