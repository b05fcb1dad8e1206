"""Stage `prepare`: raw heights or pictures to 8-bit images of one size."""

from tmdscope.dataset.prepare import prepare
from tmdscope.layout import MAIN
from tmdscope.params.images import PrepareParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage


def main() -> None:
    """Fill `data/prepared` from `data/raw`."""
    dataset = prepare(MAIN.raw, MAIN.prepared, read_section("prepare", PrepareParams))
    images, rows, columns = dataset.images.shape
    duplicates = dataset.manifest["duplicate_of"].notna().sum()
    print(f"{MAIN.prepared}: {images} images of {rows} x {columns} px, {duplicates} duplicates of another")


if __name__ == "__main__":
    run_stage(main)
