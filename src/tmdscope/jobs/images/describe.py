"""Stage `describe`: descriptors of every prepared image, and of its heights where there are any."""

from tmdscope.analysis.descriptors.catalogue import FILM, PHYSICAL, bounds_of
from tmdscope.analysis.descriptors.intervals import FRAMES_NM
from tmdscope.analysis.descriptors.table import describe
from tmdscope.cluster import cluster_at
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.store import IMAGES, Dataset, write_descriptors
from tmdscope.jobs.study import Study
from tmdscope.params.images import ComputeParams, DescribeParams, LevellingParams
from tmdscope.processes import run_parts


def run(study: Study) -> None:
    """Write one row per image: its id and its descriptors."""
    layout = study.layout
    manifest = Dataset.load(layout.prepared).manifest
    heights = Heights.of(layout.raw, manifest, study.section("prepare.levelling", LevellingParams).side_nm)
    settings = study.section("describe", DescribeParams)
    where = cluster_at(study.section("compute", ComputeParams).scheduler) or run_parts
    table = describe(layout.prepared / IMAGES, heights, settings, where)
    write_descriptors(layout.descriptors, table, manifest)
    print(f"{layout.descriptors}: {len(table)} images, {', '.join(table.columns)}")
    if settings.interval_scans and heights is not None:
        low, _ = bounds_of("roughness_sq_nm")  # every scan has a roughness
        if unknown := int((table["roughness_sq_nm"].notna() & table[low].isna()).sum()):
            limits = "{:g} to {:g} nm".format(*FRAMES_NM)
            print(f"{unknown} images have no intervals: scans of {limits} are simulated, these are of others")
    if heights is None:
        names = ", ".join(item.name for item in (*PHYSICAL, *FILM))
        print(f"pictures without heights in nm: not known are {names}")
