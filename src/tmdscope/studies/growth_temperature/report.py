"""The report of the study: both sources, and the paper's tables beside the published rows."""

from tmdscope.audit.record import Audit
from tmdscope.dataset.store import Dataset
from tmdscope.files import read_json, read_table, sha256_file
from tmdscope.jobs.study import Study
from tmdscope.report.part import Part, Report
from tmdscope.report.sections.provenance import Provenance, Reproduction, Run
from tmdscope.run_record import StageRuns
from tmdscope.scores.task import read_task
from tmdscope.studies.growth_temperature.extras import ChangesPart, LeakPart, SeenPart, SourceAuditPart
from tmdscope.studies.growth_temperature.paper import PaperPart, read_paper
from tmdscope.studies.growth_temperature.record import (
    ABSENT,
    COMPARISON,
    LEAK,
    PREDICTIONS,
    PREPARED,
    UNDERSTANDING,
    VARIANTS,
    Comparison,
    Leak,
    Understanding,
    Variants,
)
from tmdscope.studies.growth_temperature.registered import read_network
from tmdscope.studies.growth_temperature.sections import SourcePart
from tmdscope.studies.growth_temperature.sources import SOURCES, source_of
from tmdscope.studies.growth_temperature.varied import VariantsPart


def report_of(study: Study) -> Report:
    """Make the report from what the stages left."""
    found: list[Comparison] = []
    runs: list[Run] = []
    for source in SOURCES:
        comparison, own = read_comparison(study, source)
        found.append(comparison)
        runs += own
    parts = [SourcePart(one) for one in found]
    told = next((part for part in parts if part.found.source == "published" and part.is_run), parts[0])
    beside = [PaperPart(one, read_paper()) for one in found if one.source == "published"]
    changes = [ChangesPart(source, read_changes(study, source)) for source in SOURCES]
    audits = [part for source in SOURCES if (part := read_audit(study, source))]
    network = read_network(study)
    varied = VariantsPart(read_variants(study))
    runs += [*(part.run for part in audits), network.registered.run]
    about = "Runs are named after the source, the framing and the model; every outer fold is a run below it."
    conditions = (
        "The command runs every stage that is not up to date, under the settings of "
        f"{study.layout.settings} of that commit. Another processor or version of a library may change the "
        "last digits."
    )
    return Report(
        title="Growth temperature of MoS2",
        lead="Which temperature was this MoS2 grown at, and what can honestly be said.",
        answer=told.answer(),
        note=told.warning,
        parts=[
            *parts,
            *beside,
            *audits,
            *network.parts,
            *changes,
            varied,
            *more_of(study, found[0]),
            Provenance(runs, about),
            Reproduction(runs, "make growth", conditions),
        ],
    )


def read_comparison(study: Study, source: str) -> tuple[Comparison, list[Run]]:
    """Read what was compared on a source, and its runs; of other data it is refused."""
    own = source_of(study, source)
    path, absent = own.layout.split.parent / COMPARISON, own.layout.tables / ABSENT
    if absent.is_file():
        read_json(absent)
        return Comparison.read(path, {"data": sha256_file(absent)}), []
    of = own.of(study.cohort(own).digest)
    comparison = Comparison.read(path, of, [path.with_name(PREDICTIONS)])
    stage = StageRuns.read(own.layout.run, of)
    return comparison, [Run.of(stage, f"{source}.{name}", run_id) for name, run_id in stage.runs.items()]


def read_changes(study: Study, source: str) -> Understanding:
    """Read which quantities change with temperature on a source."""
    return Understanding.read(study.layout.scores.with_name(f"{source}_{UNDERSTANDING}"))


def read_variants(study: Study) -> Variants:
    """Read the variants of features and images; of other data they are refused."""
    path = study.layout.scores.with_name(VARIANTS)
    found = Variants.read(path)
    if not found.enabled:
        return found
    return Variants.read(path, {"data": study.cohort(source_of(study, found.source)).digest})


def read_audit(study: Study, source: str) -> SourceAuditPart | None:
    """Read what a source's score is worth; None where there was nothing to audit."""
    own = source_of(study, source)
    if (own.layout.tables / ABSENT).is_file():
        return None
    of = own.of(study.cohort(own).digest)
    return SourceAuditPart(Audit.read(own.layout.audit, read_task(study.task), of), source)


def more_of(study: Study, found: Comparison) -> list[Part]:
    """Show what only simulated images have: the leak, and images that a model has right and wrong."""
    own = source_of(study, found.source)
    cohort = study.cohort(own)
    leak = Leak.read(study.layout.scores.with_name(LEAK), {"data": cohort.digest})
    said = read_table(own.layout.split.with_name(PREDICTIONS))
    name = next(iter(found.models["nominal"]))
    labels = [found.classes[label] if label >= 0 else "none" for label in said[f"nominal.{name}.class"]]
    seen = SeenPart(name, Dataset.load(own.layout.tables / PREPARED), labels)
    return [LeakPart(leak), seen]
