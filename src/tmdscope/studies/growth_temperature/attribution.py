"""Stage `attribution`: where in held-out images the registered network finds its reasons."""

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.images.attribution import explain_registered
from tmdscope.jobs.study import Study
from tmdscope.params.images import AttributionParams
from tmdscope.studies.growth_temperature.described import classes_by_number
from tmdscope.studies.growth_temperature.network import network_of


def run(study: Study) -> None:
    """Draw CAM, Grad-CAM and occlusion, patches and strides as in the paper."""
    own = network_of(study)
    classes = classes_by_number(Dataset.load(own.layout.prepared))
    explain_registered(own, classes, study.section("attribution", AttributionParams))
