"""Stage `check`: all settings together, before anything is made or trained."""

from collections import Counter

from tmdscope.dataset.sources import plan
from tmdscope.files import write_json, write_text
from tmdscope.jobs.study import Study
from tmdscope.params.architectures import TIMM
from tmdscope.params.audit import ManifestAuditParams
from tmdscope.params.images import AttributionParams, DataParams, LatentParams, SplitParams
from tmdscope.params.reading import ParamsError, read_params
from tmdscope.params.rules import Settings, backbones, sample_problems, uses_simulated
from tmdscope.params.settings import check_settings


def run(study: Study) -> None:
    """Write that the settings are right and whether weights `simulated` are used, or every problem."""
    settings = _checked(study)
    print(_said(study, settings))
    write_text(study.layout.checked, f"{study.layout.settings} was found to be right.\n")
    if "pretrain" in settings.sections:
        write_json(study.layout.pretraining_needed, {"needed": uses_simulated(settings)})


def check_study(study: Study) -> str:
    """Check a study's settings, also against its networks and samples; say what was checked.

    `ParamsError` has every problem, one to a line, with a remedy. Samples of other sources than the simulator
    are not known yet: stage `split` compares with those.
    """
    return _said(study, _checked(study))


def _checked(study: Study) -> Settings:
    path = study.layout.settings
    settings = check_settings(read_params(path), path.as_posix(), study.params, study.rules)
    data, problems = settings.sections.get("data"), list[str]()
    if isinstance(data, DataParams) and data.source == "simulated":
        asked = (
            settings.get("split", SplitParams),
            settings.get("audit", ManifestAuditParams),
            settings.get("latent", LatentParams),
        )
        samples = Counter(sample.material for sample in plan(data.simulated, data.classes))
        problems += sample_problems(*asked, samples, data.simulated.images)
    if _asks_networks(settings):
        from tmdscope.jobs.networks import network_problems  # seconds

        problems += network_problems(settings)
    if problems:
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))
    return settings


def _asks_networks(settings: Settings) -> bool:
    """Say whether there is anything that only a network itself can answer."""
    attribution = settings.sections.get("attribution")
    if not isinstance(attribution, AttributionParams):
        return False
    named = (entry.architecture for _, entry in backbones(settings))
    partial = (entry.train_from for _, entry in settings.trainings())
    return attribution.layer != "last" or any(partial) or any(name.startswith(TIMM) for name in named)


def _said(study: Study, settings: Settings) -> str:
    named = {"experiments": len(settings.experiments), "searches": len(settings.searches)}
    counted = "".join(f", {count} {name}" for name, count in named.items() if count)
    path, sections = study.layout.settings, len(settings.sections)
    return f"{path}: {sections} sections{counted}: every setting is right, and they agree"
