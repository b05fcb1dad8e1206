"""The `tmdscope` command says what it does, imports late and never writes a wrong params.yaml."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

import tmdscope
from tmdscope.cli import app

ROOT = Path(__file__).parents[1]
RUNNER = CliRunner()
LIFE = ("audit", "models", "compare", "promote", "rollback", "predict", "card")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_version() -> None:
    assert RUNNER.invoke(app, ["--version"]).output == f"tmdscope {tmdscope.__version__}\n"


@pytest.mark.parametrize("command", [[], ["profile"], ["profile", "apply"], *([name] for name in LIFE)])
def test_help(command: list[str]) -> None:
    result = RUNNER.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


FITTING = {"captum", "dvc", "matplotlib.pyplot", "optuna", "scipy.stats", "sklearn", "skimage", "torchvision"}
"""What no command needs that only reads what is known, or only asks a model."""
HEAVY = {
    "from tmdscope.cli import app; app(['--help'], standalone_mode=False)": {
        "mlflow",
        "numpy",
        "pandas",
        "pydantic",
        "ruamel.yaml",
        "torch",
    }
    | FITTING,
    "import tmdscope.lifecycle.listing": {"torch"} | FITTING,
    "import tmdscope.tracking.predictions": {"torch"} | FITTING,
    "import tmdscope.lifecycle.inspection": {"mlflow", "torch"} | FITTING - {"matplotlib.pyplot"},
    "import tmdscope.lifecycle.first_manifest": {"mlflow", "torch"} | FITTING,
    "import tmdscope.lifecycle.predict": FITTING | {"tmdscope.scan.simulate"},
    "import tmdscope.jobs.check": {"torch", "mlflow"} | FITTING,
}


@pytest.mark.parametrize("code", HEAVY)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(code: str) -> None:
    asked = f"import sys; {code}; print(*sorted({HEAVY[code]!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_profiles_are_listed(project: Path) -> None:
    lines = RUNNER.invoke(app, ["profile", "list"]).output.splitlines()
    assert [line.split()[0] for line in lines] == ["default", "paper", "pretraining"]


def test_a_profile_is_shown_as_written(project: Path) -> None:
    assert (
        RUNNER.invoke(app, ["profile", "show", "paper"]).output
        == (project / "profiles/paper.yaml").read_text()
    )


def test_apply_writes_and_shows_the_change(project: Path) -> None:
    shipped = (project / "params.yaml").read_text()
    result = RUNNER.invoke(app, ["profile", "apply", "paper"])
    assert result.exit_code == 0
    assert "+  size_px: 224\n" in result.stdout
    assert (project / "params.yaml").read_text() != shipped
    assert RUNNER.invoke(app, ["profile", "apply", "default"]).exit_code == 0
    assert (project / "params.yaml").read_text() == shipped


def test_a_dry_run_writes_nothing(project: Path) -> None:
    shipped = (project / "params.yaml").read_text()
    result = RUNNER.invoke(app, ["profile", "apply", "paper", "--dry-run"])
    assert "+  size_px: 224\n" in result.stdout
    assert (project / "params.yaml").read_text() == shipped


def test_a_profile_already_there_is_said_so(project: Path) -> None:
    assert "already has profile 'default'" in RUNNER.invoke(app, ["profile", "apply", "default"]).output


def test_params_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = str(project / "params.yaml")
    assert RUNNER.invoke(app, ["profile", "apply", "paper", "--params", path]).exit_code == 0
    assert "size_px: 224" in (project / "params.yaml").read_text()


@pytest.mark.parametrize("colour", [True, False])
def test_colour_only_when_a_person_watches(
    project: Path, monkeypatch: pytest.MonkeyPatch, colour: bool
) -> None:
    monkeypatch.setattr("tmdscope.cli.profiles._is_watched", lambda: colour)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ("\x1b[" in RUNNER.invoke(app, ["profile", "apply", "paper"]).stdout) is colour


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profile", "apply", "papper"], "did you mean 'paper'?"),
        (["profile", "show", "papper"], "did you mean 'paper'?"),
        (["profile", "list", "--params", "nowhere/params.yaml"], "holds no profile"),
    ],
)
def test_a_users_mistake_is_a_message(project: Path, arguments: list[str], message: str) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stdout == ""


def test_missing_params_are_named(project: Path) -> None:
    (project / "params.yaml").unlink()
    result = RUNNER.invoke(app, ["profile", "apply", "paper"])
    assert result.exit_code == 1
    assert "params.yaml does not exist" in result.stderr


def test_a_wrong_result_is_not_written(project: Path) -> None:
    (project / "profiles" / "wrong.yaml").write_text("# Wrong.\nsplit: {folds: 1}\n")
    shipped = (project / "params.yaml").read_text()
    result = RUNNER.invoke(app, ["profile", "apply", "wrong"])
    assert result.exit_code == 1
    assert "split.folds" in result.stderr
    assert (project / "params.yaml").read_text() == shipped


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions that nobody ever trained; its tables take seconds to make."""
    folder = tmp_path_factory.mktemp("versions")
    uri = f"sqlite:///{folder / 'runs.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("tmd-material-classifier")
    for _ in range(2):
        client.create_model_version("tmd-material-classifier", source=(folder / "model").as_uri())
    return folder / "runs.db"


@pytest.fixture
def client(project: Path, versions: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    """The project's own copy of the store of `versions`."""
    uri = f"sqlite:///{shutil.copy(versions, project)}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def aliases(client: mlflow.MlflowClient) -> dict[str, int]:
    found = client.get_registered_model("tmd-material-classifier").aliases
    return {name: int(version) for name, version in found.items()}


def test_a_version_that_nothing_is_known_of_is_promoted_by_force_only(client: mlflow.MlflowClient) -> None:
    refused = RUNNER.invoke(app, ["promote", "1"])
    assert refused.exit_code == 1
    assert "FAILED  data hash" in refused.stderr
    assert aliases(client) == {}
    without = RUNNER.invoke(app, ["promote", "1", "--force"])
    assert "needs a reason" in without.stderr
    forced = RUNNER.invoke(app, ["promote", "1", "--force", "--reason", "a test"])
    assert forced.exit_code == 0, forced.stderr
    assert "production is version 1 (before: none), forced" in forced.stdout
    assert aliases(client) == {"production": 1}
    unknown = RUNNER.invoke(app, ["promote", "7"])
    assert "no version 7; it has: 1, 2" in unknown.stderr


def test_models_shows_what_is_known(client: mlflow.MlflowClient) -> None:
    client.set_registered_model_alias("tmd-material-classifier", "production", "2")
    shown = RUNNER.invoke(app, ["models"])
    assert "unreviewed" in shown.stdout
    listed = json.loads(RUNNER.invoke(app, ["models", "--json"]).stdout)
    assert [(row["version"], row["aliases"]) for row in listed] == [(1, []), (2, ["production"])]


def test_nothing_to_go_back_to_is_told(client: mlflow.MlflowClient) -> None:
    result = RUNNER.invoke(app, ["rollback"])
    assert result.exit_code == 1
    assert "there is nothing to go back to" in result.stderr


@pytest.mark.parametrize("command", [["predict", "x.png"], ["card"]])
def test_without_a_production_model_the_remedy_is_named(
    client: mlflow.MlflowClient, command: list[str]
) -> None:
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 1
    assert "no alias 'production'" in result.stderr
    assert "tmdscope promote" in result.stderr


def test_two_forms_at_once_are_refused(project: Path) -> None:
    result = RUNNER.invoke(app, ["predict", "x.png", "--csv", "--json"])
    assert result.exit_code == 1
    assert "--csv and --json exclude each other" in result.stderr


def test_commands_find_the_project_from_a_folder_below_and_leave_nothing_there(
    project: Path, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (project / "dvc.yaml").touch()
    below = project / "data" / "user"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    before = sorted(project.rglob("*"))
    assert RUNNER.invoke(app, ["profile", "list"]).exit_code == 0
    for command in (
        ["models"],
        ["card"],
        ["compare", "1", "2"],
        ["predict", "x.png"],
        ["promote"],
        ["rollback"],
    ):
        result = RUNNER.invoke(app, command)
        assert result.exit_code == 1, command
        assert f"{project / 'mlruns' / 'mlflow.db'} does not exist" in result.stderr
    assert sorted(project.rglob("*")) == before
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copy(versions, project)}")
    assert RUNNER.invoke(app, ["models"]).exit_code == 0
    assert list(below.iterdir()) == []


def test_check_says_what_was_checked(project: Path) -> None:
    told = RUNNER.invoke(app, ["check"])
    assert told.exit_code == 0
    assert "every setting is right, and they agree" in told.stdout


def test_check_lists_every_problem(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(
        text.replace("paper_fold: 2", "paper_fold: 7").replace("patch_px: 15", "patch_px: 150")
    )
    told = RUNNER.invoke(app, ["check"])
    assert told.exit_code == 1
    assert "sequential.paper_fold is 7" in told.output
    assert "attribution.patch_px 150" in told.output
