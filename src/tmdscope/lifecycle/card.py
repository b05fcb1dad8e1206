"""A model card: what a registered version is for, what it was made from, and how far to trust it.

After Mitchell et al. 2019 (arXiv:1810.03993). Every number is a fact that the model's own run recorded.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from tmdscope.dataset.records import RECORDS
from tmdscope.errors import UserError
from tmdscope.names import markdown
from tmdscope.scores.intervals import tell_interval
from tmdscope.tracking.audits import find_audit
from tmdscope.tracking.registration import describe_version, read_facts, run_tags
from tmdscope.tracking.registry import Client, Version
from tmdscope.tracking.standing import check_pinned

_FEW_SAMPLES = 10
_SETTINGS = ("strategy", "weights", "epochs", "batch_size", "learning_rate", "dropout", "seed")
_SOURCES = {"simulated": "simulated scans", "folder": "a user's folder"}


def write_card(client: Client, version: Version) -> str:
    """Write a version's card, Markdown, into the registry's description and beside its run.

    `UserError` where its run has no facts (an earlier tmdscope) or its files changed since it was made
    production.
    """
    check_pinned(client, version)
    text = compose_card(
        version, read_facts(client, version), run_tags(client, version), _tell_audit(client, version)
    )
    describe_version(client, version, text)
    return text


def compose_card(version: Version, facts: Mapping[str, Any], tags: Mapping[str, str], audit: str) -> str:
    """Write a card from what a run recorded.

    `facts` are those of `tmdscope.tracking.dossier.Dossier`, `tags` the run's; `audit` is what the study's
    audit says, one sentence without its full stop.
    """
    environment = Environment(  # noqa: S701 - what people write is escaped as Markdown
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["markdown"] = markdown
    template = environment.from_string(files(__package__).joinpath("card.md.j2").read_text(encoding="utf-8"))
    scores, data = facts["scores"], facts["data"]
    few = [f"{name} ({count})" for name, count in data["samples_of_class"].items() if count < _FEW_SAMPLES]
    return template.render(
        version=version,
        facts={"not_trained": [], **facts},
        tags=tags,
        audit=audit,
        simulated="simulated" in data["source"],
        source=_describe_source(data["source"]),
        licence=_licence(data["source"]),
        few=few,
        settings=_settings(facts["settings"]),
        interval=_interval,
        scored=[
            ("out of fold", scores["out_of_fold"]),
            ("held-out test, all folds' mean", scores["ensemble_test"]),
            ("the same, distinct images", scores["ensemble_test"]["distinct"]),
        ],
    )


def _tell_audit(client: Client, version: Version) -> str:
    try:
        found = find_audit(client, version, None)
    except UserError as error:
        return str(error)
    return f"{', '.join(found.failed) or 'no check'} failed ({found.text})"


def _describe_source(source: str) -> str:
    if source in RECORDS:
        return f"published archive doi:{RECORDS[source].doi}"
    return _SOURCES.get(source, source)


def _licence(source: str) -> str:
    if source == "simulated":
        return "None: the images are simulated."
    if source in RECORDS:
        return f"That of the archive, doi:{RECORDS[source].doi}; it is stated there."
    return "Not stated: the images are the user's own."


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Pick the settings that a reader wants to see; those of sequences lie in a section of their own."""
    known = {**settings, **settings.get("training", {})}
    return [(name, known[name]) for name in _SETTINGS if name in known]


def _interval(scores: Mapping[str, Any], name: str) -> str:
    return tell_interval(scores[name], scores[f"{name}_ci95"])
