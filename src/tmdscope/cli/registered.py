"""Commands on registered models: models, compare, promote, rollback, card, predict, serve."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tmdscope.cli.options import Model, Named, ParamsPath, Sha256, echo, model_name, read, read_cluster
from tmdscope.errors import UserError
from tmdscope.names import key_of


def models(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array, one object per version.")] = False,
    name: Named = None,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """List the registered versions: aliases, scores, what they were trained on and with."""
    import shutil
    from datetime import UTC, datetime

    from tmdscope.lifecycle.listing import as_json as write_json
    from tmdscope.lifecycle.listing import list_versions, render
    from tmdscope.tracking.store import connect

    rows = list_versions(connect(), model_name(params, name))
    width = shutil.get_terminal_size((120, 24)).columns
    echo(write_json(rows) if as_json else render(rows, datetime.now(UTC), width), nl=False)


def compare(
    first: Annotated[str, typer.Argument(help="Version, alias, models:/NAME/VERSION, or a run's id.")],
    second: Annotated[str, typer.Argument(help="What it is compared with.")],
    speed: Annotated[bool, typer.Option(help="Load and time both, too.")] = True,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Compare two models on the images that both held out, with intervals bootstrapped by sample.

    Writes a page, the images on which they disagree, and an MLflow run in experiment `comparisons`.
    """
    from tmdscope.layout import layout_beside
    from tmdscope.lifecycle.compare import compare as compare_models
    from tmdscope.tracking.store import connect

    scoring, tracking = read(params, "scoring", "tracking")
    named = "-".join(key_of(model.removeprefix("models:/")) for model in (first, second))
    layout, draws = layout_beside(params), (scoring.bootstrap, scoring.seed)
    folder = layout.comparisons / named
    echo(compare_models(connect(), first, second, tracking.model, layout.prepared, folder, *draws, speed))


def promote(
    version: Annotated[
        int | None, typer.Argument(min=1, help="Of the registered model; the one with alias `best`.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Although checks fail; needs a reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
    name: Named = None,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Point the alias `production` to a version that passes the gate; `previous` remembers the old one.

    The gate: same classes and inputs, known data, a sound split, an audit of it in which nothing failed,
    not worse than production by more than promotion.margin out of fold and not shown worse by the held-out
    test, files as they were logged and without pickles, reference predictions repeated by a fresh process.
    Every decision is a run in experiment `promotions`.
    """
    from tmdscope.lifecycle.gate import make_gate
    from tmdscope.lifecycle.promotion import promote as promote_version
    from tmdscope.tracking.audits import audit_settings
    from tmdscope.tracking.decisions import open_decisions, who

    promotion, scoring, audited = read(params, "promotion", "scoring", "audit")
    study, asked = open_decisions(), audit_settings(audited, scoring)
    gate = make_gate(study.client, promotion.margin, scoring.bootstrap, scoring.seed, asked)
    echo(promote_version(study, model_name(params, name), version, gate, who(), force, reason).text)


def rollback(
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
    name: Named = None,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Let `production` and `previous` change places, if the one that comes back loads intact."""
    from tmdscope.lifecycle.gate import load_in_fresh_process
    from tmdscope.lifecycle.promotion import rollback as roll_back
    from tmdscope.tracking.decisions import open_decisions, who

    study = open_decisions()
    echo(roll_back(study, model_name(params, name), load_in_fresh_process, who(), reason).text)


def card(
    model: Annotated[str, typer.Argument(help="Version, alias, or models:/NAME/VERSION.")] = "production",
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Write a version's model card anew, into the registry's description too, and print it."""
    from tmdscope.lifecycle.card import write_card
    from tmdscope.tracking.predictions import resolve_version
    from tmdscope.tracking.store import connect

    client = connect()
    echo(write_card(client, resolve_version(client, model, model_name(params))), nl=False)


def predict(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Scans, pictures, or folders; formulae for a model of such."),
    ],
    model: Model = "production",
    as_csv: Annotated[bool, typer.Option("--csv", help="Every value, comma-separated.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    heights: Annotated[
        bool | None,
        typer.Option("--heights/--pictures", help="What NPY and TIFF hold; else floats are heights."),
    ] = None,
    pixel_size_nm: Annotated[
        float | None, typer.Option(min=1e-3, help="Width of a pixel of NPY, TIFF and pictures, if known.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Of instrument files; that of the heights is found.")
    ] = None,
    sha256: Sha256 = None,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Say which material images show, how sure that is, and whether the model knows such images.

    Instrument files and heights are levelled as the model's own were, and wider ones cropped to their width.
    A model of formulae says its property, with an interval, of each formula in place of a file.
    A file that cannot be used is named and the rest goes on; the exit status is then 3.
    """
    from tmdscope.lifecycle.predict import predict_files

    if as_csv and as_json:
        raise UserError("--csv and --json exclude each other")
    form: Any = "csv" if as_csv else "json" if as_json else "table"
    if _is_of_formulae(model):
        from tmdscope.lifecycle.formulae import predict_with

        counts: Any = predict_with(model, files, form, sys.stdout, sha256)
    else:
        how = (
            form,
            heights,
            sys.stdout,
            pixel_size_nm or float("nan"),
            channel,
            sha256,
            read_cluster(params),
        )
        counts = predict_files([Path(file) for file in files], model, model_name(params), *how)
    echo(counts.text, err=True)
    if counts.unusable:
        raise typer.Exit(3)


def _is_of_formulae(model: str) -> bool:
    """Say whether an address, ``models:/...``, is of a model of formulae."""
    if not model.startswith("models:/"):
        return False
    from tmdscope.tracking.contract import reads_formulae
    from tmdscope.tracking.store import connect

    connect()
    return reads_formulae(model)


def serve(
    model: Model = "production",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 for any free one.")] = 5001,
    allowed_hosts: Annotated[
        str, typer.Option(help="Names it answers to beside its own, separated by commas.")
    ] = "",
    at_once: Annotated[
        int, typer.Option(min=1, max=10000, help="Requests that are answered or wait at once; more get 503.")
    ] = 32,
    sha256: Sha256 = None,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Answer requests with a registered model over HTTP, in MLflow's scoring protocol, until stopped.

    An alias is looked up once: start it again after a promotion. Variable TMDSCOPE_SERVE_TOKEN holds a token
    that requests must then bring as `Authorization: Bearer TOKEN`.
    """
    from tmdscope.serving.server import serve as serve_model

    names = [name for name in allowed_hosts.split(",") if name.strip()]
    serve_model(model, model_name(params), host, port, names, at_once, sha256)
