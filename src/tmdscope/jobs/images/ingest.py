"""Stage `ingest`: simulate scans, check and copy a user's images, or fetch a published archive."""

from tmdscope.dataset.sources import ingest
from tmdscope.jobs.study import Study
from tmdscope.params.images import DataParams


def run(study: Study) -> None:
    """Bring raw images from the source that section `data` names."""
    layout = study.layout
    data = study.section("data", DataParams)
    manifest = ingest(data, layout.raw)
    images = ", ".join(f"{name} {(manifest['label'] == name).sum()}" for name in data.classes)
    print(
        f"{layout.raw}: {len(manifest)} {data.source} images of {manifest['sample_id'].nunique()} samples "
        f"({images})"
    )
