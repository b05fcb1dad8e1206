"""Audits of anyone's data: tables, features, columns and folders that are not what they should be."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.hostile.cases import FOREIGN, ROOT, Case, command, odd_files, put
from benchmarks.hostile.pictures import WHOLE

SAMPLES = 24


def _table() -> pd.DataFrame:
    names = [f"S{number:02d}" for number in range(SAMPLES)]
    materials = [("MoS2", "WS2")[number % 2] for number in range(SAMPLES)]
    return pd.DataFrame(
        {"sample_id": names, "material": materials, "day": range(SAMPLES), "operator": ["Ann", "Ben"] * 12}
    )


FEATURES = np.random.default_rng(1).normal(size=(SAMPLES, 4)).astype(np.float32)


def _npy(values: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


def _make(
    table: bytes | str, features: bytes | None = None, name: str = "table.csv"
) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        for old, new in (
            ("permutations: 199", "permutations: 19"),
            ("arrangements: 10", "arrangements: 2"),
            ("draws: 5", "draws: 1"),
            ("bootstrap: 2000", "bootstrap: 100"),
        ):
            text = text.replace(old, new)
        put("params.yaml", text)(folder)
        put(f"given/{name}", table)(folder)
        put("given/features.npy", _npy(FEATURES) if features is None else features)(folder)

    return make


def _audit(
    *more: str, table: str = "table.csv", features: str = "features.npy", order: str = "day", out: str = "out"
) -> Callable[[Path], str]:
    def door(folder: Path) -> str:
        return command(
            *("audit", str(folder / "given" / table), "--features", str(folder / "given" / features)),
            *("--order", order, "--out", str(folder / out), "--params", str(folder / "params.yaml"), *more),
        )

    return door


def _page(text: str) -> str | None:
    return None if "laimed" in text else "no verdict"


def cases() -> Iterator[Case]:
    """Give every case."""
    sound = _table().to_csv(index=False)
    yield Case("as it should be", _make(sound), _audit(), "take", _page)
    for told, make in odd_files("table.csv"):

        def within(folder: Path, make: Callable[[Path], None] = make) -> None:
            _make(sound, name="other.csv")(folder)
            make(folder / "given")

        yield Case(f"{told} as a table", within, _audit(), tells=r"table\.csv")
    for told, make in odd_files("features.npy"):

        def beside(folder: Path, make: Callable[[Path], None] = make) -> None:
            _make(sound)(folder)
            (folder / "given" / "features.npy").unlink()
            make(folder / "given")

        yield Case(f"{told} as features", beside, _audit(), tells=r"features\.npy")
    for told, content in FOREIGN.items():
        yield Case(f"{told} as .parquet", _make(content, name="table.parquet"), _audit(table="table.parquet"))
        yield Case(f"{told} as features", _make(sound, content), _audit())
    yield from _tables(sound)
    yield from _features(sound)
    yield from _columns(sound)
    yield from _folders(sound)


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def _tables(sound: str) -> Iterator[Case]:
    table = _table()
    whole = lambda: _parquet(table)  # noqa: E731 - threads of a library must not begin before the fork
    changes: dict[str, Callable[[bytes], bytes]] = {
        "cut in half": lambda content: content[: len(content) // 2],
        "without its end": lambda content: content[:-1],
        "with a turned bit": lambda content: content[:200] + bytes([content[200] ^ 4]) + content[201:],
        "whose end lies": lambda content: content[:-8] + b"\xff\xff\xff\x7f" + b"PAR1",
        "of nothing but marks": lambda _: b"PAR1PAR1",
    }
    for told, change in changes.items():

        def make(folder: Path, change: Callable[[bytes], bytes] = change) -> None:
            _make(change(whole()), name="table.parquet")(folder)

        must = "either" if "bit" in told else "refuse"
        yield Case(f"Parquet {told}", make, _audit(table="table.parquet"), must)
    kinds: dict[str, pd.DataFrame] = {
        "of lists": table.assign(material=[["MoS2"]] * SAMPLES),
        "of numbers": table.assign(material=range(SAMPLES)),
        "of nothing": table.iloc[:0],
        "of no column": table[[]],
        "of bytes": table.assign(sample_id=[b"\xff\x00"] * SAMPLES),
        "of null": table.assign(material=[None] * SAMPLES),
        "of one class": table.assign(material="MoS2"),
    }
    for told, other in kinds.items():

        def store(folder: Path, other: pd.DataFrame = other) -> None:
            _make(_parquet(other), name="table.parquet")(folder)

        yield Case(
            f"Parquet {told}",
            store,
            _audit(table="table.parquet"),
            "either" if told == "of numbers" else "refuse",
        )

    def huge(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        stream = io.BytesIO()
        schema = pa.schema([("sample_id", pa.string()), ("material", pa.string())])
        text = pa.array(["x" * 1000] * 100_000)
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for _ in range(40):
                writer.write_table(pa.table([text, text], schema=schema))
        _make(stream.getvalue(), name="table.parquet")(folder)

    yield Case("Parquet that unpacks to 8 GB", huge, _audit(table="table.parquet"))
    yield Case("in UTF-16", _make(sound.encode("utf-16")), _audit())
    yield Case("with NUL", _make(sound.replace("S01", "\0")), _audit())
    yield Case("with an escape", _make(sound.replace("S01", "\x1b[2J")), _audit())
    yield Case("of two samples", _make("\n".join(sound.splitlines()[:3])), _audit())
    yield Case("samples that look alike", _make(sound.replace("S01", "\uff3300")), _audit())


def _features(sound: str) -> Iterator[Case]:
    class Payload:
        def __reduce__(self) -> Any:
            return os.system, ("touch EXECUTED",)

    bad = FEATURES.copy()
    bad[3, 1] = np.nan
    arrays: dict[str, Any] = {
        "NaN": bad,
        "infinity": np.where(np.isnan(bad), np.inf, bad),
        "a row less": FEATURES[1:],
        "one dimension": FEATURES[:, 0],
        "three dimensions": FEATURES[..., None],
        "no column": FEATURES[:, :0],
        "complex numbers": FEATURES.astype(complex),
        "texts": FEATURES.astype(str),
        "dates": FEATURES.astype("M8[s]"),
        "numbers of 1e300": FEATURES.astype(float) * 1e300,
        "the same everywhere": np.ones_like(FEATURES),
        "truth and lies": FEATURES > 0,
    }
    for told, values in arrays.items():
        must = "either" if told in ("numbers of 1e300", "the same everywhere", "truth and lies") else "refuse"
        yield Case(f"features: {told}", _make(sound, _npy(values)), _audit(), must)
    objects = np.array([[Payload()] * 4] * SAMPLES, object)
    yield Case("features that run a program", _make(sound, _npy(objects, allow_pickle=True)), _audit())
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (24, 100000000000), }\n"
    lying = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    yield Case("features that are 19 TB, it says", _make(sound, lying), _audit())
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros((SAMPLES, 1_000_000)))
    yield Case("an archive of features", _make(sound, stream.getvalue()), _audit())


def _columns(sound: str) -> Iterator[Case]:
    for told, order in {
        "that is not there": "nowhere",
        "of text": "operator",
        "of an escape": "\x1b[2J",
        "of 10 000 letters": "x" * 10_000,
        "of nothing": "",
    }.items():
        yield Case(f"an order {told}", _make(sound), _audit(order=order))
    for told, value in {
        "NaN": "nan",
        "infinity": "inf",
        "nothing": "",
        "1e400": "1e400",
        "a date beyond dates": "99999-12-31",
        "300 digits": "9" * 300,
    }.items():
        table = _table()
        table["day"] = table["day"].astype(object)
        table.loc[3, "day"] = value
        must = "either" if "digits" in told else "refuse"
        yield Case(f"an order with {told}", _make(table.to_csv(index=False)), _audit(), must)
    for told, column in {
        "that is not there": "nowhere",
        "that is the material": "material",
        "with an escape": "\x1b[2J",
    }.items():
        yield Case(
            f"a nuisance {told}",
            _make(sound),
            _audit("--nuisance", column),
            "either" if "material" in told else "refuse",
        )
    rows = "path,sample_id,material,day\n" + "".join(
        f"{n}.png,S{n},{('MoS2', 'WS2')[n % 2]},{n}\n" for n in range(SAMPLES)
    )

    for told, path in {
        "that leave": "../../../../etc/passwd",
        "that are devices": "/dev/zero",
        "that are pipes": "pipe.png",
        "that are not there": "none.png",
    }.items():

        def pictures(folder: Path, path: str = path) -> None:
            _make(rows.replace("3.png", path))(folder)
            os.mkfifo(folder / "given" / "pipe.png")
            for number in range(SAMPLES):
                put(f"given/{number}.png", WHOLE["png"])(folder)

        def door(folder: Path) -> str:
            given = str(folder / "given" / "table.csv")
            return command(
                "audit",
                given,
                "--order",
                "day",
                "--out",
                str(folder / "out"),
                "--params",
                str(folder / "params.yaml"),
            )

        yield Case(f"paths {told}", pictures, door)


def _folders(sound: str) -> Iterator[Case]:
    def theirs(folder: Path) -> None:
        _make(sound)(folder)
        put("out/audit.json", '{"mine": 1}')(folder)

    def page(folder: Path) -> None:
        _make(sound)(folder)
        put("out/index.html", "mine")(folder)

    def file(folder: Path) -> None:
        _make(sound)(folder)
        put("out", "mine")(folder)

    def deep(folder: Path) -> None:
        _make(sound)(folder)
        put("out/audit.json", "[" * 100_000)(folder)

    def pipe(folder: Path) -> None:
        _make(sound)(folder)
        (folder / "out").mkdir()
        os.mkfifo(folder / "out" / "audit.json")

    for told, make in {
        "with a record of another's": theirs,
        "with a page of another's": page,
        "that is a file": file,
        "with a record in lists without end": deep,
        "with a pipe as record": pipe,
    }.items():
        yield Case(f"a folder {told}", make, _audit())
    yield Case("a folder below a device", _make(sound), _audit(out="/dev/null/out"))
