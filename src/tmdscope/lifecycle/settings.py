"""Whether the settings of a study can be run at all, said before anything is."""

from collections import Counter
from pathlib import Path

from tmdscope.dataset.sources import plan
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.materials_study import DataParams, LatentParams, SplitParams
from tmdscope.params.reading import ParamsError
from tmdscope.params.rules import Study, sample_problems


def check_samples(study: Study, path: Path) -> str:
    """Compare checked settings with the samples that there will be, and say what was checked.

    `ParamsError` has every problem, one to a line, with a remedy. Samples of other sources than the simulator
    are not known yet: stage `split` compares with those.
    """
    data = study.sections.get("data")
    if isinstance(data, DataParams) and data.source == "simulated":
        asked = (
            study.get("split", SplitParams),
            study.get("audit", ManifestAuditParams),
            study.get("latent", LatentParams),
        )
        samples = Counter(sample.material for sample in plan(data.simulated, data.classes))
        if problems := sample_problems(*asked, samples, data.simulated.images):
            raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))
    named = {"experiments": len(study.experiments), "searches": len(study.searches)}
    counted = "".join(f", {count} {name}" for name, count in named.items() if count)
    return f"{path}: {len(study.sections)} sections{counted}: every setting is right, and they agree"
