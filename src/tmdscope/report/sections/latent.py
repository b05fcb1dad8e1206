"""The latent space of a study that has one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.analysis.descriptors.catalogue import FILM, PHYSICAL, bounds_of
from tmdscope.analysis.record import Described, Latent, Readout
from tmdscope.report.answer import correlation
from tmdscope.report.figures.embeddings import (
    Against,
    Plane,
    component_planes,
    correlation_map,
    cosine_map,
    descriptor_scatter,
    images_in_plane,
)
from tmdscope.report.figures.images import image_grid
from tmdscope.report.page import Block, Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import decided, percent, readable, with_interval

PaperRow = tuple[str, str, float]
"""Lowest r, highest r and regression R as printed."""

_NO_NUMBERS = ("version", "model", "before", "settings", "left_out", "lines")
_SPACES = {"before": "before fine-tuning", "trained": "after"}
_PARTS = {"plane": "PC1 and PC2", "components": "all components"}
_PANELS = 3
_QUARTILE_IMAGES = 8


@dataclass(frozen=True)
class LatentSpace(Part):
    """What a study knows of its latent space; rows of `points`, `descriptors` and `images` are the same.

    Attributes
    ----------
    points : pandas.DataFrame
        A row per image: ``label, part, PC1, ..., before_PC1, before_PC2``.
    table : pandas.DataFrame
        Every correlation, see `tmdscope.analysis.latent.relation_table`.
    images : numpy.ndarray or None
        uint8, N x S x S; None where a study has none.
    embedding, before : str
        What the embedding is of, and what it is compared with, in words.
    paper : mapping, optional
        Descriptor to what the paper printed.
    """

    found: Latent
    points: pd.DataFrame
    table: pd.DataFrame
    descriptors: pd.DataFrame | None
    images: NDArray[np.uint8] | None
    classes: Sequence[str]
    embedding: str
    before: str
    what: str
    paper: Mapping[str, PaperRow] | None = None

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers: without names, settings and lines."""
        found = self.found.to_dict()
        return {"latent": {key: value for key, value in found.items() if key not in _NO_NUMBERS}}

    def sentences(self) -> list[str]:
        """Name the measured descriptor that goes most with a component; none where none was related."""
        if isinstance(self.found.descriptors, str):
            return [f"Descriptors and the embedding: {self.found.descriptors.rstrip('.')}."]
        measured, name = _relied_on(self.found), self._most
        if name is None:
            return []
        best, rate = measured[name].strongest, self.found.settings.false_discovery_rate
        passes = "survives" if best.q <= rate else "does not survive"
        direction = decided(best.r_ci95, "it rises with the component", "it falls as the component rises")
        said = (
            f"Of {len(measured)} measured descriptors {readable(name)} goes most with a component of the "
            f"embedding: r {with_interval(best.r, best.r_ci95)} with PC{best.component}, which carries "
            f"{percent(best.variance)} % of its variance: "
            f"{direction}. It {passes} a false discovery rate of {rate:g} "
            f"over the table (q {best.q:.2g}); picked as the largest, it is likely too large."
        )
        return [said]

    @property
    def _most(self) -> str | None:
        """The measured descriptor that goes most with a component."""
        measured = _relied_on(self.found)
        return max(measured, key=lambda key: abs(measured[key].strongest.r), default=None)

    def claim(self) -> Claim | None:
        """Name the descriptor that goes most with what the network sees."""
        if isinstance(self.found.descriptors, str) or self._most is None:
            return None
        name, best = readable(self._most), self.found.measured[self._most].strongest
        said = f"Of what can be measured on a surface, {name} goes most with what the network tells images by"
        return Claim(
            f"{said}; as the largest of many it is likely too large.", correlation(name, best.r, best.r_ci95)
        )

    def section(self) -> Section:
        """Write Figures 5 to 9, S1 and S13 of the TMD paper as far as the study has what they need."""
        blocks: list[Block] = [_lead(self), _planes(self), _separation(self)]
        if self.images is not None:
            blocks.append(
                Figure(
                    "Images where they lie; the frame has the colour of the material. Images that would hide "
                    "another are left out.",
                    "Small grey images placed by PC1 and PC2.",
                    images_in_plane(self.images, self.points, self.classes),
                )
            )
        if isinstance(self.found.descriptors, str):
            return Section("Latent space", [*blocks, Paragraph(f"Descriptors: {self.found.descriptors}.")])
        if self.found.descriptors:
            blocks += [*_relations(self), *_strongest(self), *_known(self)]
        if self.found.left_out:
            reasons = "; ".join(f"{readable(name)} ({why})" for name, why in self.found.left_out.items())
            blocks.append(Paragraph(f"Left out: {reasons}."))
        return Section("Latent space", blocks)


def _relied_on(found: Latent) -> dict[str, Described]:
    """Give what was measured, without a film's flaws: gaps between grains count as pinholes and cracks."""
    flaws = {item.name for item in FILM}
    return {name: item for name, item in found.measured.items() if name not in flaws}


def _lead(view: LatentSpace) -> Paragraph:
    shares = list(view.found.explained_variance.values())
    return Paragraph(
        f"Embedding: {view.embedding}. {len(shares)} principal components, centred and not standardised, of "
        f"all images carry {sum(shares) * 100:.2f} % of its variance, the first two "
        f"{sum(shares[:2]) * 100:.1f} %."
    )


def _planes(view: LatentSpace) -> Figure:
    first = view.points.drop(columns=["PC1", "PC2"]).rename(
        columns={"before_PC1": "PC1", "before_PC2": "PC2"}
    )
    lines = view.found.lines
    planes = [
        Plane(f"Before fine-tuning: {view.before}", first, lines["before"]),
        Plane("After: the embedding", view.points, lines["trained"]),
    ]
    return Figure(
        "First two principal components before and after training; held-out test images have a dark edge. "
        "Lines divide the images by element as well as a logistic regression can that has not seen the test.",
        "Two scatters of PC1 and PC2 by material, with dividing lines.",
        component_planes(planes, view.classes),
    )


def _separation(view: LatentSpace) -> Table:
    rows = [
        [
            f"{place}, {when}",
            *(
                "-" if value is None else f"{value:.2f}"
                for value in (found.silhouette.all, found.silhouette.test)
            ),
            *(_readout(item) for item in found.linear.values()),
        ]
        for part, place in _PARTS.items()
        for space, when in _SPACES.items()
        for found in (view.found.separation[space][part],)
    ]
    names = view.found.separation["trained"]["plane"].linear
    images = next(iter(names.values())).test.images
    return Table(
        f"How far materials lie apart ({view.what}): silhouette; share in % that a linear readout has right "
        f"of {images} held-out test images, with the 95 % interval over samples, and in brackets that of "
        "always naming the more frequent side. The network was trained on these labels: what counts is the "
        "test",
        ["Space", "silhouette, all", "silhouette, test", *(readable(name) for name in names)],
        rows,
    )


def _readout(item: Readout) -> str:
    test, majority = item.test, item.test_majority
    if test.mean is None or majority is None:
        return "-"
    return f"{with_interval(test.mean, test.ci95, percent=True)} ({percent(majority, 0)})"


def _relations(view: LatentSpace) -> list[Block]:
    settings = view.found.settings
    rate, cosine = settings.false_discovery_rate, view.found.regression_cosine
    header, rows = _relation_rows(view)
    return [
        Table(
            f"Descriptors and the embedding ({view.what}, all parts): lowest and highest Pearson r; the "
            "strongest with its 95 % interval over samples and the share of the embedding's variance that "
            f"its component carries; how many components differ from 0 at a false discovery rate of {rate:g} "
            "over the table (Benjamini-Hochberg); correlation R with the linear fit on all components, "
            f"in-sample as in the paper and for unseen samples ({settings.folds} folds); share of the "
            "embedding's variance that goes with the descriptor; 'true' quantities are the simulator's",
            header,
            rows,
        ),
        Figure(
            "Pearson's r of descriptor and component, in brackets where it fails the false discovery rate; "
            "share of the variance below each component's name. Right: cosine between the direction in which "
            "the descriptor changes and the component. Directions are per unit of score, so components that "
            "carry almost nothing weigh most.",
            "Two heat maps, descriptors by components.",
            correlation_map(view.table, view.found.explained_variance, rate),
        ),
        Figure(
            "Cosine between the directions in which two descriptors change in the space of components.",
            "Heat map, descriptors by descriptors.",
            cosine_map(cosine if isinstance(cosine, dict) else {}),
        ),
    ]


def _relation_rows(view: LatentSpace) -> tuple[list[str], list[list[str]]]:
    """Lay out the relations; what the paper printed stands beside each of its figures."""
    paper = view.paper
    rows = []
    for name, item in view.found.described.items():
        low, high, best = item.negative, item.positive, item.strongest
        pairs = zip(
            (
                f"{low.r:.3f} (PC{low.component})",
                f"{high.r:.3f} (PC{high.component})",
                f"{item.regression_r:.3f}",
            ),
            (paper or {}).get(name, ("not in the paper",) * 3),
            strict=True,
        )
        measured = [text for ours, theirs in pairs for text in ([ours, str(theirs)] if paper else [ours])]
        rows.append(
            [
                readable(name),
                *measured,
                f"{item.regression_r_cv:.3f}",
                f"{with_interval(best.r, best.r_ci95)} (PC{best.component})",
                f"{percent(best.variance, 2)} %",
                str(item.discoveries),
                f"{percent(item.shared_variance)} %",
                str(item.images),
            ]
        )
    beside = ["paper"] if paper else []
    header = ["Descriptor", "lowest r", *beside, "highest r", *beside, "regression R", *beside]
    header += ["R, unseen samples", "strongest r", "its component carries", "components found"]
    return [*header, "variance shared", "images"], rows


def _known(view: LatentSpace) -> list[Block]:
    """Show how well physical descriptors are known, where their table has intervals."""
    table, rows = view.descriptors, []
    for item in PHYSICAL:
        if table is None or not table.columns.isin(bounds_of(item.name)).any():
            continue
        low, high = (table[bound] for bound in bounds_of(item.name))
        if images := int((high - low).notna().sum()):
            spread = table[item.name].quantile(0.95) - table[item.name].quantile(0.05)
            width = float((high - low).median())
            typical = [f"{value:.3g}" for value in (table[item.name].median(), width, spread)]
            rows.append([readable(item.name), *typical, item.unit, str(images)])
    if not rows:
        return []
    header = ["Descriptor", "median", "width of the interval", "nine in ten images span", "unit", "images"]
    return [
        Table(
            "How well an image's physical descriptors are known: median; median width of the interval that "
            "holds the true value of nine in ten simulated scans as large as the image; over what width "
            "nine in ten images spread. Where the interval is as wide as that, one image says little",
            header,
            rows,
        )
    ]


def _strongest(view: LatentSpace) -> list[Block]:
    """Show the descriptors that the embedding knows most of; measured ones, not the simulator's truth."""
    if view.descriptors is None:
        return []
    measured = _relied_on(view.found) or view.found.described
    order = sorted(measured, key=lambda name: -abs(measured[name].strongest.r))[:_PANELS]
    panels = [_against(view, name, view.descriptors[name]) for name in order]
    blocks: list[Block] = [
        Figure(
            "The descriptors with the strongest correlations against their components, all images; line: "
            "least squares.",
            "Scatters of descriptors against components by material.",
            descriptor_scatter(panels, view.classes),
        )
    ]
    if view.images is not None:
        blocks.append(_quartiles(view.images, panels[0]))
    return blocks


def _against(view: LatentSpace, name: str, values: pd.Series) -> Against:
    best = view.found.described[name].strongest
    component = f"PC{best.component}"
    points = pd.DataFrame(
        {
            "score": view.points[component].to_numpy(),
            "value": values.to_numpy(np.float64),
            "label": view.points["label"].to_numpy(),
        }
    )
    return Against(name, component, points, best.r, best.r_ci95)


def _quartiles(images: NDArray[np.uint8], panel: Against) -> Figure:
    """Show images evenly spaced within the lowest and the highest quarter of a component."""
    order = np.argsort(panel.points["score"].to_numpy(), kind="stable")
    quarter = max(1, len(order) // 4)
    rows = {"low": order[:quarter], "high": order[-quarter:]}
    means = {side: panel.points["value"].iloc[part].mean() for side, part in rows.items()}
    grid = {
        f"{side} {panel.component}": [np.array(images[row]) for row in _spread(part)]
        for side, part in rows.items()
    }
    return Figure(
        f"Images of the lowest and of the highest quarter of {panel.component}, evenly spaced; mean "
        f"{readable(panel.descriptor)} {means['low']:.3g} and {means['high']:.3g}.",
        f"Two rows of grey images: low and high {panel.component}.",
        image_grid(grid),
    )


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    places = np.unique(np.linspace(0, len(rows) - 1, _QUARTILE_IMAGES).round().astype(int))
    return np.asarray(rows[places], dtype=np.int64)
