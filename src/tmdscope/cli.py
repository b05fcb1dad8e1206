"""The `tmdscope` command: thin, and quick to start (what a command needs is imported when it runs)."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tmdscope import __version__
from tmdscope.errors import UserError
from tmdscope.layout import find_project
from tmdscope.names import key_of, shown
from tmdscope.stage import orderly
from tmdscope.temporary import all_in_one


class _Commands(TyperGroup):
    """Whatever ends a command becomes a message on standard error and an exit status."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        with orderly():
            return super().main(*arguments, **named)

    def invoke(self, ctx: Any) -> Any:
        with orderly((OSError, EOFError)), all_in_one():  # typer would make something of its own
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    help="Tracked, reproducible transfer learning for microscopy of two-dimensional materials.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
profile = typer.Typer(
    help="Named sets of settings (folder `profiles` beside params.yaml). A profile is merged key by key, "
    "except `experiments` and `searches`, which it replaces as a whole.",
    no_args_is_help=True,
)
app.add_typer(profile, name="profile")
store = typer.Typer(help="The local store of runs and models (folder `mlruns`).", no_args_is_help=True)
app.add_typer(store, name="store")


def _echo(text: object, nl: bool = True, err: bool = False) -> None:
    """Print a text; what a file or a store holds in it cannot steer the terminal."""
    typer.echo(shown(str(text), keep="\n"), nl=nl, err=err)


def _of_project(params: Path) -> Path:
    """Take the project's settings from anywhere below it; what a user names is relative to where they are."""
    found = find_project() / params
    return found if params == Path("params.yaml") and not params.exists() and found.exists() else params


ParamsPath = Annotated[
    Path, typer.Option("--params", callback=_of_project, help="The settings; `profiles` lies beside.")
]
Model = Annotated[str, typer.Option(help="Version, alias, or models:/NAME/VERSION or models:/NAME@ALIAS.")]
Sha256 = Annotated[
    str | None, typer.Option(help="That the model's files must have, as `tmdscope promote` printed it.")
]


def _read(params: Path, *sections: str) -> Any:
    """Read sections of the settings of a study on images, in this order."""
    from tmdscope.params.reading import read_section
    from tmdscope.params.settings import IMAGE_SECTIONS

    return [read_section(name, IMAGE_SECTIONS[name], params) for name in sections]


def _registered(params: Path) -> str:
    """Name the study's registered model."""
    (tracking,) = _read(params, "tracking")
    return str(tracking.model)


def _version(wanted: bool) -> None:
    if wanted:
        _echo(f"tmdscope {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Tracked, reproducible transfer learning for microscopy of two-dimensional materials."""


@app.command()
def check(params: ParamsPath = Path("params.yaml")) -> None:
    """Check all settings, each by itself and against the others, as the first stage does."""
    from tmdscope.jobs.check import check_study
    from tmdscope.studies import study_of

    _echo(check_study(study_of(params)))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder with instrument files or pictures.")],
    sample: Annotated[
        str | None, typer.Option(help="REGEX of the sample in a path: its groups, or all it finds.")
    ] = None,
    material: Annotated[
        str | None, typer.Option(help="REGEX of the class in a path; else folders or formulae.")
    ] = None,
    manifest: Annotated[str, typer.Option(help="Name of the CSV to write in the folder.")] = "manifest.csv",
    yes: Annotated[bool, typer.Option("--yes", help="Write it without asking.")] = False,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Make a manifest of a folder: classes by folder, samples by name; shown, checked, then written.

    A sample_id names the grown piece a file was taken from: images of one sample never fall on both sides
    of a split. Where none is known every file is its own sample, and scores may be of recognising samples.
    """
    from tmdscope.lifecycle.first_manifest import InitRequest, make_manifest

    def ask(question: str) -> str:
        try:
            return str(typer.prompt(question, default="y"))
        except typer.Abort as error:
            raise UserError("nothing was written: nobody answered; --yes writes without asking") from error

    request = InitRequest(folder, manifest, sample, material, params.parent)
    _echo(make_manifest(request, _echo, None if yes else ask))


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array, one object per version.")] = False,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """List the registered versions: aliases, scores, what they were trained on and with."""
    import shutil
    from datetime import UTC, datetime

    from tmdscope.lifecycle.listing import as_json as write_json
    from tmdscope.lifecycle.listing import list_versions, render
    from tmdscope.tracking.store import connect

    rows = list_versions(connect(), _registered(params))
    width = shutil.get_terminal_size((120, 24)).columns
    _echo(write_json(rows) if as_json else render(rows, datetime.now(UTC), width), nl=False)


@app.command()
def defects(
    movie: Annotated[Path, typer.Argument(help="STEM frames: .npy, .h5, TIFF, GIF, .dm3 ..., or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for tables, page and marked movie.")] = Path("defects"),
    pixel_nm: Annotated[
        float | None, typer.Option(min=1e-4, max=10, help="Else the file's, or by the Bragg ring.")
    ] = None,
    lattice_nm: Annotated[
        float | None, typer.Option(min=0.05, max=5, help="Constant of the hexagonal lattice.")
    ] = None,
    crystal: Annotated[
        str | None, typer.Option(help="WS2, MoS2, WSe2, MoSe2 or graphene: names the defects.")
    ] = None,
    memory: Annotated[int, typer.Option(min=0, max=50, help="Frames in which a defect may be missed.")] = 3,
) -> None:
    """Find the defects of a STEM movie of a single layer, name them, and follow them.

    Columns: frame, x_px (column), y_px (row), score (1: just told from noise), and what is known besides.
    """
    from tmdscope.lifecycle.defects import DefectsRequest, find_defects

    _echo(find_defects(DefectsRequest(movie, out, pixel_nm, lattice_nm, crystal, memory)))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Version, alias, models:/NAME/VERSION, or a run's id.")],
    second: Annotated[str, typer.Argument(help="What it is compared with.")],
    speed: Annotated[bool, typer.Option(help="Load and time both, too.")] = True,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Compare two models on the images that both held out, with intervals bootstrapped by sample.

    Writes a page, the images on which they disagree, and an MLflow run in experiment `comparisons`.
    """
    from tmdscope.layout import MAIN
    from tmdscope.lifecycle.compare import compare as compare_models
    from tmdscope.tracking.store import connect

    scoring, tracking = _read(params, "scoring", "tracking")
    named = "-".join(key_of(model.removeprefix("models:/")) for model in (first, second))
    prepared, folder = params.parent / MAIN.prepared, params.parent / MAIN.comparisons / named
    draws = (scoring.bootstrap, scoring.seed)
    _echo(compare_models(connect(), first, second, tracking.model, prepared, folder, *draws, speed))


@app.command()
def promote(
    version: Annotated[
        int | None, typer.Argument(min=1, help="Of the registered model; the one with alias `best`.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Although checks fail; needs a reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
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

    promotion, scoring, audited = _read(params, "promotion", "scoring", "audit")
    study, asked = open_decisions(), audit_settings(audited, scoring)
    gate = make_gate(study.client, promotion.margin, scoring.bootstrap, scoring.seed, asked)
    _echo(promote_version(study, _registered(params), version, gate, who(), force, reason).text)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "", params: ParamsPath = Path("params.yaml")
) -> None:
    """Let `production` and `previous` change places, if the one that comes back loads intact."""
    from tmdscope.lifecycle.gate import load_in_fresh_process
    from tmdscope.lifecycle.promotion import rollback as roll_back
    from tmdscope.tracking.decisions import open_decisions, who

    study = open_decisions()
    _echo(roll_back(study, _registered(params), load_in_fresh_process, who(), reason).text)


@app.command()
def card(
    model: Annotated[str, typer.Argument(help="Version, alias, or models:/NAME/VERSION.")] = "production",
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Write a version's model card anew, into the registry's description too, and print it."""
    from tmdscope.lifecycle.card import write_card
    from tmdscope.tracking.predictions import resolve_version
    from tmdscope.tracking.store import connect

    client = connect()
    _echo(write_card(client, resolve_version(client, model, _registered(params))), nl=False)


@app.command()
def audit(
    manifest: Annotated[
        Path, typer.Argument(help="CSV or Parquet: sample_id, material, path (relative to it) of pictures.")
    ],
    order: Annotated[
        str,
        typer.Option(help="Column of numbers or dates that rises with time; sample_id: its number; none."),
    ],
    nuisance: Annotated[list[str] | None, typer.Option(help="Column that should not matter; repeat.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="NPY, a row per image; without it, spectra of the pictures.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and the record.")] = Path("reports/audit"),
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Say what a score on a data set is worth: duplicates, confounds, held-out campaigns, a verdict.

    Sections `audit` and `prepare` of params.yaml say how; order and nuisance columns are named here.
    """
    from tmdscope.lifecycle.audit import PAGE, audit_manifest

    prepare, asked, scoring = _read(params, "prepare", "audit", "scoring")
    told = audit_manifest(manifest, features, order, nuisance or [], prepare, asked, scoring, out)
    _echo(f"{told}\nin full: {out / PAGE}")


@app.command()
def search(
    experiment: Annotated[str, typer.Argument(help="Key of sections `searches` and `experiments`.")],
    workers: Annotated[int, typer.Option(min=1, max=1000, help="Processes on this machine.")] = 1,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Search the settings of an experiment, or go on with its search, as stage `search` does.

    Variable TMDSCOPE_SEARCH_STORAGE names a PostgreSQL database for searches of more than one process;
    `tmdscope search-worker` joins from anywhere. Ctrl-C gives trials under way back.
    """
    from tmdscope.jobs.searching import local_workers, search_experiment
    from tmdscope.params.search import BEST_PARAMS
    from tmdscope.scores.task import read_task
    from tmdscope.studies import study_of

    study = study_of(params)
    with local_workers(experiment, workers - 1, params):
        found = search_experiment(study, experiment)
    metric = read_task(study.task).primary
    _echo(
        f"{experiment}: trial {found.trial} of {found.progress.over} is best, {metric.title} "
        f"{metric.tell(found.value)}; settings in {study.layout.searches / experiment / BEST_PARAMS}"
    )


@app.command()
def search_worker(
    study: Annotated[str, typer.Argument(help="Name of the study, as `tmdscope search` prints it.")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the study to be made.")] = 0.0,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Work on a search that another process leads, until its last trial is over.

    The same commit, data and settings must be here, and the same TMDSCOPE_SEARCH_STORAGE and
    MLFLOW_TRACKING_URI. An experiment's name stands for its study.
    """
    from tmdscope.jobs.searching import join_experiment_search
    from tmdscope.studies import study_of

    _echo(f"{study}: {join_experiment_search(study_of(params), study, wait)} trials ended here")


@app.command()
def add_material(
    model: Annotated[str, typer.Option(help="Start: models:/NAME@ALIAS or models:/NAME/VERSION.")],
    images: Annotated[Path, typer.Option(help="Folder with images of one new class and their manifest CSV.")],
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Add a class to a registered model and say what that gains against training anew.

    Section `sequential` says how it is trained; data and split must be those of the model. The new model is
    registered, no alias is moved. The study's own files stay as they are: to keep the class, add its images
    to the study's source.
    """
    from tmdscope.jobs.add_material import add_material as add
    from tmdscope.studies import study_of

    text, place = add(study_of(params), model, images)
    _echo(f"{text}\nin full: {place}")


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scans, pictures, or folders.")],
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
    A file that cannot be used is named and the rest goes on; the exit status is then 3.
    """
    from tmdscope.lifecycle.predict import predict_files

    if as_csv and as_json:
        raise UserError("--csv and --json exclude each other")
    form: Any = "csv" if as_csv else "json" if as_json else "table"
    how = (form, heights, sys.stdout, pixel_size_nm or float("nan"), channel, sha256)
    counts = predict_files(files, model, _registered(params), *how)
    _echo(counts.text, err=True)
    if counts.unusable:
        raise typer.Exit(3)


@app.command()
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
    serve_model(model, _registered(params), host, port, names, at_once, sha256)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An instrument's file.")],
    channel: Annotated[str | None, typer.Option(help="Its name; that of the heights is found.")] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG to write; else in reports/inspected.")] = None,
    params: ParamsPath = Path("params.yaml"),
) -> None:
    """Say what is in an instrument's file and draw it before and after levelling, as section `prepare` asks.

    Bruker Nanoscope (.spm, .000 to .999), Asylum .ibw, JPK .jpk and .jpk-qi-image, Park .tiff, Gwyddion .gwy
    and .gsf, .topostats, Nanosurf .nid.
    """
    from tmdscope.layout import MAIN
    from tmdscope.lifecycle.inspection import inspect_file

    if picture is not None and (os.path.lexists(picture) or picture.suffix.lower() != ".png"):
        raise UserError(f"--picture {picture}: name a .png that is not there yet; nothing is overwritten")
    target = picture or params.parent / MAIN.inspected / f"{file.name}.png"
    (prepare,) = _read(params, "prepare")
    _echo(inspect_file(file, prepare, target, channel), nl=False)


@store.command("move")
def move() -> None:
    """Let the runs and models of a project that was copied or renamed lie where the project lies now."""
    from tmdscope.tracking.relocate import move_store
    from tmdscope.tracking.store import tracking_root

    moved = move_store(tracking_root())
    if moved.backup is None:
        _echo(f"{tracking_root()} names its own folder: nothing to move")
        return
    for folder in moved.folders:
        _echo(f"{folder} -> {tracking_root()}")
    _echo(f"{moved.addresses} addresses rewritten; the file as it was: {moved.backup}")


@profile.command("list")
def list_(params: ParamsPath = Path("params.yaml")) -> None:
    """List the profiles."""
    from tmdscope.profiles import list_profiles

    found = list_profiles(params.parent / "profiles")
    width = max(map(len, found))
    for name, headline in found.items():
        _echo(f"{name:{width}}  {headline}")


@profile.command()
def show(
    name: Annotated[str, typer.Argument(help="Profile name.")], params: ParamsPath = Path("params.yaml")
) -> None:
    """Show a profile."""
    from tmdscope.profiles import read_profile

    _print(read_profile(name, params.parent / "profiles"), "yaml")


@profile.command()
def apply(
    name: Annotated[str, typer.Argument(help="Profile name.")],
    params: ParamsPath = Path("params.yaml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change and write nothing.")] = False,
) -> None:
    """Merge a profile into params.yaml, after checking the result, and show the change.

    Mappings are merged key by key; `experiments` and `searches` are replaced as a whole.
    `tmdscope profile apply default` brings the shipped settings back.
    """
    from tmdscope.files import write_text
    from tmdscope.params.reading import read_settings
    from tmdscope.profiles import diff_params, merge_profile, read_profile

    text = read_profile(name, params.parent / "profiles")
    if not params.is_file():
        raise UserError(
            f"{params} does not exist; run from the folder that holds it, or name it with --params"
        )
    before = read_settings(params)
    after = merge_profile(before, text, f"{params.name} with profile {name!r}")
    if before == after:
        _echo(f"{params} already has profile {name!r}")
        return
    _print(diff_params(before, after, params.name), "diff")
    if not dry_run:
        write_text(params, after)
    _echo(f"{params} {'would have' if dry_run else 'now has'} profile {name!r}", err=True)


def _print(text: str, language: str) -> None:
    """Write a text, in colour when a person watches."""
    if not _is_watched():
        _echo(text, nl=False)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(text, language, theme="ansi_dark", background_color="default"))


def _is_watched() -> bool:
    return sys.stdout.isatty()


if __name__ == "__main__":
    app()
