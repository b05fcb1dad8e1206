"""Stage `describe`: descriptors of every prepared image, and of its heights where there are any."""

from tmdscope.analysis.descriptors.catalogue import PHYSICAL
from tmdscope.analysis.descriptors.cluster import on_cluster
from tmdscope.analysis.descriptors.table import describe
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.store import IMAGES, Dataset, write_descriptors
from tmdscope.layout import MAIN
from tmdscope.params.images import ComputeParams, DescribeParams, LevellingParams
from tmdscope.params.reading import read_section
from tmdscope.processes import run_parts
from tmdscope.stage import run_stage


def main() -> None:
    """Write one row per image: its id and its descriptors."""
    manifest = Dataset.load(MAIN.prepared).manifest
    heights = Heights.of(MAIN.raw, manifest, read_section("prepare.levelling", LevellingParams).side_nm)
    settings = read_section("describe", DescribeParams)
    scheduler = read_section("compute", ComputeParams).scheduler
    where = on_cluster(scheduler) if scheduler else run_parts
    table = describe(MAIN.prepared / IMAGES, heights, settings, where)
    write_descriptors(MAIN.descriptors, table, manifest)
    print(f"{MAIN.descriptors}: {len(table)} images, {', '.join(table.columns)}")
    if heights is None:
        print(f"pictures without heights in nm: not known are {', '.join(item.name for item in PHYSICAL)}")


if __name__ == "__main__":
    run_stage(main)
