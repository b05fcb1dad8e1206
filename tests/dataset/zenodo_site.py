"""Zenodo's API on this machine, with records of tiny archives."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping

import numpy as np
import tifffile

from tests.support.web import Site

TMD_AFM = "13961220"
GROWTH_TEMPERATURE = "8432222"


def publish(site: Site, number: str, files: Mapping[str, bytes]) -> None:
    """Put a record and its files on a site."""
    entries = []
    for name, content in files.items():
        md5 = hashlib.md5(content).hexdigest()
        path = f"/records/{number}/files/{name}"
        site.files[path] = content
        links = {"self": f"{site.url}{path}"}
        entries.append({"key": name, "size": len(content), "checksum": f"md5:{md5}", "links": links})
    listing = {"id": int(number), "doi": f"10.5281/zenodo.{number}", "files": entries}
    site.files[f"/api/records/{number}"] = json.dumps(listing).encode()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def grey(seed: int, size: int = 20) -> np.ndarray:
    """Draw a noisy 8-bit picture."""
    return np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)


def tiff(values: np.ndarray) -> bytes:
    """Write a TIFF as the authors' tools do."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, photometric="minisblack")
    return stream.getvalue()


def authors_tiff(image: np.ndarray) -> bytes:
    """Write a grey picture as three equal channels of fractions, channels first."""
    return tiff(np.repeat(image[None], 3, axis=0) / 255)


def tmd_afm_pictures(samples: int = 8) -> dict[str, bytes]:
    """Pictures of samples of MoS2 and WS2, two of each sample, every fourth sample held out."""
    return {
        f"Tif_Files/image{2 * number + half}_{'MoS2' if number % 2 else 'WS2'}_center_{number:04d}_"
        f"{'test' if number % 8 < 2 else 'train'}.tif": authors_tiff(grey(2 * number + half))
        for number in range(samples)
        for half in range(2)
    }


def growth_pictures(temperatures: Mapping[str, str], size: int = 20) -> dict[str, bytes]:
    """Pictures and the table of activities, sample to temperature as written."""
    pictures = {
        f"MCV1-{sample}_{sample}_AFM-center_1um.tif": tiff(grey(number, size))
        for number, sample in enumerate(temperatures)
    }
    lines = ["sampleLabel,sampleId,time,T,P,substrate"]
    lines += [f"MCV1-{sample},{sample},10,{text},50,c-plane" for sample, text in temperatures.items()]
    return {**pictures, "MoS2_activities_substrate.csv": "\n".join(lines).encode()}
