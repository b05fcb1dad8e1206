"""The report lists the scans and heights that ingest had doubts about."""

import pandas as pd

from tmdscope.report.sections.data import channels_read, doubtful_files

FILES = pd.DataFrame({"image_id": ["a.ibw", "b.ibw"], "channel": ["Height", "ZSensorTrace"]})


def test_doubtful_files_are_listed_with_what_isdoubtful_files() -> None:
    (table,) = doubtful_files(FILES.assign(warnings=[None, "it is 62 of 256 pixels high"]))
    assert table.caption == "Heights that are doubtful (1 of 2 images)"
    assert list(table.rows) == [["b.ibw", "ZSensorTrace", "it is 62 of 256 pixels high"]]


def test_the_channels_that_were_read_are_counted() -> None:
    (said,) = channels_read(pd.concat([FILES, FILES[:1]]))
    assert "Height (2), ZSensorTrace (1)" in str(said)
    assert channels_read(FILES[["image_id"]]) == channels_read(FILES.assign(channel=None)) == []


def test_nothing_is_listed_where_nothing_isdoubtful_files() -> None:
    assert doubtful_files(FILES) == []
    assert doubtful_files(FILES.assign(warnings=[None, None])) == []
