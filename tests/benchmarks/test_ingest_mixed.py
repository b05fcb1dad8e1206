"""A folder of files of all formats is ingested but for the broken one, which is told."""

from benchmarks.ingest_mixed import WRITERS, measure


def test_the_broken_file_alone_is_told() -> None:
    found = measure(2 * len(WRITERS))
    assert found["told"].startswith("manifest.csv: 1 problem(s)")
    assert "line 13: scan '0011.spm' cannot be used" in found["told"]
    assert found["files_per_s"] > 0
