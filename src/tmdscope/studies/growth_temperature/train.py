"""Stage `train`: the network behind the registered model, cross-validated on images of one source."""

from tmdscope.dataset.store import Dataset
from tmdscope.errors import UserError
from tmdscope.files import read_json
from tmdscope.jobs.images.features import store_features
from tmdscope.jobs.study import Study
from tmdscope.jobs.training import Training, cross_validate
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import FeaturesParams
from tmdscope.studies.growth_temperature.described import classes_by_number
from tmdscope.studies.growth_temperature.network import network_of
from tmdscope.studies.growth_temperature.params import ImagesParams, NetworkParams, SimulatedGrowthParams
from tmdscope.studies.growth_temperature.record import ABSENT, NETWORK


def run(study: Study) -> None:
    """Train it on the split of the source's comparison."""
    asked, own = study.section("network", NetworkParams), network_of(study)
    layout, training = own.layout, asked.training
    if (absent := layout.tables / ABSENT).is_file():
        why = read_json(absent)["why"]
        raise UserError(f"network.source is {asked.source}, which was not run: {why}")
    simulated, images = (
        study.section("simulated", SimulatedGrowthParams),
        study.section("images", ImagesParams),
    )
    made = {"simulated": (simulated.prepare, "simulated"), "images": (images.prepare, images.origin)}
    dataset = Dataset.load(layout.prepared)
    keep_freed_memory()
    store_features(FeaturesParams.behind(training), dataset, layout)
    classes = classes_by_number(dataset)
    cross_validate(own, Training(NETWORK, training, dataset, classes, *made[asked.source]))
