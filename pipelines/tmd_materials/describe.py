"""Stage `describe`: descriptors of every prepared image, and of its heights where there are any."""

from tmdscope.analysis.descriptors.catalogue import PHYSICAL
from tmdscope.analysis.descriptors.cluster import on_cluster
from tmdscope.analysis.descriptors.table import describe
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.store import IMAGES, Dataset
from tmdscope.files import write_table
from tmdscope.layout import DESCRIPTORS, PREPARED, RAW
from tmdscope.params.materials_study import ComputeParams, DescribeParams, LevellingParams
from tmdscope.params.reading import read_section
from tmdscope.processes import run_parts
from tmdscope.stage import run_stage


def main() -> None:
    """Write one row per image: its id and its descriptors."""
    ids = Dataset.load(PREPARED).manifest["image_id"]
    heights = Heights.of(RAW, read_section("prepare.levelling", LevellingParams).side_nm)
    settings = read_section("describe", DescribeParams)
    scheduler = read_section("compute", ComputeParams).scheduler
    where = on_cluster(scheduler) if scheduler else run_parts
    table = describe(PREPARED / IMAGES, heights, settings, where)
    table.insert(0, "image_id", ids.to_numpy())
    write_table(DESCRIPTORS, table)
    print(f"{DESCRIPTORS}: {len(table)} images, {', '.join(table.columns[1:])}")
    if heights is None:
        print(f"pictures without heights in nm: not known are {', '.join(item.name for item in PHYSICAL)}")


if __name__ == "__main__":
    run_stage(main)
