"""What every descriptor is: meaning, formula, unit, source. The data dictionary is written from here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Family = Literal["paper", "physical"]

_PAPER = "Moses & Reinhart, doi:10.5281/zenodo.13961220"
_HARALICK = "Haralick, Shanmugam & Dinstein 1973, IEEE Trans. Syst. Man Cybern. 3, 610, as in " + _PAPER
_ISO = "ISO 25178-2"
_OURS = "tmdscope, `analysis/descriptors`"


@dataclass(frozen=True)
class Descriptor:
    """One column of the table, for a property of the paper's Table 5; unit ``1`` is for pure numbers.

    Family ``paper`` is of the 8-bit image, as the paper's code has it, ``physical`` of the heights in nm.
    `truth` is the simulator's column that it measures; empty where there is none.
    """

    name: str
    family: Family
    property: str
    formula: str
    unit: str
    source: str
    truth: str = ""


_BRIGHT = "Gaussian (sigma 1 px), Otsu's threshold, what is above"
_BLOBS = (
    "difference of Gaussians (sigma 5 to 40 px, ratio 1.6, threshold 0.001) in the volume of three equal "
    "channels; number of blobs"
)
_SPACING = (
    "1 / k of the largest F(k)^2 k of what the film leaves (Hann window), from five periods in the frame "
    "to 35 nm; NaN where a wave that is no harmonic has half of it"
)
_ANGLES = (
    "standard deviation of the gradient's angle over its mean size (0..1 per px); NaN for one grey value"
)
_RESIDUAL = "image (0..1) less its Gaussian (sigma 1 px, mirrored borders)"
_GRAINS = "layers by height, watershed of the first layer along open area and grooves; "
_GLCM = "co-occurrence p(i, j) of horizontal neighbours, symmetric, 256 levels: "

PAPER = tuple(
    Descriptor(name, "paper", property_, formula, unit, source)
    for name, property_, formula, unit, source in (
        (
            "grain_size",
            "grain size",
            f"{_BRIGHT}; mean of sqrt(4 A / pi) over 8-connected parts of area A; NaN without any",
            "px",
            _PAPER,
        ),
        (
            "step_edges",
            "step edges",
            "Canny (sigma 0.3 px, thresholds 0.1 and 0.2), closed by 3 x 3 px; number of 4-connected parts",
            "count",
            _PAPER,
        ),
        (
            "anisotropy",
            "anisotropy",
            _ANGLES,
            "rad px",
            _PAPER,
        ),
        ("homogeneity", "homogeneity", _GLCM + "sum of p / (1 + (i - j)^2)", "1", _HARALICK),
        ("energy", "energy", _GLCM + "sqrt(sum of p^2)", "1", _HARALICK),
        ("correlation", "correlation", _GLCM + "sum of p (i - mean) (j - mean) / variance", "1", _HARALICK),
        ("asm", "ASM", _GLCM + "sum of p^2", "1", _HARALICK),
        (
            "grain_density",
            "grain density",
            f"{_BRIGHT}, opened by a disc of radius 5 px; number of 8-connected parts per pixel",
            "1/px^2",
            _PAPER,
        ),
        (
            "dog_blobs",
            "DoG blob",
            _BLOBS,
            "count",
            _PAPER,
        ),
        ("rms_roughness", "rms roughness", f"root mean square of {_RESIDUAL}", "1", _PAPER),
        (
            "defect_density",
            "defect density",
            "Gaussian (sigma 1 px), local maxima in 3 x 3 px, over the number of values in three channels",
            "1/px^2",
            _PAPER,
        ),
        (
            "local_variation",
            "local variation",
            f"mean over maximum of the absolute value of {_RESIDUAL}",
            "1",
            _PAPER,
        ),
        ("contrast", "contrast", _GLCM + "sum of p (i - j)^2", "grey levels^2", _HARALICK),
        (
            "dissimilarity",
            "dissimilarity",
            _GLCM + "sum of p (i - j), without sign",
            "grey levels",
            _HARALICK,
        ),
    )
)
"""The fourteen descriptors of Table 5, in its order: of 8-bit images."""

PHYSICAL = tuple(
    Descriptor(name, "physical", property_, formula, unit, source, truth)
    for name, property_, formula, unit, source, truth in (
        (
            "equivalent_diameter_nm",
            "grain size",
            _GRAINS + "mean of sqrt(4 A / pi) over basins of area A",
            "nm",
            _OURS,
            "true_equivalent_diameter_nm",
        ),
        (
            "step_height_nm",
            "step edges",
            "2 pi times the first harmonic of the sawtooth, folded by its own phase; NaN as the spacing",
            "nm",
            _OURS,
            "true_step_height_nm",
        ),
        (
            "step_spacing_nm",
            "step edges",
            _SPACING,
            "nm",
            _OURS,
            "true_step_spacing_nm",
        ),
        (
            "slope_anisotropy",
            "anisotropy",
            "mean structure tensor of slopes (Gaussian, 10 nm): (a - b) / (a + b) of its eigenvalues a >= b",
            "1",
            "Bigun & Granlund 1987, Proc. ICCV, 433",
            "true_slope_anisotropy",
        ),
        (
            "texture_aspect_ratio",
            "homogeneity, correlation",
            "Str: shortest over longest distance at which the autocorrelation is 0.2",
            "1",
            _ISO,
            "true_texture_aspect_ratio",
        ),
        (
            "grain_density_per_um2",
            "grain density",
            _GRAINS + "number of basins per area",
            "1/um^2",
            _OURS,
            "true_grain_density_per_um2",
        ),
        (
            "roughness_sq_nm",
            "rms roughness, local variation",
            "Sq: root mean square height without tilt, bow and offsets between rows",
            "nm",
            _ISO,
            "true_height_rms_nm",
        ),
        (
            "coverage",
            "grain size",
            "share of the frame with a layer (0.65 nm) or more above the substrate",
            "1",
            _OURS,
            "true_coverage",
        ),
        (
            "second_layer_coverage",
            "DoG blob",
            "share of the frame with two layers or more",
            "1",
            _OURS,
            "true_second_layer_coverage",
        ),
        (
            "defect_density_per_um2",
            "defect density, DoG blob",
            "peaks more than 1.1 nm above the first layer per area; of two within 12 nm one",
            "1/um^2",
            _OURS,
            "true_adsorbate_density_per_um2",
        ),
    )
)
"""Their counterparts as quantities of the surface: of heights in nm with a pixel size."""


def data_dictionary(descriptors: Iterable[Descriptor] = (*PAPER, *PHYSICAL)) -> str:
    """Write what every descriptor is, as a Markdown table."""
    rows = ["| column | family | Table 5 | formula | unit | source |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{item.name}` | {item.family} | {item.property} | {item.formula} | {item.unit} | {item.source} |"
        for item in descriptors
    ]
    return "\n".join(rows) + "\n"
