"""Stage `describe`: physical descriptors of every prepared image."""

from tmdscope.analysis.descriptors import describe
from tmdscope.dataset.store import Dataset
from tmdscope.files import write_table
from tmdscope.layout import DESCRIPTORS, PREPARED
from tmdscope.params.materials_study import DescribeParams
from tmdscope.params.reading import read_section
from tmdscope.stage import run_stage


def main() -> None:
    """Write one row per image: its id and its descriptors."""
    dataset = Dataset.load(PREPARED)
    table = describe(dataset.images, read_section("describe", DescribeParams))
    table.insert(0, "image_id", dataset.manifest["image_id"].to_numpy())
    write_table(DESCRIPTORS, table)
    print(f"{DESCRIPTORS}: {len(table)} images, {', '.join(table.columns[1:])}")


if __name__ == "__main__":
    run_stage(main)
