"""Manifests: encodings, headers, paths that leave, cells that deceive, and what lies in their place."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.hostile.cases import FOREIGN, Case, command, odd_files, put
from benchmarks.hostile.pictures import WHOLE
from tmdscope.dataset.folder import ingest_folder

CLASSES = ["MoS2", "WS2"]
HEAD = "path,sample_id,material"
ROWS = "a.png,A,MoS2\nb.png,B,WS2\n"
SOUND = f"{HEAD}\n{ROWS}"


def _make(content: bytes | str, name: str = "manifest.csv") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for picture in ("a.png", "b.png"):
            put(f"given/{picture}", WHOLE["png"])(folder)
        put(f"given/{name}", content)(folder)

    return make


def _take(folder: Path, name: str = "manifest.csv") -> Any:
    return ingest_folder(folder / "given", name, CLASSES, folder / "copies")


def _wrong(found: Any) -> str | None:
    taken = sorted(found["sample_id"])
    return None if taken == ["A", "B"] else f"samples {taken}"


def _case(told: str, content: bytes | str, must: str = "refuse", tells: str = "manifest") -> Case:
    return Case(told, _make(content), _take, must, _wrong, tells)


def _row(
    told: str, path: str = "b.png", sample: str = "B", material: str = "WS2", must: str = "refuse"
) -> Case:
    cell = '"' + path.replace('"', '""') + '"'
    return _case(told, f'{HEAD}\na.png,A,MoS2\n{cell},"{sample}","{material}"\n', must)


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _case("as it should be", SOUND, "take")
    yield from _encodings()
    yield from _headers()
    yield from _paths()
    yield from _cells()
    yield from _places()


def _encodings() -> Iterator[Case]:
    yield _case("with a byte order mark", b"\xef\xbb\xbf" + SOUND.encode(), "take")
    yield _case("in UTF-16", SOUND.encode("utf-16"))
    yield _case("in UTF-32", SOUND.encode("utf-32"))
    yield _case("in Latin-1", SOUND.replace("A,", "\xc4,").encode("latin-1"))
    yield _case("with a byte that is no text", SOUND.encode().replace(b"A,", b"\xff,"))
    yield _case("with half a surrogate", SOUND.encode().replace(b"A,", b"\xed\xa0\x80,"))
    yield _case("with NUL", SOUND.replace("A,", "\0,"))
    yield _case("cut within a character", SOUND.encode() + "c.png,C,\u00e9".encode()[:-1])
    yield _case("line ends of old Macs", SOUND.replace("\n", "\r"), "either")
    yield _case("line ends of Windows", SOUND.replace("\n", "\r\n"), "take")
    yield _case("separated by semicolons", SOUND.replace(",", ";"))
    yield _case("separated by tabs", SOUND.replace(",", "\t"))
    yield _case("a quote that does not end", SOUND + '"c.png,C,WS2\n')
    yield Case("a quote in a cell", _make(SOUND.replace("B,", 'B"x",')), _take, "either")
    yield _case("a cell of 200 000 letters", SOUND.replace("A,", "A" * 200_000 + ","))
    yield _case("80 MB of lines", HEAD + "\n" + "a.png,A,MoS2\n" * (6 << 20))
    yield _case(
        "300 000 lines of files that are not there",
        HEAD + "\n" + "".join(f"{n}.png,S{n},MoS2\n" for n in range(300_000)),
    )
    yield _case("a million empty lines", SOUND + "\n" * 1_000_000, "either")
    yield _case("only commas", "," * 100_000 + "\n" + "," * 100_000)
    for told, content in FOREIGN.items():
        yield _case(told, content)


def _headers() -> Iterator[Case]:
    yield _case("only a header", HEAD + "\n")
    yield _case("no header", ROWS)
    yield _case("a header of 20 000 columns", ",".join([HEAD, *(f"c{n}" for n in range(20_000))]) + "\n")
    yield _case("a column twice", SOUND.replace("material", "material,material").replace("2\n", "2,x\n"))
    yield _case(
        "columns that look alike", SOUND.replace("material", "material,m\uff41terial").replace("2\n", "2,x\n")
    )
    yield _case(
        "a column with an escape", SOUND.replace("material", "material,\x1b[2J").replace("2\n", "2,x\n")
    )
    yield _case(
        "both names of the class", SOUND.replace("material", "material,label").replace("2\n", "2,x\n")
    )
    yield _case("a column without a name", SOUND.replace("material", "material,").replace("2\n", "2,x\n"))
    yield _case(
        "a column of ours", SOUND.replace("material", "material,image_sha256").replace("2\n", "2,x\n")
    )
    yield _case("a column of truth", SOUND.replace("material", "material,true_x").replace("2\n", "2,1\n"))
    yield _case("a column called none", SOUND.replace("material", "material,none").replace("2\n", "2,1\n"))
    yield _case(
        "a column misspelt", SOUND.replace("material", "material,pixelsize_nm").replace("2\n", "2,1\n")
    )
    yield _case("a column missing", SOUND.replace("sample_id", "sample"))
    yield _case("too few cells", SOUND + "c.png\n")
    yield _case("too many cells", SOUND + "c.png,C,WS2,x,y\n")
    formula = SOUND.replace("material", "material,=cmd|' /C calc'!A0").replace("2\n", "2,1\n")
    yield _case("a column that is a formula", formula, "either")
    yield _case(
        "a column of marks", SOUND.replace("material", "material,<script>").replace("2\n", "2,1\n"), "either"
    )


def _paths() -> Iterator[Case]:
    paths = {
        "/etc/passwd": "/etc/passwd",
        "above": "../../../../../../etc/passwd",
        "above by a way around": "x/../../given/../../../etc/passwd",
        "a backslash": "..\\..\\b.png",
        "a NUL": "b\0.png",
        "a line end": "b.png\nc.png",
        "an escape": "\x1b[2Jb.png",
        "an address": "http://192.0.2.1/b.png",
        "file://": "file:///etc/passwd",
        "a home": "~/b.png",
        "a variable": "$HOME/b.png",
        "the folder": ".",
        "nothing but slashes": "////",
        "spaces": "   ",
        "5000 letters": "b" * 5000 + ".png",
        "5000 folders": "b/" * 5000 + "b.png",
        "a pipe": "pipe.png",
        "zeros": "zero.png",
        "a link out": "out.png",
        "a ring": "ring.png",
        "a folder called .png": "folder.png",
        "the memory of the process": "/proc/self/mem",
        "the manifest itself": "manifest.csv",
        "turned text": "b\u202egnp.png",
        "a space of no width": "b\u200b.png",
    }
    for told, path in paths.items():

        def make(folder: Path, path: str = path) -> None:
            cell = path if "\n" not in path else f'"{path}"'
            _make(f"{HEAD}\na.png,A,MoS2\n{cell},B,WS2\n")(folder)
            os.mkfifo(folder / "given" / "pipe.png")
            (folder / "given" / "zero.png").symlink_to("/dev/zero")
            (folder / "given" / "out.png").symlink_to("/etc/passwd")
            (folder / "given" / "ring.png").symlink_to("ring.png")
            (folder / "given" / "folder.png").mkdir()

        yield Case(f"a path: {told}", make, _take, "refuse", tells="manifest")
    yield _row("a path twice", path="a.png", sample="A", material="MoS2")
    yield _row("a path that is another by letters alone", path="A.png")
    yield _row("a path in a folder that goes nowhere", path="./b.png", must="take")


def _cells() -> Iterator[Case]:
    for told, sample in {
        "spaces around it": " B ",
        "nothing": "",
        "a line end": "B\nC",
        "an escape": "B\x1b[2J",
        "another's in wide letters": "\uff21",
        "another's with a space of no width": "A\u200b",
    }.items():
        yield _row(f"a sample with {told}", sample=sample)
    for told, material in {
        "that nobody declared": "graphene",
        "that is a formula": "=HYPERLINK(1)",
        "with an escape": "WS2\x1b[2J",
        "of 10 000 letters": "W" * 10_000,
        "that is nothing": " ",
    }.items():
        yield _row(f"a material {told}", material=material)
    yield _case("a sample of two materials", SOUND + "a.png,B,MoS2\n")
    yield _case("a class without a picture", f"{HEAD}\na.png,A,MoS2\nb.png,B,MoS2\n")
    for size in ("nan", "inf", "-1", "0", "1e400", "1,5", "0x10", "1e-320", "ten", "\u0661\u0662", "1_000"):
        cell = f'"{size}"'
        must = "either" if size in ("1e-320", "\u0661\u0662", "1_000") else "refuse"
        yield _case(
            f"a pixel of {size} nm", f"{HEAD},pixel_size_nm\na.png,A,MoS2,\nb.png,B,WS2,{cell}\n", must
        )
    yield _case("a kind of no kind", f"{HEAD},kind\na.png,A,MoS2,\nb.png,B,WS2,movie\n")
    yield _case("heights of 8 bits", f"{HEAD},kind\na.png,A,MoS2,\nb.png,B,WS2,heights\n")
    yield _case("a channel of a picture", f"{HEAD},channel\na.png,A,MoS2,\nb.png,B,WS2,Height\n")
    for told, cell in (
        ("a formula", "=1+1"),
        ("an escape", "\x1b[2J"),
        ("a number of 400 digits", "9" * 400),
    ):
        yield _case(
            f"a column of the user's with {told}",
            f"{HEAD},mine\na.png,A,MoS2,\nb.png,B,WS2,{cell}\n",
            "either",
        )


def _places() -> Iterator[Case]:
    for told, make in odd_files("manifest.csv"):

        def within(folder: Path, make: Callable[[Path], None] = make) -> None:
            (folder / "given").mkdir()
            make(folder / "given")

        yield Case(f"{told} in its place", within, _take, tells="manifest")
    for name in (
        "../../etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "..",
        ".",
        "a\0b",
        "../given",
    ):

        def door(folder: Path, name: str = name) -> Any:
            return _take(folder, name)

        yield Case(f"called {name!r}", _make(SOUND), door, tells=r"^(?!.*root:x:)")
    for told, pattern in {
        "that is none": "(",
        "that never ends": "(a+)+$",
        "that is empty": "",
        "of 10 000 brackets": "(" * 10_000,
    }.items():

        def init(folder: Path, pattern: str = pattern) -> str:
            return command(
                "init", str(folder / "given"), "--yes", "--sample", pattern, "--manifest", "new.csv"
            )

        def many(folder: Path) -> None:
            for number in range(6):
                put(f"given/MoS2/{'a' * 40}!{number}.png", WHOLE["png"])(folder)
                put(f"given/WS2/{'a' * 40}!{number}.png", WHOLE["png"])(folder)

        yield Case(f"init: a pattern {told}", many, init, "either")
