"""What requirements.lock brings along: its licences, as a page of the docs site, and a bill of materials.

``python docs/supply.py`` writes ``sbom.cdx.json`` (CycloneDX 1.6), the same for the same lock.
"""

import json
import re
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
UNKNOWN = "named in no metadata"

COPYLEFT = re.compile(r"GPL|GNU|MPL|Mozilla|EPL|EUPL|CeCILL|CDDL|OSL", re.IGNORECASE)
"""What names of licences hold that ask something of whoever passes the package on."""

INTRODUCTION = """\
# Licences

Every package of `requirements.lock`, with the licence that its own metadata names: nothing is guessed.
`make sbom` writes the same as `sbom.cdx.json` (CycloneDX), `make audit-deps` asks which versions have known
faults (it installs pip-audit for this into an environment of its own).

tmdscope itself is MIT. It imports these packages and holds no copy of them, so its own code and yours stay
under their licences, and who only runs it need do nothing. **Who passes an environment on** (an image, an
installer, a disk) passes these packages on:

- LGPL, MPL, EPL: keep the licence's text and notices, say where the source is (the home page), let users
  replace the package (it is a folder of Python's environment), and publish changes to its own files.
- GPL: the same, and the work that is passed on together with it falls under the GPL, unless the package
  offers another licence (`OR`, `|`) or an exception (pygit2 has one for linking): look before you pass it on.
- *Needed by* says how a package comes in; what only an extra of `pyproject.toml` needs can be left out.
"""


@dataclass(frozen=True)
class Package:
    """A locked package: its versions (one for each platform), licence, home page, and what needs it."""

    name: str
    versions: tuple[str, ...]
    licence: str
    home: str
    needed_by: tuple[str, ...]

    @property
    def is_copyleft(self) -> bool:
        """Whether its licence is, or offers, one with a copyleft."""
        return COPYLEFT.search(self.licence) is not None


def read_lock(extras: Mapping[str, list[str]]) -> list[Package]:
    """Read every package of the lock, by name.

    Parameters
    ----------
    extras : mapping
        Extra to its requirements, as pyproject.toml has them.

    Returns
    -------
    list of Package
        Licence `UNKNOWN` where no metadata name one, or the package is of another platform.
    """
    of_extra = {
        canonicalize_name(Requirement(line).name): f"tmdscope[{extra}]"
        for extra, lines in extras.items()
        for line in lines
    }
    found: dict[str, tuple[list[str], set[str]]] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text(encoding="utf-8")):
        pin = Requirement(entry.splitlines()[0].rstrip("\\ "))
        versions, needed = found.setdefault(canonicalize_name(pin.name), ([], set()))
        versions.append(str(pin.specifier).removeprefix("=="))
        via = re.findall(r"(?m)^    #(?:   | via )(\S+)", entry)
        needed |= {
            of_extra.get(canonicalize_name(pin.name), name) if name == "tmdscope" else name for name in via
        }
    return [
        Package(name, tuple(versions), *_licence(name), tuple(sorted(needed)))
        for name, (versions, needed) in sorted(found.items())
    ]


def _licence(name: str) -> tuple[str, str]:
    """Say what a package's metadata name: its licence, and its home page."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return f"{UNKNOWN} here: it is for another platform", ""
    urls = dict(line.split(", ", 1) for line in said.get_all("Project-URL") or [] if ", " in line)
    known = {key.lower(): url for key, url in urls.items()}
    keys = ("homepage", "home", "source", "source code", "repository", "github", "documentation")
    home = said.get("Home-page") or next(
        (known[key] for key in keys if key in known), next(iter(urls.values()), "")
    )
    classified = [
        line.split(" :: ")[-1] for line in said.get_all("Classifier") or [] if line.startswith("License")
    ]
    classified = [line for line in classified if line != "OSI Approved"]
    written = "".join((said.get("License") or "").strip().splitlines()[:1])[:100]
    if classified and "|" in written:  # a choice, which classifiers cannot tell
        classified.append(written)
    licence = said.get("License-Expression") or ", ".join(classified) or written
    return licence or UNKNOWN, home


def page(extras: Mapping[str, list[str]]) -> str:
    """Write the page of licences, copyleft first.

    Parameters
    ----------
    extras : mapping
        Extra to its requirements.

    Returns
    -------
    str
        Markdown.
    """
    packages = read_lock(extras)
    groups = {
        "Copyleft": [item for item in packages if item.is_copyleft],
        "Not named": [item for item in packages if item.licence.startswith(UNKNOWN)],
        "All others": [
            item for item in packages if not item.is_copyleft and not item.licence.startswith(UNKNOWN)
        ],
    }
    parts = [INTRODUCTION]
    for title, items in groups.items():
        lines = ["| package | version | licence | needed by | home |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(item) for item in items]
        parts.append(f"## {title}\n\n{len(items)} packages.\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(item: Package) -> str:
    licence = item.licence.replace("|", "\\|").replace("<", "&lt;")
    home = f"<{item.home}>" if item.home.startswith("http") else ""
    cells = (f"`{item.name}`", ", ".join(item.versions), licence, ", ".join(item.needed_by), home)
    return f"| {' | '.join(cells)} |"


def bill(project: Mapping[str, Any]) -> str:
    """Write the bill of materials.

    Parameters
    ----------
    project : mapping
        The table ``project`` of pyproject.toml.

    Returns
    -------
    str
        CycloneDX 1.6 in JSON; its serial number is made of its content.
    """
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{item.name}@{version}",
            "name": item.name,
            "version": version,
            "purl": f"pkg:pypi/{item.name}@{version}",
            **(
                {}
                if item.licence.startswith(UNKNOWN)
                else {"licenses": [{"license": {"name": item.licence}}]}
            ),
        }
        for item in read_lock(project["optional-dependencies"])
        for version in item.versions
    ]
    itself = {"type": "application", "bom-ref": "tmdscope", "name": "tmdscope", "version": project["version"]}
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": itself | {"licenses": [{"license": {"id": project["license"]}}]}},
        "components": components,
    }
    return json.dumps(content, indent=2) + "\n"


def project_table() -> dict[str, Any]:
    """Read the table ``project`` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


if __name__ == "__main__":
    (ROOT / "sbom.cdx.json").write_text(bill(project_table()), encoding="utf-8")
