"""Where the simulator put boundaries, steps and second layers in images of a simulated data set."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from tmdscope.errors import UserError
from tmdscope.params.images import SimulatedParams
from tmdscope.scan.level import resize_area
from tmdscope.scan.simulate import SamplePlan, drawing, simulate_sample


def simulated_masks(
    manifest: pd.DataFrame, settings: SimulatedParams, size_px: int, tolerance_px: int
) -> dict[str, NDArray[np.bool_]]:
    """Simulate some images of a data set again, for what they show: masks of `SimulatedScan` by name.

    Bool, shape (N, size_px, size_px): prepared pixels of which any part shows it, widened by `tolerance_px`
    on all sides. A scan that comes out other than the data set's is a UserError.
    """
    found: dict[str, dict[str, NDArray[np.bool_]]] = {}
    table = manifest.assign(number=manifest["image_id"].str.rsplit("-", n=1).str[1].astype(int))
    for (sample, label), rows in table.groupby(["sample_id", "label"]):
        plan = SamplePlan(str(sample), str(label), int(rows["number"].max()) + 1)
        scans = simulate_sample(
            plan, settings.size_px, settings.frame_nm, settings.seed, drawing(settings.flaws)
        )
        for image, number, sha256 in zip(
            rows["image_id"], rows["number"], rows["source_sha256"], strict=True
        ):
            if scans[number].scan.sha256 != sha256:
                raise UserError(
                    f"image {image} is not what data.simulated of params.yaml gives now; "
                    "run stage `ingest` again"
                )
            found[image] = {
                name: _prepare(mask, size_px, tolerance_px) for name, mask in scans[number].masks.items()
            }
    ids = manifest["image_id"].tolist()
    return {name: np.stack([found[image][name] for image in ids]) for name in found[ids[0]]}


def _prepare(mask: NDArray[np.bool_], size_px: int, tolerance_px: int) -> NDArray[np.bool_]:
    shown = np.asarray(resize_area(mask.astype(np.float32), size_px) > 0)
    if tolerance_px == 0:
        return shown
    return np.asarray(binary_dilation(shown, np.ones((3, 3), bool), iterations=tolerance_px))
