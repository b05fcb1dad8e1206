"""Stage `ingest`: simulate scans, check and copy a user's images, or fetch a published archive."""

from tmdscope.dataset.sources import NOTE, ingest
from tmdscope.files import read_json
from tmdscope.layout import MAIN
from tmdscope.params.images import DataParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage


def main() -> None:
    """Fill `data/raw` from the source that params.yaml names."""
    data = read_section("data", DataParams)
    manifest = ingest(data, MAIN.raw)
    images = ", ".join(f"{name} {(manifest['material'] == name).sum()}" for name in data.classes)
    print(
        f"{MAIN.raw}: {len(manifest)} {data.source} images of {manifest['sample_id'].nunique()} samples "
        f"({images})"
    )
    if data.source == "archive":
        for why, count in read_json(MAIN.raw / NOTE)["left_out"].items():
            print(f"left out: {count} pictures {why}")


if __name__ == "__main__":
    run_stage(main)
