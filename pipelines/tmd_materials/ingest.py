"""Stage `ingest`: simulate scans, or check and copy a user's images."""

from pathlib import Path

from tmdscope.dataset.sources import ingest
from tmdscope.params import DataParams, read_section
from tmdscope.stage import run_stage

RAW = Path("data/raw")


def main() -> None:
    """Fill `data/raw` from the source that params.yaml names."""
    data = read_section("data", DataParams)
    manifest = ingest(data, RAW)
    images = ", ".join(f"{name} {(manifest['material'] == name).sum()}" for name in data.classes)
    print(
        f"{RAW}: {len(manifest)} {data.source} images of {manifest['sample_id'].nunique()} samples ({images})"
    )


if __name__ == "__main__":
    run_stage(main)
