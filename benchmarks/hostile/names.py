"""Names that deceive: of files, classes and samples, in terminals, spreadsheets, cards and pages."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.hostile.cases import Case, command, put, shown_badly
from benchmarks.hostile.pictures import WHOLE
from tmdscope.files import write_table
from tmdscope.lifecycle.predict import writer
from tmdscope.lifecycle.predictor import Prediction
from tmdscope.names import markdown

NAMES = {
    "clears the terminal": "\x1b[2J\x1b]0;owned\x07a.png",
    "is eight bits of control": "\x9b31ma.png",
    "ends the line": "a\nb.png",
    "goes back": "a\rb\x08.png",
    "turns the text": "a\u202egnp.exe",
    "is a formula": "=HYPERLINK(1).png",
    "adds": "+1+cmd|x.png",
    "subtracts": "-2+3.png",
    "calls": "@SUM(1).png",
    "is a formula behind a tab": "\t=1+1.png",
    "is a formula behind a space": " =1+1.png",
    "is HTML": "<img src=x onerror=alert(1)>.png",
    "is Markdown": "[x](javascript:alert(1))|*b*.png",
    "holds quotes": "a\"b'c,d;e.png",
    "is half a character": "a\udcff.png",
    "is long": "a" * 240 + ".png",
}


def _prediction(name: str) -> Prediction:
    from tests.lifecycle.test_prediction_text import GOOD

    return replace(GOOD, file=name)


def cases() -> Iterator[Case]:
    """Give every case."""
    for told, name in NAMES.items():
        for form in ("table", "csv", "json"):

            def write(_: Path, name: str = name, form: Any = form) -> tuple[str, str, str]:
                head, line = writer(form, ("MoS2", "WS2"), ())
                return form, name, head + line(_prediction(name))

            yield Case(f"predict, {form}: a file that {told}", lambda _: None, write, "take", _line)

        def table(folder: Path, name: str = name) -> str:
            import pandas as pd

            write_table(folder / "t.csv", pd.DataFrame({"name": [name], name: [1]}))
            return (folder / "t.csv").read_text(encoding="utf-8", errors="surrogateescape")

        yield Case(f"a table: a name that {told}", lambda _: None, table, "either", _cells)
        if "\udcff" not in name:
            yield Case(
                f"Markdown: a name that {told}",
                lambda _: None,
                lambda _, name=name: markdown(name),
                "take",
                _mark,
            )
        if "/" not in name:

            def given(folder: Path, name: str = name) -> None:
                for sample in ("A1", "A2", "B1", "B2"):
                    put(f"given/{sample[0]}/{sample}_{name}", WHOLE["png"])(folder)

            def init(folder: Path) -> str:
                return command("init", str(folder / "given"), "--yes", "--manifest", "new.csv")

            yield Case(f"init: a file that {told}", given, init, "either", shown_badly)


def _line(found: tuple[str, str, str]) -> str | None:
    form, name, text = found
    if bad := shown_badly(text):
        return bad
    if form == "json":
        return None if isinstance(json.loads(text)["file"], str) and text.count("\n") == 1 else "no one line"
    if form == "csv":
        return _cells(text)
    return None if text.count("\n") == 2 else f"{text.count(chr(10))} lines for {name!r}"


def _cells(text: str) -> str | None:
    rows = list(csv.reader(io.StringIO(text)))
    started = [cell for row in rows for cell in row if re.match(r"[=+@\t\r]|-(?![\d.]+$)", cell)]
    return f"a formula {started[0]!r}" if started else None


def _mark(text: str) -> str | None:
    return "HTML" if re.search(r"(?<!\\)[<\[]", text) else None
