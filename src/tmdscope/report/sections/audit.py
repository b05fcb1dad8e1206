"""What the score is worth: the audit of every study."""

from dataclasses import dataclass
from typing import Any

from tmdscope.audit.record import Audit
from tmdscope.audit.scores import gained
from tmdscope.audit.words import Words
from tmdscope.report.audit import audit_section
from tmdscope.report.audit_metrics import audit_metrics
from tmdscope.report.page import Section
from tmdscope.report.part import Part
from tmdscope.report.text import decided


@dataclass(frozen=True)
class AuditPart(Part):
    """What an audit found."""

    found: Audit

    def section(self) -> Section:
        """Write the verdict, and the numbers behind it."""
        return audit_section(self.found)

    def metrics(self) -> dict[str, Any]:
        """Collect the numbers that the section shows."""
        return {"audit": audit_metrics(self.found)}

    def sentences(self) -> list[str]:
        """Say order against images, the headline, and the checks that did not pass."""
        checks = self.found.verdict.checks
        failed = [check.name for check in checks if check.passed is False]
        open_ones = [check.name for check in checks if check.passed is None]
        told = (
            f"Checks that failed: {', '.join(failed)}" if failed else f"None of {len(checks)} checks failed"
        )
        return [
            *filter(None, [self.order()]),
            f"Audit of frozen features: {self.found.verdict.headline.rstrip('.')}.",
            told + (f"; cannot be told: {', '.join(open_ones)}." if open_ones else "."),
        ]

    def order(self) -> str | None:
        """Set what features know beside what the samples' order knows; None where no order is known."""
        words = Words(self.found.task.plain)
        for item in self.found.confounds:
            if item.name == "order" and item.beyond is not None:
                _, gain = gained(words.metric, item.beyond)
                says = decided(gain, "the images say more", "the order alone says more")
                return (
                    "Frozen features of the images less the order of the samples alone, the same "
                    f"{item.score.images} images: {words.score(item.beyond)} {words.points} of "
                    f"{words.metric.title}: {says}."
                )
        return None
