"""Where a result comes from: commit, stage, data, parameters, machine."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import tmdscope
from tmdscope.address import without_secrets
from tmdscope.files import sha256_file, sha256_json
from tmdscope.tracking.store import Store

_WRITTEN_BY_DVC = (":(exclude,glob)**/dvc.lock", ":(exclude)reports")
"""What a run of the pipeline changes by itself: no uncommitted change of its own."""

_LIBRARIES = ("torch", "torchvision", "scikit-learn", "numpy", "mlflow")


def provenance(study: str, data_sha256: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Collect the tags that every run carries; `params` are those that it depends on, JSON-like."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no", "--", ":/", *_WRITTEN_BY_DVC)
    program = Path(sys.argv[0]).name
    called = " ".join(sys.argv[1:3]) if program == "__main__.py" else program  # a study and its verb
    shown_in_ui = {"mlflow.source.name": called, "mlflow.source.type": "LOCAL"}
    if commit:
        shown_in_ui["mlflow.source.git.commit"] = commit
    return {
        **shown_in_ui,
        "study": study,
        "git.commit": commit or "none",
        "git.dirty": str(bool(changes)).lower(),
        "dvc.stage": os.environ.get("DVC_STAGE", "none"),
        "dvc.exp": os.environ.get("DVC_EXP_NAME", "none"),
        "data.sha256": data_sha256,
        "params.sha256": sha256_json(dict(params)),
        "threads": str(torch.get_num_threads()),
        "device": device,
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **{f"version.{name}": version(name) for name in _LIBRARIES},
    }


def whereabouts(study: Store, tags: Mapping[str, str]) -> dict[str, Any]:
    """Say where a stage's runs are and what made them: the part that every ``run.json`` has.

    ``tracking_uri`` (without password), ``experiment_id``, ``made_at`` (now, UTC) and ``provenance``, its
    tags but for those that MLflow's pages alone read.
    """
    return {
        "tracking_uri": without_secrets(study.uri),
        "experiment_id": study.experiment_id,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "provenance": {name: value for name, value in tags.items() if not name.startswith("mlflow.")},
    }


def identity(tags: Mapping[str, str], classes: Sequence[str], **others: Any) -> dict[str, str]:
    """Hash what determines a result: study, settings, classes, data and code.

    `classes` are in label order: the same in another order are other outputs. `others` are further facts: the
    path of a file, which counts by its content, or what is JSON-like, such as another section's settings.
    """
    return {
        "study": tags["study"],
        "settings": tags["params.sha256"],
        "classes": sha256_json(list(classes)),
        "data": tags["data.sha256"],
        "code": code_sha256(),
        **{key: sha256_file(v) if isinstance(v, Path) else sha256_json(v) for key, v in others.items()},
    }


def machine(tags: Mapping[str, str]) -> dict[str, str]:
    """Pick, of the tags of `provenance`, what may change the last digits of a result."""
    names = ("threads", "device", "processor", "precision", "version.torch")
    return {name: tags[name] for name in names if name in tags}


def code_sha256() -> str:
    """Give the SHA-256 over the name and content of every module of the package."""
    package = Path(tmdscope.__file__).parent
    files = sorted(package.rglob("*.py"))
    return sha256_json([[path.relative_to(package).as_posix(), sha256_file(path)] for path in files])


def git(*arguments: str) -> str:
    """Ask git; gives what it says, stripped, or nothing where it fails or is absent."""
    try:
        finished = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return finished.stdout.strip()
