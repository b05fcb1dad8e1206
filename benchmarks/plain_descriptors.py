"""The paper's fourteen descriptors by plain calls of scikit-image and SciPy, one after another."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import blob_dog, canny, graycomatrix, graycoprops, peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import binary_dilation, binary_erosion, disk, opening

TEXTURE = ("homogeneity", "energy", "correlation", "ASM", "contrast", "dissimilarity")


def describe_plainly(image: NDArray[np.uint8], volume: bool = True) -> dict[str, float]:
    """Compute the descriptors of one image.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, shape (rows, columns).
    volume : bool, optional
        Look for blobs in the volume of three channels, as the paper's code does, or in the image, which is
        faster.

    Returns
    -------
    dict
        Name to value.
    """
    colours = np.repeat((image / 255.0)[..., None], 3, axis=2)
    scaled = colours[..., 0]
    smooth = gaussian(scaled * 255, sigma=1)
    bright = smooth > threshold_otsu(smooth)
    diameters = [part.equivalent_diameter_area for part in regionprops(label(bright))]
    matrix = graycomatrix(image, distances=[1], angles=[0], levels=256, symmetric=True, normed=True)
    texture = {name: float(graycoprops(matrix, name).mean()) for name in TEXTURE}
    residual = scaled - ndimage.gaussian_filter(scaled, 1.0)
    along_rows, along_columns = np.gradient(scaled)
    size = np.sqrt(along_rows**2 + along_columns**2)
    peaks = peak_local_max(gaussian(colours, sigma=1.0, channel_axis=-1), min_distance=1)
    found = blob_dog(colours if volume else scaled, threshold=0.001, min_sigma=5, max_sigma=40)
    return {
        "grain_size": float(np.mean(diameters)),
        "step_edges": _count_steps(scaled),
        "anisotropy": float(np.arctan2(along_columns, along_rows).std() / size.mean()),
        "homogeneity": texture["homogeneity"],
        "energy": texture["energy"],
        "correlation": texture["correlation"],
        "asm": texture["ASM"],
        "grain_density": float(label(opening(bright, disk(5))).max()) / image.size,
        "dog_blobs": float(len(found)),
        "rms_roughness": float(np.sqrt(np.mean(residual**2))),
        "defect_density": len(peaks) / colours.size,
        "local_variation": float(np.mean(np.abs(residual) / np.abs(residual).max())),
        "contrast": texture["contrast"],
        "dissimilarity": texture["dissimilarity"],
    }


def _count_steps(scaled: NDArray[np.float64]) -> float:
    square = np.ones((3, 3), dtype=np.uint8)
    with warnings.catch_warnings():  # scikit-image 0.26 renames both
        warnings.simplefilter("ignore", FutureWarning)
        closed = binary_erosion(binary_dilation(canny(scaled, sigma=0.3), square), square)
    return float(ndimage.label(closed)[1])
