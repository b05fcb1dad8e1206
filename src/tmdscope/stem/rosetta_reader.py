"""A program: reads a microscope's file by rosettasciio and writes its frames as NPY; nothing imports it.

``python rosetta_reader.py FILE TARGET`` prints the size of a pixel and its unit, where the file tells them.
"""

import sys
from importlib import import_module

import numpy as np


def main() -> None:
    """Write the largest two- or three-dimensional signal."""
    path, target = sys.argv[1:]
    suffix = path.rsplit(".", 1)[1].lower()
    reader = {"dm3": "digitalmicrograph", "dm4": "digitalmicrograph", "emd": "emd", "ser": "tia"}[suffix]
    signals = import_module(f"rsciio.{reader}").file_reader(path)
    images = [one for one in signals if np.ndim(one["data"]) in (2, 3)]
    if not images:
        sys.exit("it holds no frames")
    largest = max(images, key=lambda one: np.size(one["data"]))
    np.save(target, np.asarray(largest["data"]))
    axis = largest["axes"][-1]
    if axis.get("units"):
        sys.stdout.write(f"{axis['scale']} {axis['units']}\n")


if __name__ == "__main__":
    main()
