"""A model card: what a registered version is for, what it was made from, and how far to trust it.

After Mitchell et al. 2019 (arXiv:1810.03993). Every number is a fact that the model's own run recorded.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from tmdscope.dataset.records import RECORDS
from tmdscope.errors import UserError
from tmdscope.materials import elements_of
from tmdscope.names import markdown
from tmdscope.scores.facts import Facts, FormulaFacts
from tmdscope.scores.intervals import Estimate, tell_interval
from tmdscope.scores.text import plural
from tmdscope.tracking.audits import find_audit
from tmdscope.tracking.contract import reads_formulae
from tmdscope.tracking.registration import read_facts, read_formula_facts, run_tags
from tmdscope.tracking.registry import Client, Version, check_pinned

CARD = "model_card.md"
"""Artifact of a version's run: its card."""

_FEW_SAMPLES = 10
_SCAN = ("an 8-bit image of an atomic force microscope's height scan", "scans")
_WINDOW = ("a window of a scanning transmission electron microscope's frame, a site in its middle,", "frames")
"""What an image is, and what it was taken from."""
_SETTINGS = ("strategy", "weights", "epochs", "batch_size", "learning_rate", "dropout", "seed")


def write_card(client: Client, version: Version) -> str:
    """Write a version's card, Markdown, into the registry's description and beside its run.

    `UserError` where its run has no facts (an earlier tmdscope) or its files changed since it was made
    production.
    """
    check_pinned(client, version)
    try:
        found = find_audit(client, version, None)
        audit = f"{', '.join(found.failed) or 'no check'} failed ({found.text})"
    except UserError as error:
        audit = str(error)
    tags = run_tags(client, version)
    if reads_formulae(version.uri):
        text = compose_formula_card(version, read_formula_facts(client, version), tags, audit)
    else:
        text = compose_card(version, read_facts(client, version), tags, audit)
    client.update_model_version(version.name, str(version.number), text)
    client.log_text(version.run_id, text, CARD)
    return text


def compose_card(version: Version, facts: Facts, tags: Mapping[str, str], audit: str) -> str:
    """Write a card from what a run recorded: its facts and its tags.

    `audit` is what the study's audit says, one sentence without its full stop.
    """
    template = _template("card.md.j2")
    source, trust, metrics = facts.data.source, facts.reliability, facts.task.metrics
    counts, (origin, licence) = facts.data.samples_of_class.items(), _origin(source)
    one = "material" if _are_materials(facts.classes) else "class"
    shown, scans = _WINDOW if "STEM" in source else _SCAN
    known = {**facts.settings, **facts.settings.get("training", {})}  # the latter are of sequences
    baseline = None
    if facts.baseline is not None:
        means = ((metric, facts.baseline[f"test_{metric.name}"].mean) for metric in metrics)
        baseline = ", ".join(f"{metric.title} {metric.tell(mean)}" for metric, mean in means)
    return template.render(
        version=version,
        facts=facts,
        tags=tags,
        audit=audit,
        simulated="simulated" in source,
        shown=shown,
        scans=scans,
        source=origin,
        licence=licence,
        few=[f"{name} ({count})" for name, count in counts if count < _FEW_SAMPLES],
        settings=[(name, known[name]) for name in _SETTINGS if name in known],
        one=one,
        kind=plural(one),
        metrics=metrics,
        baseline=baseline,
        coverage=tell_interval(trust.coverage, trust.coverage_ci95),
        flagged=tell_interval(trust.flagged, trust.flagged_ci95),
        scored=[
            ("out of fold", facts.out_of_fold),
            ("held-out test, all folds' mean", facts.ensemble_test),
            ("the same, distinct images", facts.distinct_test),
        ],
    )


def _are_materials(classes: Sequence[str]) -> bool:
    try:
        return bool([elements_of(name) for name in classes])
    except ValueError:
        return False


def compose_formula_card(version: Version, facts: FormulaFacts, tags: Mapping[str, str], audit: str) -> str:
    """Write the card of a model of formulae; arguments are as for `compose_card`."""
    metric = facts.task.primary
    return _template("formula_card.md.j2").render(
        version=version,
        facts=facts,
        tags=tags,
        audit=audit,
        metrics=facts.task.metrics,
        unit=metric.unit,
        folds=f"{metric.title} {', '.join(map(metric.tell, facts.folds))}",
        scored=[
            ("outer folds, pooled", Estimate.read(facts.pooled)),
            ("other chemical systems", Estimate.read(facts.systems)),
        ],
    )


def _template(name: str) -> Template:
    environment = Environment(  # noqa: S701 - what people write is escaped as Markdown
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["markdown"] = markdown
    return environment.from_string(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _origin(source: str) -> tuple[str, str]:
    """Describe a source of images, and say under which licence they are."""
    if source in RECORDS:
        doi = f"doi:{RECORDS[source].doi}"
        return f"published archive {doi}", f"That of the archive, {doi}; it is stated there."
    if source == "simulated":
        return "simulated scans", "None: the images are simulated."
    if "simulated" in source:
        return source, "None: the images are simulated."
    own = "a user's folder" if source == "folder" else source
    return own, "Not stated: the images are the user's own."
