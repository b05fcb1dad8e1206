"""The report lists the instrument files that ingest had doubts about."""

import pandas as pd

from tmdscope.report.materials_study import _doubtful

FILES = pd.DataFrame({"image_id": ["a.ibw", "b.ibw"], "channel": ["Height", "ZSensorTrace"]})


def test_doubtful_files_are_listed_with_what_is_doubtful() -> None:
    (table,) = _doubtful(FILES.assign(warnings=[None, "it is 62 of 256 pixels high"]))
    assert table.caption == "Instrument files that are doubtful (1 of 2 images)"
    assert list(table.rows) == [["b.ibw", "ZSensorTrace", "it is 62 of 256 pixels high"]]


def test_nothing_is_listed_where_nothing_is_doubtful() -> None:
    assert _doubtful(FILES) == []
    assert _doubtful(FILES.assign(warnings=[None, None])) == []
