"""Every locked package is in the page of licences and the bill of materials, once; copyleft is named."""

import json
import re
from pathlib import Path

import pytest
import supply

ROOT = Path(__file__).parents[1]

PROJECT = supply.project_table()
PINS = re.findall(r"(?m)^([A-Za-z0-9][\w.-]*)==([^\s;]+)", (ROOT / "requirements.lock").read_text())


def test_every_locked_package_has_one_row() -> None:
    text = supply.page(PROJECT["optional-dependencies"])
    assert sorted(re.findall(r"(?m)^\| `([^`]+)`", text)) == sorted({name.lower() for name, _ in PINS})


def test_copyleft_comes_first_and_a_licence_that_is_not_named_is_not_guessed() -> None:
    packages = {item.name: item for item in supply.read_lock(PROJECT["optional-dependencies"])}
    for name in ("afmreader", "certifi", "psycopg", "pygit2", "tqdm", "shtab"):
        assert packages[name].is_copyleft, name
    for name in ("numpy", "torch", "requests", "pydantic"):
        assert not packages[name].is_copyleft, name
    assert packages["afmreader"].needed_by == ("tmdscope[scans]",)
    assert packages["pywin32"].licence.startswith(supply.UNKNOWN)
    text = supply.page(PROJECT["optional-dependencies"])
    assert text.index("## Copyleft") < text.index("`afmreader`") < text.index("## Not named")


def test_the_bill_of_materials_is_the_lock_and_always_the_same() -> None:
    text = supply.bill(PROJECT)
    content = json.loads(text)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    found = [(item["name"], item["version"]) for item in content["components"]]
    assert sorted(found) == sorted((name.lower(), version) for name, version in PINS)
    assert supply.bill(PROJECT) == text


def test_the_bill_of_materials_follows_its_schema() -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(supply.bill(PROJECT)) is None
