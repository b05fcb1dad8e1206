"""Stage `check`: all settings together, before anything is made or trained."""

from collections import Counter

from tmdscope.dataset.sources import plan
from tmdscope.files import write_text
from tmdscope.jobs.study import Study
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.images import DataParams, LatentParams, SplitParams
from tmdscope.params.reading import ParamsError, read_params
from tmdscope.params.rules import sample_problems
from tmdscope.params.settings import check_settings


def run(study: Study) -> None:
    """Write that the settings are right, or list every problem."""
    print(check_study(study))
    write_text(study.layout.checked, f"{study.layout.settings} was found to be right.\n")


def check_study(study: Study) -> str:
    """Check a study's settings, also against the samples there will be, and say what was checked.

    `ParamsError` has every problem, one to a line, with a remedy. Samples of other sources than the simulator
    are not known yet: stage `split` compares with those.
    """
    path = study.layout.settings
    settings = check_settings(read_params(path), path.as_posix(), study.params, study.rules)
    data = settings.sections.get("data")
    if isinstance(data, DataParams) and data.source == "simulated":
        asked = (
            settings.get("split", SplitParams),
            settings.get("audit", ManifestAuditParams),
            settings.get("latent", LatentParams),
        )
        samples = Counter(sample.material for sample in plan(data.simulated, data.classes))
        if problems := sample_problems(*asked, samples, data.simulated.images):
            raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))
    named = {"experiments": len(settings.experiments), "searches": len(settings.searches)}
    counted = "".join(f", {count} {name}" for name, count in named.items() if count)
    return f"{path}: {len(settings.sections)} sections{counted}: every setting is right, and they agree"
