"""What the report says of variants of features and training images, and which of the paper's were not run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tmdscope.report.answer import difference
from tmdscope.report.page import Block, Claim, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import readable
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.scores.text import heading, points_of, ranged
from tmdscope.studies.growth_temperature.record import Variant, Variants

_ABOUT: Mapping[str, str] = {
    "depth": "Depth of features (the paper's Table 2): maps of a stage, flattened, and the pool; components "
    "fitted inside each fold",
    "head": "The 100 values of a head trained inside each fold (the paper's fine-tuned features, unleaked)",
    "domain": "Pretraining domain (the paper's Table 3)",
    "augmentation": "Augmentation of training images (the paper's Figure 3), as meant and as its code did it",
    "network": "Whole networks trained inside each fold under each augmentation (the paper's Figure 3); the "
    "reference is that of images as they are",
}

_CALLED = {"simulated": "simulated images", "images": "images"}

_LACKING: Mapping[str, tuple[str, str]] = {
    "micronet": ("MicroNet's weights", "name them in variants.others where there is a network"),
    "simulated": ("weights from simulated scans", "variants.others, after the main study's `pretrain`"),
    "layer2": ("torchvision's ImageNet ResNet18 (layer2 to layer4)", "name it in variants.backbone"),
    "network": ("whole networks fine-tuned under each augmentation", "hours on two cores: variants.networks"),
    "source:images": ("the paper's own images", "images.source: archive, variants.source: images"),
}
"""Of the paper's variants those that may be missing: what they are called, and what runs them."""


@dataclass(frozen=True)
class VariantsPart(Part):
    """Every variant beside the reference of its method."""

    found: Variants

    def metrics(self) -> dict[str, Any]:
        """Collect the scores of each variant under each method."""
        scores: dict[str, Any] = {}
        for one in self.found.found:
            scores.setdefault(one.group, {}).setdefault(one.name, {})[one.method] = one.values
        return {"variants": scores} if scores else {}

    @property
    def _told_apart(self) -> tuple[list[Variant], list[Variant]]:
        """Give the variants beside a reference, and those whose interval leaves out zero."""
        name, first = ORDERED_CLASSES.plain.name, {one.method: one for one in reversed(self.found.found)}
        beside = [one for one in self.found.found if one is not first[one.method]]
        bounds = [(one, one.gain_bounds[name]) for one in beside]
        return beside, [one for one, of in bounds if of is not None and not of[0] <= 0 <= of[1]]

    def claim(self) -> Claim | None:
        """Say how many differ from pooled features of images as they are, and draw the furthest."""
        if not self.found.enabled:
            return None
        metric, (beside, told) = ORDERED_CLASSES.plain, self._told_apart
        said = (
            f"Of {len(beside)} variants of depth, pretraining and augmentation {len(told)} differ from plain."
        )
        if not told:
            return Claim(said)
        most = max(told, key=lambda one: abs(one.gains[metric.name]))
        label, gain = f"{most.name}, {most.method}", most.gains[metric.name]
        return Claim(said, difference(label, gain, most.gain_bounds[metric.name], metric))

    def section(self) -> Section | None:
        """Write a table for each kind of variant."""
        if not self.found.enabled:
            return None
        about = Paragraph(
            f"{self.found.images} {_CALLED[self.found.source]} of {self.found.samples} samples, each "
            "predicted by a fit that never saw its sample; methods with fixed settings; 95 % intervals by "
            "sample, not adjusted for how many are compared. The reference is the pool of images as they are."
        )
        tables = [
            Table(caption, self._header, [self._row(one) for one in self.found.found if one.group == group])
            for group, caption in _ABOUT.items()
        ]
        blocks: list[Block] = [about, *(one for one in tables if one.rows)]
        if lacking := self._lacking:
            blocks.append(Note(f"Not run: {lacking}."))
        return Section("Depth, pretraining and augmentation", blocks)

    @property
    def _lacking(self) -> str:
        """Say which of the paper's variants were not run, and what runs them."""
        found = self.found
        told = " ".join([f"source:{found.source}", *(f"{one.group} {one.name}" for one in found.found)])
        return "; ".join(
            f"{what} ({how})"
            for key, (what, how) in _LACKING.items()
            if key not in told.replace(",", "").split()
        )

    @property
    def _header(self) -> list[str]:
        plain = ORDERED_CLASSES.plain
        heads = [heading(metric) for metric in ORDERED_CLASSES.metrics]
        return ["Variant", "method", *heads, f"{plain.title}, less the reference ({points_of(plain)})"]

    @staticmethod
    def _row(one: Variant) -> list[str]:
        plain, metrics = ORDERED_CLASSES.plain.name, ORDERED_CLASSES.metrics
        return [
            one.name,
            readable(one.method),
            *(ranged(metric, one.values[metric.name], one.bounds[metric.name]) for metric in metrics),
            ranged(metrics[0], one.gains[plain], one.gain_bounds[plain], True),
        ]
