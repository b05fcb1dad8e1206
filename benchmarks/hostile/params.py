"""Settings and profiles: no YAML, too much of it, values of other kinds, names that do harm."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.hostile.cases import FOREIGN, ROOT, Case, command, odd_files, put
from tmdscope.jobs.check import check_study
from tmdscope.studies import study_of

SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


def _read(folder: Path) -> Any:
    path = folder / "params.yaml"
    return check_study(study_of(path))


def _case(told: str, content: str | bytes, must: str = "refuse") -> Case:
    return Case(told, put("params.yaml", content), _read, must, tells=r"params\.yaml")


def _with(told: str, line: str, instead: str, must: str = "refuse") -> Case:
    assert line in SHIPPED, line
    return _case(told, SHIPPED.replace(line, instead, 1), must)


def cases() -> Iterator[Case]:
    """Give every case."""
    yield _case("as shipped", SHIPPED, "take")
    for told, make in odd_files("params.yaml"):
        yield Case(f"{told} in its place", make, _read, tells=r"params\.yaml")
    for told, content in FOREIGN.items():
        yield _case(told, content)
    yield from _texts()
    yield from _values()
    yield from _names()
    yield from _profiles()


def _texts() -> Iterator[Case]:
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
    )
    yield _case("a billion laughs", laughs)
    merged = "a: &a {x: 1}\n" + "".join(
        f"k{n}: &k{n}\n  <<: [*{'a' if not n else f'k{n - 1}'}, *a]\n  y{n}: 1\n" for n in range(3000)
    )
    yield _case("merges of merges", merged)
    yield _case("a value that holds itself", "data: &a [*a]\n" + SHIPPED.partition("prepare:")[2])
    yield _case("lists 20 000 deep", "data: " + "[" * 20_000)
    yield _case("closed lists 3000 deep", "data: " + "[" * 3000 + "]" * 3000)
    yield _case("maps 5000 deep", "".join(" " * n + "a:\n" for n in range(3000)))
    yield _case("2 MB of sections", "".join(f"k{n}: {n}\n" for n in range(200_000)))
    yield _case("a line of 5 MB", "data: " + "x" * 5_000_000)
    yield _case("a comment of 90 MB", "# " + "x" * (90 << 20))
    yield _case("in UTF-16", SHIPPED.encode("utf-16"), "either")
    yield _case("in Latin-1", SHIPPED.replace("data/user", "data/\xfcser").encode("latin-1"))
    yield _case("with NUL", SHIPPED.replace("MoS2", "Mo\0S2"))
    yield _case("with an escape", SHIPPED.replace("MoS2", "\x1b[2J"))
    yield _case("with tabs", SHIPPED.replace("  source", "\tsource"))
    yield _case("a list of sections", "- data\n- prepare\n")
    yield _case("only a text", "data\n")
    yield _case("only null", "~\n")
    yield _case("two documents", SHIPPED + "---\n" + SHIPPED)
    yield _case("a section twice", SHIPPED + "\ndata: {}\n")
    yield _case("a tag that runs a program", "!!python/object/apply:os.system ['touch EXECUTED']\n")
    yield _case("a tag that makes an object", SHIPPED.replace("seed: 1", "seed: !!python/name:os.system", 1))
    yield _case("a tag of somebody's", SHIPPED.replace("seed: 1", "seed: !mine 1", 1))
    yield _case("binary data", SHIPPED.replace("source: simulated", "source: !!binary aGVsbG8=", 1))
    yield _case(
        "a set",
        SHIPPED.replace("classes: [MoS2, WS2, WSe2, MoSe2, Mo-WSe2]", "classes: !!set {MoS2, WS2}", 1),
    )
    yield _case("an alias of nothing", SHIPPED.replace("seed: 1", "seed: *nowhere", 1))
    yield _case("a key that is a list", "[a, b]: 1\n" + SHIPPED)
    yield _case("a key that is a map", "{a: b}: 1\n" + SHIPPED)
    yield _case("a key that is a date", "2026-01-01: 1\n" + SHIPPED)
    yield _case("JSON", json.dumps({"data": {}}))
    yield _case("a directive of the future", "%YAML 9.9\n---\n" + SHIPPED)
    yield _case(
        "a conflict of git",
        SHIPPED.replace(
            "  source: simulated", "<<<<<<< HEAD\n  source: simulated\n=======\n  source: folder\n>>>>>>> b"
        ),
    )


def _values() -> Iterator[Case]:
    numbers = (
        "-1",
        "0",
        "1.5",
        "1e400",
        ".nan",
        ".inf",
        "true",
        "'7'",
        "[1]",
        "{a: 1}",
        "~",
        "9" * 5000,
        "0x7fffffffffffffff",
        "2026-01-01",
    )
    for value in numbers:
        yield _with(f"images: {value[:30]}", "images: 300", f"images: {value}")
    yield _with("numbers of base 60", "images: 300", "images: 190:20:30")
    for line, value in (
        ("frame_nm: 1000.0", ".nan"),
        ("frame_nm: 1000.0", ".inf"),
        ("frame_nm: 1000.0", "-1e-300"),
        ("percentiles: [0.5, 99.5]", "[99.5, 0.5]"),
        ("percentiles: [0.5, 99.5]", "[.nan, .inf]"),
        ("percentiles: [0.5, 99.5]", "[]"),
        ("learning_rate: 1.0e-3", ".inf"),
        ("margin: 0.05", ".nan"),
        ("false_discovery_rate: 0.05", "2"),
        ("folds: 5", "1000000000"),
        ("seed: 1", str(2**32)),
        ("size_px: 96", "100000000"),
        ("crop_nm: whole", "-5"),
        ("embargo: [2, 5, 10]", "[2, 2]"),
        ('scheduler: ""', "{}"),
    ):
        key = line.partition(":")[0]
        yield _with(f"{key}: {value}", line, f"{key}: {value}")
    for value in ("movie", "Simulated", "'=1+1'", '"\\e[2J"', "'folder\\nx'"):
        yield _with(f"source: {value}", "source: simulated", f"source: {value}")
    yield _with("an unknown key", "source: simulated", "source: simulated\n  sauce: hot")
    yield _with("an unknown key with an escape", "source: simulated", 'source: simulated\n  "\\e[2J": hot')
    yield _case("an unknown section", SHIPPED + "\nsurprise: 1\n")
    yield _case("a section missing", SHIPPED.replace("scoring:", "scorn:"))


def _names() -> Iterator[Case]:
    for name in (
        "../x",
        "a b",
        "-rf",
        "$(touch EXECUTED)",
        "`touch EXECUTED`",
        "a;b",
        "a\nb",
        "",
        "x" * 300,
        "\u202e",
        "a/b",
        "1e5",
    ):
        quoted = json.dumps(name)
        yield _with(
            f"an experiment called {name[:20]!r}",
            "  scratch-multiclass:",
            f"  {quoted}:",
            "either" if name == "1e5" else "refuse",
        )
    yield _with("an experiment called by a number", "  scratch-multiclass:", "  17:")
    yield _with("an experiment called null", "  scratch-multiclass:", "  ~:")
    for name in ("=1+1", "+x", "@x", " MoS2", "", "a\x1bb", "MoS2\u200b", "x" * 101, "\u041coS2"):
        quoted = json.dumps(name)
        yield _with(f"a class called {name[:20]!r}", "[MoS2, WS2,", f"[MoS2, {quoted},")
    yield _with("a class that is a number", "[MoS2, WS2,", "[MoS2, 5,")
    yield _with("a class that is no", "[MoS2, WS2,", "[MoS2, no, false,")
    yield _with("a class twice", "[MoS2, WS2,", "[MoS2, MoS2,")
    yield _with("5000 classes", "[MoS2, WS2,", "[" + ", ".join(f"C{n}" for n in range(5000)) + ",")
    for name in ("../x", "a b", "=x", "models:/x", "x" * 300):
        yield _with(
            f"a model called {name[:20]!r}", "model: tmd-material-classifier", f"model: {json.dumps(name)}"
        )
        yield _with(f"a study called {name[:20]!r}", "study: tmd-materials", f"study: {json.dumps(name)}")


def _profiles() -> Iterator[Case]:
    def project(name: str, content: str | bytes, params: str = SHIPPED) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            put("params.yaml", params)(folder)
            put(f"profiles/{name}.yaml", content)(folder)

        return make

    def show(folder: Path) -> str:
        return command("profile", "apply", "mine", "--dry-run", "--params", str(folder / "params.yaml"))

    for told, content in (
        ("that is a list", "- 1\n"),
        ("that is no YAML", "a: [\n"),
        ("in Latin-1", "# \xfc\na: 1\n".encode("latin-1")),
        ("of nothing", ""),
        ("that runs a program", "!!python/object/apply:os.system ['touch EXECUTED']\n"),
        ("that holds itself", "# x\ndata: &a\n  x: *a\n"),
        ("with an unknown section", "# x\nsurprise: 1\n"),
        ("that makes a list of a map", "# x\ndata: [1]\n"),
        ("with an escape", "# \x1b[2J\ndata: {}\n"),
    ):
        yield Case(
            f"a profile {told}",
            project("mine", content),
            show,
            "either" if told == "of nothing" else "refuse",
        )
    for name in ("../params", "/etc/passwd", "\x1b[2J", "-x"):

        def named(folder: Path, name: str = name) -> str:
            return command("profile", "show", "--params", str(folder / "params.yaml"), "--", name)

        yield Case(f"a profile called {name!r}", project("mine", "# x\n"), named)
