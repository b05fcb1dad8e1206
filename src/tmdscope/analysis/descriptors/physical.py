"""Physical descriptors of a height map in nm with a pixel size: Table 5's properties as quantities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import peak_local_max

from tmdscope.analysis.descriptors.grains import find_grains
from tmdscope.analysis.descriptors.layers import Layers, find_layers
from tmdscope.analysis.descriptors.steps import find_steps
from tmdscope.scan.areal import (
    remove_quadratic,
    root_mean_square_height,
    structure_anisotropy,
    texture_aspect_ratio,
)
from tmdscope.scan.growth import LAYER_NM

PARTICLE_NM = 1.1
"""An adsorbate stands at least this much above the first layer: a second layer and two thirds more."""
PARTICLE_APART_NM = 12.0
"""Of two particles closer than this one is counted."""


def describe_physical(height_nm: NDArray[Any], pixel_nm: tuple[float, float]) -> dict[str, float]:
    """Compute `PHYSICAL` of finite heights as measured; NaN where a quantity is not defined for the map."""
    levelled = remove_quadratic(height_nm)
    layers = find_layers(height_nm, pixel_nm)
    area_um2 = layers.number.size * pixel_nm[0] * pixel_nm[1] / 1e6
    surface = remove_quadratic(layers.height_nm)  # as its truth is: what islands weigh on one side goes too
    grains = find_grains(layers, pixel_nm)
    steps = find_steps(levelled, layers, pixel_nm)
    return {
        "equivalent_diameter_nm": grains.diameter_nm,
        "step_height_nm": steps.height_nm,
        "step_spacing_nm": steps.spacing_nm,
        "slope_anisotropy": structure_anisotropy(levelled, pixel_nm),
        "texture_aspect_ratio": texture_aspect_ratio(surface, pixel_nm),
        "grain_density_per_um2": grains.count / area_um2,
        "roughness_sq_nm": root_mean_square_height(surface),
        "coverage": float((layers.number > 0).mean()),
        "second_layer_coverage": float((layers.number > 1).mean()),
        "defect_density_per_um2": count_particles(layers, pixel_nm) / area_um2,
    }


def count_particles(layers: Layers, pixel_nm: tuple[float, float]) -> int:
    """Count peaks more than `PARTICLE_NM` above the first layer, or above the substrate where it is bare."""
    above = layers.height_nm - LAYER_NM * np.minimum(layers.number, 1)
    apart = max(1, round(PARTICLE_APART_NM / min(pixel_nm)))
    return len(peak_local_max(above, min_distance=apart, threshold_abs=PARTICLE_NM, exclude_border=False))
