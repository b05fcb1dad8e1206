"""Stage `prepare`: raw heights or pictures to 8-bit images of one size."""

from tmdscope.cluster import cluster_at
from tmdscope.dataset.prepare import prepare
from tmdscope.jobs.study import Study
from tmdscope.params.images import ComputeParams, PrepareParams


def run(study: Study) -> None:
    """Make 8-bit images of the raw ones."""
    layout = study.layout
    where = cluster_at(study.section("compute", ComputeParams).scheduler)
    dataset = prepare(layout.raw, layout.prepared, study.section("prepare", PrepareParams), where)
    images, rows, columns = dataset.images.shape
    duplicates = dataset.manifest["duplicate_of"].notna().sum()
    print(f"{layout.prepared}: {images} images of {rows} x {columns} px, {duplicates} duplicates of another")
