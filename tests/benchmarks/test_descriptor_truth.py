"""Coverage, which heights show plainly, is read off simulated scans of every material."""

from benchmarks.descriptor_truth import as_markdown, compare


def test_coverage_is_read_off_and_the_table_has_every_descriptor() -> None:
    found = compare(96, samples=3, calibrated=60)
    assert found["coverage"]["scans"] == 15
    assert found["coverage"]["r"] > 0.97
    assert found["roughness_sq_nm"]["r"] > 0.85
    assert found["coverage"]["held"] > 0.5
    assert found["coverage"]["width"] < 0.2
    assert as_markdown({96: found}).count("\n") == 2 + len(found)
